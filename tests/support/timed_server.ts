import type { Handler } from "../../lib/http/listening.ts";
import { type Renewal, serveHttp } from "../../lib/http/server.ts";
import { systemClock } from "../../lib/system/clock.ts";

/** A server whose seconds pass when the test says so. */
export interface TimedServer extends AsyncDisposable {
  readonly url: URL;
  readonly port: number;
  /** What it was told of as trouble. */
  readonly troubles: readonly unknown[];
  /** Lets seconds pass one by one; resolves when the server has done what was due in them. */
  seconds(count: number): Promise<void>;
}

/** Starts it on a free port of loopback. */
export async function startTimedServer(handler: Handler, renewal: Partial<Renewal> = {}): Promise<TimedServer> {
  const stop = new AbortController();
  const listening = Promise.withResolvers<URL>();
  const troubles: unknown[] = [];
  let tick = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<void>();
  stop.signal.addEventListener("abort", () => tick.resolve());
  const second = () => {
    waiting.resolve();
    return tick.promise;
  };
  const ended = serveHttp(
    {
      host: "127.0.0.1",
      port: 0,
      clock: systemClock,
      handlerAt: () => handler,
      renewal: { onTrouble: (error) => troubles.push(error), second, ...renewal },
    },
    stop.signal,
    listening.resolve,
  );
  const url = await listening.promise;
  return {
    url,
    port: Number(url.port),
    troubles,
    async seconds(count: number) {
      for (let passed = 0; passed < count; passed++) {
        await waiting.promise;
        waiting = Promise.withResolvers();
        const { resolve } = tick;
        tick = Promise.withResolvers();
        resolve();
      }
      await waiting.promise;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}
