import { join } from "node:path";
import { writeAll } from "./raw_http.ts";
import { tempFolder } from "./temp_folder.ts";

/** A socket in front of an engine's that counts what is loaded through it, and can hold a load back. */
export interface EngineRelay extends AsyncDisposable {
  readonly dockerHost: string;
  /** How many loads have begun. */
  readonly loads: () => number;
  /** Whether a load is held back now. */
  readonly isHolding: () => boolean;
  /** Holds back all loads that begin from now on, when so many bytes have passed, until what it returns is disposed of. */
  hold(options?: { readonly afterBytes: number }): Disposable;
}

const LOAD = /^POST \S*\/images\/load/m;

/** Opens a socket in front of that of an engine. */
export async function engineRelay(dockerHost: string): Promise<EngineRelay> {
  const folder = await tempFolder();
  const path = join(folder.path, "relay.sock");
  const listener = Deno.listen({ transport: "unix", path });
  const open = new Set<Deno.Conn>();
  const talks: Promise<unknown>[] = [];
  let [loads, held, heldAfterBytes, isHolding] = [0, Promise.resolve(), 0, false];
  const talk = async (client: Deno.Conn) => {
    open.add(client);
    const connections = [client];
    const close = () => {
      for (const one of connections) if (open.delete(one)) one.close();
    };
    let leftBytes = Infinity;
    const look = async (text: string) => {
      if (LOAD.test(text)) [loads, leftBytes] = [loads + 1, heldAfterBytes];
      leftBytes -= text.length;
      if (leftBytes > 0) return;
      leftBytes = Infinity;
      isHolding = true;
      await held;
      isHolding = false;
    };
    try {
      const engine = await Deno.connect({ transport: "unix", path: dockerHost.replace("unix://", "") });
      open.add(engine);
      connections.push(engine);
      await Promise.allSettled([pump(client, engine, look).finally(close), pump(engine, client).finally(close)]);
    } finally {
      close();
    }
  };
  const accepting = (async () => {
    for await (const client of listener) talks.push(talk(client).catch(onlyAway));
  })();
  return {
    dockerHost: `unix://${path}`,
    loads: () => loads,
    isHolding: () => isHolding,
    hold({ afterBytes } = { afterBytes: 0 }) {
      const { promise, resolve } = Promise.withResolvers<void>();
      [held, heldAfterBytes] = [promise, afterBytes];
      return { [Symbol.dispose]: () => resolve() };
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const one of open) one.close();
      open.clear();
      await accepting;
      await Promise.all(talks);
      await folder[Symbol.asyncDispose]();
    },
  };
}

function onlyAway(error: unknown): void {
  const isAway = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
  if (!isAway) throw error;
}

async function pump(from: Deno.Conn, to: Deno.Conn, look: (text: string) => Promise<void> = async () => {}) {
  const buffer = new Uint8Array(64 * 1024);
  for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
    await look(new TextDecoder("latin1").decode(buffer.subarray(0, size)));
    await writeAll(to, buffer.slice(0, size));
  }
}
