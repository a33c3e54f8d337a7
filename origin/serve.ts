import { join } from "node:path";
import { isLoopback } from "../lib/config/options.ts";
import { ConfigurationError } from "../lib/errors.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { Accounts } from "./accounts.ts";
import { createOriginApp, type OriginDeps } from "./app.ts";
import { lockFolder } from "./folder_lock.ts";
import { ObjectFolder } from "./object_store.ts";
import { PasswordHasher } from "./passwords.ts";
import { baseOf } from "./public_url.ts";
import { ResourceStore } from "./resource_store.ts";
import { notAnOrigin, State } from "./state.ts";
import { Tokens } from "./tokens.ts";

/** How an origin is run. */
export interface OriginOptions {
  /** Folder of everything the origin keeps; made by `initOrigin`. */
  readonly dataDir: string;
  /** Address to listen on; `127.0.0.1` unless given. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where clients reach it, through a TLS proxy; must be given when `host` can be reached from other machines. */
  readonly publicUrl?: URL;
  readonly log?: Logger;
  readonly clock?: Clock;
}

const STOP_LIMIT_MS = 10_000;

/**
 * Serves an origin until the signal is aborted; running requests then have ten seconds to finish.
 * @param onListening called once, with the address it listens on, when calls are taken
 * @throws {ConfigurationError} no origin in the folder, or no `publicUrl` for a public address; {ConflictError} another
 * origin serves this folder
 */
export async function runOrigin(
  options: OriginOptions,
  signal: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const { dataDir, log = silentLogger, clock = systemClock } = options;
  checkAddress(options);
  using state = await State.open(dataDir, clock.now());
  using _lock = await lockFolder(dataDir);
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  if (accounts.count() === 0) throw notAnOrigin(dataDir);
  const resources = new ResourceStore(join(dataDir, "resources"));
  const objects = new ObjectFolder(state, join(dataDir, "objects"));
  await resources.sweep();
  await objects.sweep();
  const tokens = new Tokens({ state, accounts, clock });
  await listen(options, { state, accounts, tokens, resources, objects, log, clock }, signal, onListening);
}

async function listen(
  { host = "127.0.0.1", port, publicUrl }: OriginOptions,
  deps: Omit<OriginDeps, "publicUrl">,
  signal: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const hardStop = new AbortController();
  const server = Deno.serve(
    { hostname: host, port, signal: hardStop.signal, onListen: () => {} },
    (request) => app.fetch(request),
  );
  const url = urlOf(server.addr);
  const app = createOriginApp({ ...deps, publicUrl: publicUrl ?? url });
  deps.log.info("origin_listening", { url: url.href });
  onListening(baseOf(url));
  await aborted(signal);
  deps.log.info("origin_stopping");
  await stopServer(server, hardStop, deps.clock);
}

async function stopServer(server: Deno.HttpServer, hardStop: AbortController, clock: Clock): Promise<void> {
  const stopped = new AbortController();
  const limit = clock.sleep(STOP_LIMIT_MS, stopped.signal).then(() => hardStop.abort(), () => {});
  await server.shutdown();
  stopped.abort();
  await limit;
  await server.finished;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function urlOf({ hostname, port }: Deno.NetAddr): URL {
  return new URL(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
}

function checkAddress({ host = "127.0.0.1", publicUrl }: OriginOptions): void {
  if (publicUrl === undefined && !isLoopback(host)) {
    throw new ConfigurationError([`${host} can be reached from other machines: give the public https URL as well`]);
  }
  if (publicUrl?.protocol === "http:" && !isLoopback(publicUrl.hostname)) {
    throw new ConfigurationError(["The public URL must be https, except on this machine"]);
  }
}
