import type { Bytes } from "../bytes.ts";
import {
  ConfigurationError,
  InterruptedError,
  UnavailableError,
  type Upstream,
  UpstreamError,
  UpstreamTimeoutError,
} from "../errors.ts";
import { type ByteStream, byteStream, inPieces } from "../streams.ts";
import { parseContentLength } from "./byte_ranges.ts";
import { processEnvironment } from "../system/environment.ts";
import { piecesOf, SizedBody } from "./sized_body.ts";
import { socketTransport, type Transport, Transports } from "./transport.ts";

/** A call to a server. */
export interface HttpRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes are sent with their length; a stream only where `bodyBytes` says it. */
  readonly body?: string | Bytes | FormData | ByteStream;
  /** How many bytes a streamed body has. */
  readonly bodyBytes?: number;
  /** Longest wait for the answer's head; counted anew with each piece of a large or streamed body that goes out. */
  readonly timeoutMs?: number;
  /** Longest wait for the next 16 KiB of the answer's body. */
  readonly stallMs?: number;
  /** `answer` gives a redirect to the caller, who looks at `Location`; nothing is ever followed by itself. */
  readonly redirects?: "refuse" | "answer";
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

/** How a client reaches its server. */
export interface HttpClientOptions {
  /** Path of a unix socket that every call goes to, whatever host the URL names. */
  readonly unixSocket?: string;
  /**
   * Address that every call goes to, past all proxies, whatever the URL's host resolves to by then. Over TLS the server must prove
   * that it is that host instead.
   */
  readonly address?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** What is sent becomes garbage that `fetch` lets go late: with pieces of 256 KiB it takes 40 MiB more, and no less time. */
const SENT_PIECE_BYTES = 64 * 1024;
const DEFAULT_STALL_MS = 30_000;
const PIECE_BYTES = 256 * 1024;
const SMALLEST_BUFFER_BYTES = 1024;

/** A body is read in pieces of at least this size: over TLS, single chunks of 4 KiB are 2.5 times slower. */
const MIN_PIECE_BYTES = 16 * 1024;

/**
 * The one place that calls `fetch`. A redirect is an error: credentials must not follow one to another host.
 * @throws {UnavailableError} the server cannot be reached; {UpstreamTimeoutError} it does not answer in time;
 * {UpstreamError} it redirects; {InterruptedError} the signal was aborted
 */
export function httpClient(service: Upstream, options: HttpClientOptions = {}): HttpClient {
  const transports = new Transports(processEnvironment);
  return async (url, request = {}) => {
    const timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const watchdog = new Watchdog(timeoutMs, request.signal);
    const sending = new Sending(() => watchdog.restart(timeoutMs));
    try {
      const init = { ...fetchOptions(request, sending), signal: watchdog.signal };
      const fixed = await fixedTransport(url, options, transports);
      const response = fixed === undefined
        ? await fetchThrough(transports, service, url, init)
        : await fetchBy(fixed, url, init);
      sending.end();
      if (isRedirect(response.status) && request.redirects !== "answer") {
        await response.body?.cancel();
        throw new UpstreamError(
          service,
          `The ${service} at ${url.host} redirects to another place, which is not followed`,
        );
      }
      watchdog.pause();
      const body = response.body ?? emptyBody();
      const limits = {
        sizeBytes: parseContentLength(response.headers) ?? PIECE_BYTES,
        stallMs: request.stallMs ?? DEFAULT_STALL_MS,
      };
      return {
        status: response.status,
        headers: response.headers,
        body: guarded(service, url, body, watchdog, limits),
      };
    } catch (error) {
      sending.end();
      watchdog.end();
      throw sending.failure ?? translate(service, url, error, watchdog, request.signal);
    }
  };
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

async function fixedTransport(
  url: URL,
  { unixSocket, address }: HttpClientOptions,
  transports: Transports,
): Promise<Transport | undefined> {
  if (unixSocket !== undefined) return socketTransport(unixSocket);
  return address === undefined ? undefined : await transports.onceAt(url, address);
}

/**
 * Where a proxy cannot be reached or lets nobody through, the server is asked directly: nothing has been sent by then.
 * @throws {UnavailableError} that names both, when neither way leads there
 */
async function fetchThrough(
  transports: Transports,
  service: Upstream,
  url: URL,
  init: RequestInit & { readonly signal: AbortSignal },
): Promise<Response> {
  using transport = await transports.to(url);
  try {
    return await fetch(url, withClient(init, transport));
  } catch (error) {
    const { proxy } = transport;
    if (proxy === undefined || !neverConnected(error) || init.signal.aborted) throw error;
    if (isStreamed(init.body)) throw unreachable(service, url, `through the proxy ${proxy.host}`); // it cannot be sent twice
    using direct = await transports.directTo(url);
    return await fetch(url, withClient(init, direct)).catch((reason) => {
      if (!neverConnected(reason) || init.signal.aborted) throw reason;
      throw unreachable(service, url, `through the proxy ${proxy.host} or directly`);
    });
  }
}

async function fetchBy(transport: Transport, url: URL, init: RequestInit): Promise<Response> {
  using used = transport;
  return await fetch(url, withClient(init, used));
}

function withClient(init: RequestInit, { client }: Transport): RequestInit & { readonly client?: Deno.HttpClient } {
  return client === undefined ? init : { ...init, client };
}

function isStreamed(body: RequestInit["body"]): boolean {
  return body instanceof ReadableStream || body instanceof SizedBody;
}

/** The runtime gives it no class of its own; its words are those of the pinned version. */
function neverConnected(error: unknown): boolean {
  const cause = error instanceof TypeError ? error.cause : undefined;
  return cause instanceof Error && cause.message.includes("client error (Connect)");
}

function unreachable(service: Upstream, url: URL, way: string): UnavailableError {
  return new UnavailableError(service, `The ${service} at ${url.host} cannot be reached ${way}`);
}

function fetchOptions(request: HttpRequest, sending: Sending): RequestInit {
  const { method = "GET", headers = {} } = request;
  const body = sentBody(request, sending);
  return { method, headers: { ...headers }, redirect: "manual", ...(body === undefined ? {} : { body }) };
}

function sentBody({ body, bodyBytes }: HttpRequest, sending: Sending): BodyInit | undefined {
  if (body instanceof Uint8Array && body.byteLength > PIECE_BYTES) {
    return new SizedBody(piecesOf(body, PIECE_BYTES, () => sending.onPiece()), body.byteLength);
  }
  if (!(body instanceof ReadableStream)) return body;
  const stream = sending.observe(body);
  return bodyBytes === undefined ? stream : new SizedBody(stream, bodyBytes);
}

/** A body on its way out: tells of each piece until the answer is there, and remembers why its source failed. */
class Sending {
  /** What the source of the body failed with: `fetch` itself does not say it. */
  failure: unknown;
  readonly #tell: () => void;
  #ended = false;

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  onPiece(): void {
    if (!this.#ended) this.#tell();
  }

  end(): void {
    this.#ended = true;
  }

  observe(source: ByteStream): ByteStream {
    const reader = inPieces(source, SENT_PIECE_BYTES).getReader();
    return byteStream(async () => {
      try {
        const { value } = await reader.read();
        this.onPiece();
        return value;
      } catch (error) {
        this.failure = error;
        throw error;
      }
    }, (reason) => reader.cancel(reason));
  }
}

function emptyBody(): ByteStream {
  return byteStream(() => Promise.resolve(undefined));
}

/** Lets a reader's own memory through to the connection, so that nothing is copied on the way. */
function guarded(
  service: Upstream,
  url: URL,
  body: ByteStream,
  watchdog: Watchdog,
  { sizeBytes, stallMs }: { readonly sizeBytes: number; readonly stallMs: number },
): ByteStream {
  const reader = body.getReader({ mode: "byob" });
  // An aborted fetch keeps its connection until somebody reads on; a cancelled body closes it at once.
  watchdog.onFire(() => void reader.cancel().catch(() => undefined)); // it may have failed by itself
  const read = async (view: Bytes) => {
    watchdog.restart(stallMs);
    try {
      const { value, done } = await reader.read(view, { min: Math.min(MIN_PIECE_BYTES, view.byteLength) });
      watchdog.pause();
      if (watchdog.fired) throw new InterruptedError();
      if (done) watchdog.end();
      return { piece: value ?? new Uint8Array(0), done };
    } catch (error) {
      watchdog.end();
      throw translate(service, url, error, watchdog, undefined);
    }
  };
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: Math.max(SMALLEST_BUFFER_BYTES, Math.min(PIECE_BYTES, sizeBytes)), // many answers are empty
    async pull(controller) {
      const request = controller.byobRequest;
      const { buffer, byteOffset, byteLength } = request?.view ?? new Uint8Array(PIECE_BYTES);
      const { piece, done } = await read(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
      const isEmpty = piece.byteLength === 0;
      if (!isEmpty) request?.respondWithNewView(piece);
      if (!done) return;
      controller.close();
      if (isEmpty) request?.respondWithNewView(new Uint8Array(piece.buffer, byteOffset, 0));
      else controller.byobRequest?.respond(0); // the reader asked for more than there was
    },
    cancel(reason) {
      watchdog.end();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

function translate(service: Upstream, url: URL, error: unknown, watchdog: Watchdog, signal?: AbortSignal): unknown {
  if (error instanceof UpstreamError || error instanceof UnavailableError || error instanceof ConfigurationError) {
    return error;
  }
  if (watchdog.expired) {
    return new UpstreamTimeoutError(service, `The ${service} at ${url.host} does not answer in time`);
  }
  if (signal?.aborted || watchdog.fired) return new InterruptedError();
  if (error instanceof Deno.errors.NotCapable) {
    return new ConfigurationError([`The sandbox of this program does not let it reach the ${service} at ${url.host}`]);
  }
  // The cause is left out on purpose: its text may hold the whole URL with a signature.
  return new UnavailableError(service, `The ${service} at ${url.host} cannot be reached or broke the connection off`);
}

/** Fires once: after a silence, or when the caller's signal is aborted. First that aborts its own signal. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #fire: () => void;
  #action = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  expired = false;
  fired = false;

  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#fire = () => {
      this.fired = true;
      this.#action();
    };
    if (outer?.aborted) this.#fire();
    outer?.addEventListener("abort", this.#fire, { once: true });
    this.restart(timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What happens from now on when it fires. */
  onFire(action: () => void): void {
    this.#action = action;
  }

  restart(timeoutMs: number): void {
    this.pause();
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#fire();
    }, timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.pause();
    this.#outer?.removeEventListener("abort", this.#fire);
  }
}
