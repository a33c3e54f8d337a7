import type { z } from "zod";
import type { User } from "../auth/roles.ts";
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
import { type ByteStream, collect } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { jsonOrUndefined, loginAnswer, namesAnswer, parseRefusal, type Refusal, userAnswer } from "./wire.ts";

/** Longest wait for the head of an answer. */
const ANSWER_TIMEOUT_MS = 15_000;
const JSON_LIMIT_BYTES = 1024 * 1024;
const REFUSAL_LIMIT_BYTES = 64 * 1024;
const KEY_FRAGMENT_LIMIT_BYTES = 64 * 1024;
const DEFAULT_RETRY_AFTER_SECONDS = 60;
const MAX_RETRY_AFTER_SECONDS = 3600;
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

/** What the API needs to know to encrypt a resource for one user on one device. */
export interface ResourceRequest {
  /** May be empty: `cdn.yaml` lies in the empty folder. */
  readonly folder: string;
  readonly name: string;
  readonly password: string;
  readonly hardware: string;
}

/** A resource to publish. */
export interface ResourceUpload {
  readonly folder: string;
  readonly name: string;
  readonly data: Bytes;
}

/**
 * Client of the Resource API. All calls may run at the same time, and all may be repeated without harm, so each is:
 * after a transient failure (unreachable, silent, status 5xx) up to three times in all; after 401 or 403 once, with a new token.
 *
 * Errors of every call: `NotSignedInError` (401), `NotAllowedError` (403), `NotFoundError` (404), `ConflictError` (409,
 * with the server's `ErrorCode` as `reason`), `RateLimitedError` (429), `UnavailableError` (unreachable, 5xx),
 * `UpstreamTimeoutError`, `UpstreamError` (an answer that is none of this API), `InterruptedError`.
 * Messages quote the server's sentence where it gave one.
 */
export class ResourceApi {
  readonly #baseUrl: URL;
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #tokens: TokenSource | undefined;

  /** @param tokens may be missing for a client that only signs in */
  constructor({ baseUrl, http, clock, tokens }: {
    baseUrl: URL;
    http: HttpClient;
    clock: Clock;
    tokens?: TokenSource;
  }) {
    this.#baseUrl = baseUrl;
    this.#http = http;
    this.#clock = clock;
    this.#tokens = tokens;
  }

  /** Exchanges name and password for a token. @throws {NotSignedInError} the API refuses them, with 401 or 409 */
  async login(email: string, password: string, signal?: AbortSignal): Promise<string> {
    try {
      return await this.#json(await this.#repeated(["login"], jsonPost({ email, password }, signal)), loginAnswer);
    } catch (error) {
      if (error instanceof ConflictError) throw new NotSignedInError(error.message, { cause: error });
      throw error;
    }
  }

  /** The account that the token stands for. */
  async currentUser(signal?: AbortSignal): Promise<User> {
    return await this.#json(await this.#signedIn(["users", "current"], { signal }), userAnswer);
  }

  /** A resource, encrypted for this user and hardware. Cancel it when it is not read to its end; it has no limit of its own. */
  async getResource(request: ResourceRequest, signal?: AbortSignal): Promise<ByteStream> {
    const { folder, name, password, hardware } = request;
    const answer = await this.#signedIn(
      ["resources", "get", folder],
      jsonPost({ password, hardware, fileName: name }, signal),
    );
    return (await this.#octets(answer)).body;
  }

  /** Publishes a resource, or replaces it. */
  async uploadResource({ folder, name, data }: ResourceUpload, signal?: AbortSignal): Promise<void> {
    const body = new FormData();
    body.set("data", new File([data], name, { type: "application/octet-stream" }));
    await this.#done(await this.#signedIn(["resources", folder], { method: "POST", body, signal }));
  }

  /** Binds the hardware to the account at first use. @throws {ConflictError} the account is bound to other hardware */
  async checkHardware(hardware: string, signal?: AbortSignal): Promise<void> {
    await this.#done(await this.#signedIn(["resources", "check"], jsonPost({ hardware }, signal)));
  }

  /** Names of the resources in a folder. */
  async listResources(folder: string, signal?: AbortSignal): Promise<string[]> {
    const answer = await this.#signedIn(["resources", "list", folder], { method: "POST", signal });
    return await this.#json(answer, namesAnswer);
  }

  /** The secret that opens the image archive, at most 64 KiB. Wipe it after use. */
  async keyFragment(signal?: AbortSignal): Promise<Bytes> {
    const answer = await this.#octets(await this.#signedIn(["binary-split", "key-fragment"], { signal }));
    const fragment = await this.#limited(answer, KEY_FRAGMENT_LIMIT_BYTES);
    if (fragment.byteLength === 0) throw this.#strange("an empty key fragment");
    return fragment;
  }

  async #signedIn(path: readonly string[], request: HttpRequest): Promise<HttpAnswer> {
    if (this.#tokens === undefined) {
      throw new NotSignedInError(`Cannot call the API at ${this.#host}: nobody is signed in`);
    }
    const token = await this.#tokens.token(request.signal ?? undefined);
    try {
      return await this.#repeated(path, withToken(request, token));
    } catch (error) {
      if (!(error instanceof NotSignedInError || error instanceof NotAllowedError)) throw error;
      const renewed = await this.#tokens.renew(token, request.signal ?? undefined);
      return await this.#repeated(path, withToken(request, renewed));
    }
  }

  #repeated(path: readonly string[], request: HttpRequest): Promise<HttpAnswer> {
    return withRetry(() => this.#once(path, request), { clock: this.#clock, signal: request.signal });
  }

  async #once(path: readonly string[], request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#http(this.#url(path), { timeoutMs: ANSWER_TIMEOUT_MS, ...request });
    if (answer.status >= 200 && answer.status < 300) return answer;
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

  async #json<T>(answer: HttpAnswer, schema: z.ZodType<T>): Promise<T> {
    const text = new TextDecoder().decode(await this.#limited(answer, JSON_LIMIT_BYTES));
    const parsed = schema.safeParse(jsonOrUndefined(text));
    if (parsed.success) return parsed.data;
    throw this.#strange("something that is not an answer to the call");
  }

  async #octets(answer: HttpAnswer): Promise<HttpAnswer> {
    if (!/^text\/html\b/i.test(answer.headers.get("content-type") ?? "")) return answer;
    await answer.body.cancel();
    throw this.#strange("a web page");
  }

  async #done(answer: HttpAnswer): Promise<void> {
    await (await this.#octets(answer)).body.cancel();
  }

  async #limited(answer: HttpAnswer, limitBytes: number): Promise<Bytes> {
    try {
      return await collect(answer.body, limitBytes);
    } catch (error) {
      if (error instanceof TooLargeError) throw this.#strange(`more than ${limitBytes} bytes`);
      throw error;
    }
  }

  #strange(what: string): UpstreamError {
    return new UpstreamError("API", `The API at ${this.#host} answers with ${what}`);
  }

  get #host(): string {
    return this.#baseUrl.host;
  }
}

function jsonPost(body: Readonly<Record<string, string>>, signal: AbortSignal | undefined): HttpRequest {
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
