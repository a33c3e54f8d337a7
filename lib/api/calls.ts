import type { z } from "zod";
import type { Bytes } from "../bytes.ts";
import {
  ConflictError,
  NotAllowedError,
  NotFoundError,
  NotSignedInError,
  RateLimitedError,
  TooLargeError,
  UnavailableError,
  UpstreamError,
} from "../errors.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../http/client.ts";
import { withRetry } from "../http/retry.ts";
import { collect } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { jsonOrUndefined, parseRefusal, type Refusal } from "./wire.ts";

/** Longest wait for the head of an answer. */
const ANSWER_TIMEOUT_MS = 15_000;
const JSON_LIMIT_BYTES = 1024 * 1024;
const REFUSAL_LIMIT_BYTES = 64 * 1024;
const DEFAULT_RETRY_AFTER_SECONDS = 60;
const MAX_RETRY_AFTER_SECONDS = 3600;
/** Only a call that named an ETag is answered so. */
const NOT_MODIFIED = 304;
const STATUS_WORDS: Readonly<Record<number, string>> = {
  401: "does not accept the sign-in",
  403: "does not allow this account to do that",
  404: "does not have what was asked for",
  409: "refuses the call in its present state",
  429: "is asked too often",
};

/** Where the API client takes its token from. */
export interface TokenSource {
  /** The present token. @throws {NotSignedInError} when nobody is signed in. */
  token(signal?: AbortSignal): Promise<string>;
  /** A token newer than `stale`. Simultaneous callers share one sign-in. @throws {NotSignedInError} */
  renew(stale: string, signal?: AbortSignal): Promise<string>;
}

/** What calls are made with. */
export interface ApiCallsDeps {
  readonly baseUrl: URL;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** May be missing for a client that only signs in. */
  readonly tokens?: TokenSource;
}

/** Takes what it needs of an answer. It may be called again, with another answer, when this one breaks off. */
export type ReadAnswer<T> = (answer: HttpAnswer) => Promise<T>;

/** Calls of the API: repeated where they fail in passing, signed in where they must be, their refusals as errors of ours. */
export class ApiCalls {
  readonly #baseUrl: URL;
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #tokens: TokenSource | undefined;

  constructor({ baseUrl, http, clock, tokens }: ApiCallsDeps) {
    this.#baseUrl = baseUrl;
    this.#http = http;
    this.#clock = clock;
    this.#tokens = tokens;
  }

  /** A call with the token of who is signed in; after 401 or 403 once more, with a new one. See {@link ApiCalls.repeated}. */
  async signedIn<T>(path: readonly string[], request: HttpRequest, read: ReadAnswer<T>): Promise<T> {
    if (this.#tokens === undefined) {
      throw new NotSignedInError(`Cannot call the API at ${this.#host}: nobody is signed in`);
    }
    const token = await this.#tokens.token(request.signal ?? undefined);
    try {
      return await this.repeated(path, withToken(request, token), read);
    } catch (error) {
      if (!(error instanceof NotSignedInError || error instanceof NotAllowedError)) throw error;
      const renewed = await this.#tokens.renew(token, request.signal ?? undefined);
      return await this.repeated(path, withToken(request, renewed), read);
    }
  }

  /** A call that needs nobody signed in. An answer that breaks off while it is read is asked for again, as one that does not come is. */
  repeated<T>(path: readonly string[], request: HttpRequest, read: ReadAnswer<T>): Promise<T> {
    const once = async () => await read(await this.#once(path, request));
    return withRetry(once, { clock: this.#clock, signal: request.signal });
  }

  async #once(path: readonly string[], request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#http(this.#url(path), { timeoutMs: ANSWER_TIMEOUT_MS, ...request });
    if (answer.status >= 200 && answer.status < 300 || answer.status === NOT_MODIFIED) return answer;
    throw this.#refused(answer, await this.#refusal(answer));
  }

  /** Every part is a path segment of its own, whatever characters it has. */
  #url(path: readonly string[]): URL {
    if (path.some((part) => part === "." || part === "..")) throw new TypeError(`"${path.join("/")}" is not a path`);
    const url = new URL(this.#baseUrl);
    url.pathname = [url.pathname.replace(/\/+$/, ""), ...path.map(encodeURIComponent)].join("/");
    url.search = "";
    url.hash = "";
    return url;
  }

  async #refusal(answer: HttpAnswer): Promise<Refusal> {
    try {
      return parseRefusal(new TextDecoder().decode(await collect(answer.body, REFUSAL_LIMIT_BYTES)));
    } catch (error) {
      if (error instanceof TooLargeError) return { reason: undefined, message: undefined };
      throw error;
    }
  }

  #refused({ status, headers }: HttpAnswer, { reason, message }: Refusal): Error {
    const sentence = message ?? `The API at ${this.#host} ${STATUS_WORDS[status] ?? `answers with status ${status}`}`;
    if (status === 401) return new NotSignedInError(sentence);
    if (status === 403) return new NotAllowedError(sentence);
    if (status === 404) return new NotFoundError(sentence);
    if (status === 409) return new ConflictError(sentence, reason);
    if (status === 429) return new RateLimitedError(sentence, retryAfterSeconds(headers, this.#clock));
    if (status >= 500) {
      return unavailable(`The API at ${this.#host} answers with status ${status}`, headers, this.#clock);
    }
    return new UpstreamError(
      "API",
      `The API at ${this.#host} refuses the call with status ${status}${message ? `: ${message}` : ""}`,
    );
  }

  /** The JSON of an answer, at most 1 MiB. @throws {UpstreamError} it is of another form */
  async json<T>(answer: HttpAnswer, schema: z.ZodType<T>): Promise<T> {
    const text = new TextDecoder().decode(await this.limited(answer, JSON_LIMIT_BYTES));
    const parsed = schema.safeParse(jsonOrUndefined(text));
    if (parsed.success) return parsed.data;
    throw this.strange("something that is not an answer to the call");
  }

  /** The answer, whose body is not JSON. @throws {UpstreamError} it is a web page */
  async octets(answer: HttpAnswer): Promise<HttpAnswer> {
    if (!/^text\/html\b/i.test(answer.headers.get("content-type") ?? "")) return answer;
    await answer.body.cancel();
    throw this.strange("a web page");
  }

  /** Drops the body of an answer that tells nothing more. */
  async done(answer: HttpAnswer): Promise<void> {
    await (await this.octets(answer)).body.cancel();
  }

  /** The whole body. @throws {UpstreamError} past the limit */
  async limited(answer: HttpAnswer, limitBytes: number): Promise<Bytes> {
    try {
      return await collect(answer.body, limitBytes);
    } catch (error) {
      if (error instanceof TooLargeError) throw this.strange(`more than ${limitBytes} bytes`);
      throw error;
    }
  }

  /** What is said of an answer that is none of this API. */
  strange(what: string): UpstreamError {
    return new UpstreamError("API", `The API at ${this.#host} answers with ${what}`);
  }

  get #host(): string {
    return this.#baseUrl.host;
  }
}

/** A request that posts JSON. */
export function jsonPost(body: unknown, signal: AbortSignal | undefined): HttpRequest {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
}

function withToken(request: HttpRequest, token: string): HttpRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
}

function unavailable(message: string, headers: Headers, clock: Clock): UnavailableError {
  const error = new UnavailableError("API", message);
  if (!headers.has("retry-after")) return error;
  return Object.assign(error, { retryAfterMs: retryAfterSeconds(headers, clock) * 1000 });
}

/** Seconds or an HTTP date. @see RFC 9110, 10.2.3 */
function retryAfterSeconds(headers: Headers, clock: Clock): number {
  const text = headers.get("retry-after") ?? "";
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - clock.now()) / 1000);
  return Number.isNaN(seconds) ? DEFAULT_RETRY_AFTER_SECONDS : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS);
}
