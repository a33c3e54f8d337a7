import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";
import { TallyError, TooLargeError, UnavailableError, type Upstream, UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { collect } from "../streams.ts";
import { systemClock } from "../system/clock.ts";

/** Where keys are fetched, and how often. */
export interface KeySetOptions {
  readonly url: URL;
  /** Who publishes them, for messages. */
  readonly service: Upstream;
  readonly http: HttpClient;
  /** An unknown `kid` makes us ask for new keys at most this often. */
  readonly cooldownMs: number;
  /** A key that was withdrawn is accepted no longer than this. */
  readonly maxAgeMs: number;
}

const LIMIT_BYTES = 256 * 1024;
const TIMEOUT_MS = 5_000;

/**
 * The keys that a server publishes, fetched when the first is needed, over our own client.
 * Its errors are those of jose, of the client, and {@link UpstreamError} for a key that cannot be used.
 * @see RFC 7517, 5
 */
export function remoteKeySet({ url, service, http, cooldownMs, maxAgeMs }: KeySetOptions): JWTVerifyGetKey {
  const fresh = () =>
    createRemoteJWKSet(url, {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: cooldownMs,
      cacheMaxAge: maxAgeMs,
      [customFetch]: async (_url: string, { headers, signal }: { headers: Headers; signal: AbortSignal }) => {
        const { status, body } = await http(url, {
          headers: Object.fromEntries(headers),
          signal,
          timeoutMs: TIMEOUT_MS,
        });
        if (status !== 200) {
          await body.cancel();
          const sentence = `The ${service} at ${url.host} answers with status ${status} when asked for its keys`;
          throw new UnavailableError(service, sentence);
        }
        try {
          return new Response(await collect(body, LIMIT_BYTES, `The key set of ${url.host}`));
        } catch (error) {
          throw error instanceof TooLargeError ? new UpstreamError(service, error.message) : error;
        }
      },
    });
  let keyOf = fresh();
  let lastMs = systemClock.now();
  return async (header, token) => {
    const nowMs = systemClock.now();
    if (nowMs < lastMs) keyOf = fresh(); // the clock was set back: it would ask for no new keys until the old time comes again
    lastMs = nowMs;
    try {
      return await keyOf(header, token);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TallyError) throw error;
      throw new UpstreamError(service, `The ${service} at ${url.host} publishes a key that is none`, { cause: error });
    }
  };
}
