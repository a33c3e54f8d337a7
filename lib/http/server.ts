import { ConfigurationError, messageOf } from "../errors.ts";
import type { Clock } from "../system/clock.ts";

/** Answers one request. `cutOff` is aborted when the server has waited long enough at its end: give up then. */
export type Handler = (
  request: Request,
  cutOff: AbortSignal,
  remoteAddr: Deno.NetAddr,
) => Response | Promise<Response>;

/** How a server is run. */
export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Makes the handler, once the address that the server listens on is known. */
  readonly handlerAt: (url: URL) => Handler;
  /** Told why the body of an answer failed after its head was sent; the connection is broken off, so that it never looks whole. */
  readonly onBrokenOff?: (error: unknown) => void;
  readonly clock: Clock;
}

const STOP_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 1_000;
const RETRY_AFTER_SECONDS = "10";

/**
 * Serves HTTP until `signal` is aborted. Then new requests get 503, and those that run have ten seconds to finish before
 * they are cut off. (`Deno.HttpServer.shutdown` alone would not do: once it has been called, nothing can be cut off.)
 * @param onListening called once, with the address it listens on
 * @throws {ConfigurationError} the port cannot be opened there
 */
export async function serveHttp(
  { host, port, handlerAt, onBrokenOff = () => {}, clock }: ServerOptions,
  signal: AbortSignal,
  onListening: (url: URL) => void,
): Promise<void> {
  const cutOff = new AbortController();
  const running = new Set<Promise<void>>();
  const onError = (error: unknown) => {
    onBrokenOff(error);
    return new Response(null, { status: 500 });
  };
  const options = { hostname: host, port, signal: cutOff.signal, onListen: () => {}, onError };
  const server = listen(options, (request, info) => {
    if (signal.aborted) return draining();
    const completed = info.completed.catch(() => undefined).finally(() => running.delete(completed)); // a client that leaves
    running.add(completed);
    return handle(request, cutOff.signal, info.remoteAddr);
  });
  const url = urlOf(server.addr);
  const handle = handlerAt(url);
  onListening(url);
  await aborted(signal);
  if (await within(STOP_LIMIT_MS, Promise.all(running), clock)) {
    await within(CLOSE_LIMIT_MS, server.shutdown(), clock); // lets the last bytes of the answers out
  } else {
    cutOff.abort();
    await within(CLOSE_LIMIT_MS, Promise.all([server.finished, ...running]), clock);
  }
}

/** For whoever asks a server that is about to end, a supervisor's health check above all. */
function draining(): Response {
  const headers = { "Connection": "close", "Content-Type": "application/json", "Retry-After": RETRY_AFTER_SECONDS };
  return new Response('{"status":"draining"}', { status: 503, headers });
}

function listen(
  options: Deno.ServeTcpOptions,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve(options, handler);
  } catch (cause) {
    const fault = `Cannot listen on ${options.hostname}, port ${options.port}: ${messageOf(cause)}`;
    throw new ConfigurationError([fault], { cause });
  }
}

function urlOf({ hostname, port }: Deno.NetAddr): URL {
  return new URL(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Whether the work has ended within the limit. */
async function within(limitMs: number, work: Promise<unknown>, clock: Clock): Promise<boolean> {
  const done = new AbortController();
  const expired = clock.sleep(limitMs, done.signal).then(() => false, () => true); // rejected by our own abort only
  const inTime = await Promise.race([work.then(() => true), expired]);
  done.abort();
  return inTime;
}
