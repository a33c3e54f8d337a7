import type { Bytes } from "../bytes.ts";
import { InterruptedError, type Service, UnavailableError, UpstreamError, UpstreamTimeoutError } from "../errors.ts";
import { byteReader, type ByteStream, byteStream } from "../streams.ts";

/** A call to a server. */
export interface HttpRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Bytes | FormData | ByteStream;
  /** Longest wait for the answer's head. */
  readonly timeoutMs?: number;
  /** Longest silence within the answer's body. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer: any status; the body fails with {@link UpstreamTimeoutError} when it stalls. Cancel or read it. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ByteStream;
}

/** Sends one request and never repeats or redirects it. */
export type HttpClient = (url: URL, request?: HttpRequest) => Promise<HttpAnswer>;

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_STALL_MS = 30_000;
const PIECE_BYTES = 256 * 1024;

/**
 * The one place that calls `fetch`. A redirect is an error: credentials must not follow one to another host.
 * @throws {UnavailableError} the server cannot be reached; {UpstreamTimeoutError} it does not answer in time;
 * {UpstreamError} it redirects; {InterruptedError} the signal was aborted
 */
export function httpClient(service: Service): HttpClient {
  return async (url, request = {}) => {
    const watchdog = new Watchdog(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, request.signal);
    try {
      const response = await fetch(url, { ...fetchOptions(request), signal: watchdog.signal });
      if (response.status >= 300 && response.status < 400 && response.status !== 304) {
        await response.body?.cancel();
        throw new UpstreamError(
          service,
          `The ${service} at ${url.host} redirects to another place, which is not followed`,
        );
      }
      watchdog.pause();
      const body = response.body ?? emptyBody();
      return {
        status: response.status,
        headers: response.headers,
        body: guarded(service, url, body, watchdog, request.stallMs ?? DEFAULT_STALL_MS),
      };
    } catch (error) {
      watchdog.end();
      throw translate(service, url, error, watchdog, request.signal);
    }
  };
}

function fetchOptions({ method = "GET", headers = {}, body }: HttpRequest): RequestInit {
  return { method, headers: { ...headers }, redirect: "manual", ...(body === undefined ? {} : { body }) };
}

function emptyBody(): ByteStream {
  return byteStream(() => Promise.resolve(undefined));
}

function guarded(service: Service, url: URL, body: ByteStream, watchdog: Watchdog, stallMs: number): ByteStream {
  const reader = byteReader(body);
  return byteStream(async () => {
    watchdog.restart(stallMs);
    try {
      const piece = await reader.read(PIECE_BYTES);
      watchdog.pause();
      if (piece.byteLength > 0) return piece;
      watchdog.end();
      return undefined;
    } catch (error) {
      watchdog.end();
      throw translate(service, url, error, watchdog, undefined);
    }
  }, (reason) => {
    watchdog.end();
    return reader.cancel(reason);
  });
}

function translate(service: Service, url: URL, error: unknown, watchdog: Watchdog, signal?: AbortSignal): unknown {
  if (error instanceof UpstreamError) return error;
  if (watchdog.expired) {
    return new UpstreamTimeoutError(service, `The ${service} at ${url.host} does not answer in time`);
  }
  if (signal?.aborted || watchdog.signal.aborted) return new InterruptedError();
  // The cause is left out on purpose: its text may hold the whole URL with a signature.
  return new UnavailableError(service, `The ${service} at ${url.host} cannot be reached or broke the connection off`);
}

/** Aborts its signal after a silence, or together with the caller's signal. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  expired = false;

  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#onOuterAbort = () => this.#controller.abort(outer?.reason);
    if (outer?.aborted) this.#onOuterAbort();
    outer?.addEventListener("abort", this.#onOuterAbort, { once: true });
    this.restart(timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(timeoutMs: number): void {
    this.pause();
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#controller.abort();
    }, timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.pause();
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
  }
}
