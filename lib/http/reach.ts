import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import {
  ConfigurationError,
  InterruptedError,
  UnavailableError,
  type Upstream,
  UpstreamTimeoutError,
} from "../errors.ts";
import { type Clock, stillHolds } from "../system/clock.ts";
import { processEnvironment } from "../system/environment.ts";
import { mayConnect, type Reach } from "./address_guard.ts";
import type { HttpClient } from "./client.ts";
import { bareHost } from "./host_text.ts";
import { isLoopback } from "./loopback.ts";
import { proxyFor } from "./proxy.ts";

/** Addresses that a name stands for. @throws {Error} with a `code`, as `dns.lookup()` of Node has them */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Where the client of somebody else's settings may connect. */
export interface ReachRules {
  readonly service: Upstream;
  readonly reach: Reach;
  readonly clock: Clock;
  /** A host that is spoken to anyway, wherever it is. */
  readonly known?: string | undefined;
  readonly resolve?: Resolve;
}

const LOOKUP_LIMIT_MS = 10_000;
/** A name is looked up again after this long. */
const BELIEVED_MS = 30_000;
/** What a sandbox says that lets nobody look names up: its own list of hosts decides then, which somebody on this machine has made. */
const SANDBOXED = "EPERM";

/**
 * A client that connects only as far as it may: the host of each call, or every address that its name stands for, must be within reach.
 * A name that stands for another address in the next moment gains nothing: but for this machine itself all is https, and who is there must
 * prove to have the name. Through a proxy the proxy looks names up; addresses that are written out are refused all the same.
 * @throws from the client: {ConfigurationError} the host is out of reach
 */
export function withinReach(client: HttpClient, rules: ReachRules): HttpClient {
  const believed = new Map<string, number>();
  return async (url, request = {}) => {
    const { clock, known } = rules;
    const untilMs = believed.get(url.hostname) ?? -Infinity;
    if (url.hostname !== known && !stillHolds(untilMs, BELIEVED_MS, clock.now())) {
      await requireReach(url, rules, request.signal ?? undefined);
      believed.set(url.hostname, clock.now() + BELIEVED_MS);
    }
    return await client(url, request);
  };
}

/** Whether a host shows by itself that it is out of reach; of other names their addresses tell. */
export function isOutOfReach({ hostname }: URL, reach: Reach): boolean {
  const bare = bareHost(hostname);
  return isIP(bare) === 0 ? isLoopback(hostname) && reach !== "loopback" : !mayConnect(bare, reach);
}

async function requireReach(url: URL, rules: ReachRules, signal: AbortSignal | undefined): Promise<void> {
  const { service, reach } = rules;
  const addresses = proxyFor(url, processEnvironment) === undefined ? await addressesOf(url, rules, signal) : [];
  if (!isOutOfReach(url, reach) && addresses.every((address) => mayConnect(address, reach))) return;
  throw new ConfigurationError([
    `The ${service} at ${url.host} is at an address that none may have, or that only this machine may name`,
  ]);
}

async function addressesOf(
  url: URL,
  { service, resolve = lookUp }: ReachRules,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  try {
    return await limited(
      resolve(bareHost(url.hostname)),
      signal,
      () => new UpstreamTimeoutError(service, `The name of the ${service} at ${url.host} is not found in time`),
    );
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof UpstreamTimeoutError) throw error;
    if (error instanceof Error && "code" in error && error.code === SANDBOXED) return [];
    throw new UnavailableError(service, `The ${service} at ${url.host} cannot be reached: its name is not known`);
  }
}

async function lookUp(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** A look-up cannot be stopped; it is waited for no longer. */
async function limited<T>(work: Promise<T>, signal: AbortSignal | undefined, late: () => Error): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const stop = () => ended.reject(new InterruptedError());
  const timer = setTimeout(() => ended.reject(late()), LOOKUP_LIMIT_MS);
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  work.catch(() => undefined); // told to whoever still waits
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
