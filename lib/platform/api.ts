import type { z } from "zod";
import { jsonOrUndefined } from "../api/wire.ts";
import type { TokenProvider } from "../auth/token_provider.ts";
import { utf8 } from "../bytes.ts";
import {
  ConfigurationError,
  InvalidInputError,
  NotFoundError,
  RateLimitedError,
  TooLargeError,
  UpstreamError,
} from "../errors.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../http/client.ts";
import { isLoopback } from "../http/loopback.ts";
import { isTransient, withRetry } from "../http/retry.ts";
import { collect } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { type Answer, AnswerCache } from "./cache.ts";
import type { CallLimits, PlatformLimits } from "./limits.ts";
import { refusedCall } from "./refusal.ts";

const JSON_LIMIT_BYTES = 32 * 1024 * 1024;
const REFUSAL_LIMIT_BYTES = 64 * 1024;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** A replica of the platform's database may lag behind: what was just made is "not found" for so long. */
const LAG_MS = 5_000;
const LAG_PAUSE_MS = 500;

/** Values of a query. A list is repeated, one parameter for each entry; `undefined` is left out. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A read of the API. */
export interface Read {
  /** Segments below `/api/v1`; each may hold any character. */
  readonly path: readonly string[];
  readonly query?: Query;
  readonly limits: CallLimits;
  /** Asks the server even when the cache has a fresh answer. */
  readonly nocache?: boolean | undefined;
  /** Waits 5 s for what was just made and is not found yet. */
  readonly lagging?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A write to the API: sent once, never repeated. */
export interface Write {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: readonly string[];
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The platform's API over HTTP: tokens, retries, cache, errors. All calls may run at the same time.
 *
 * Reads are repeated on 429, 5xx, silence and broken connections, with growing random pauses, or after the `Retry-After` of
 * the server. Errors of every call: `NotSignedInError` (401), `NotAllowedError` (402, 403), `NotFoundError` (404, 410),
 * `InvalidInputError` (400, 422), `ConflictError` (409, 412), `RateLimitedError` (429), `UnavailableError`,
 * `UpstreamTimeoutError`, `UpstreamError` (an answer that is none of this API), `InterruptedError`, and those of the tokens.
 */
export class PlatformApi {
  readonly #root: URL;
  readonly #tokens: TokenProvider;
  readonly #http: HttpClient;
  readonly #userAgent: string;
  readonly #cache: AnswerCache;
  readonly clock: Clock;
  readonly limits: PlatformLimits;

  constructor({ apiRoot, limits, tokens, http, clock, userAgent }: {
    apiRoot: URL;
    limits: PlatformLimits;
    tokens: TokenProvider;
    http: HttpClient;
    clock: Clock;
    userAgent: string;
  }) {
    this.#root = apiRoot;
    this.limits = limits;
    this.#tokens = tokens;
    this.#http = http;
    this.#userAgent = userAgent;
    this.#cache = new AnswerCache(clock);
    this.clock = clock;
  }

  /** Names this client to the server. */
  get userAgent(): string {
    return this.#userAgent;
  }

  /** Host and port of the API, for messages. */
  get host(): string {
    return this.#root.host;
  }

  /** The parsed answer of a read; from the cache when it holds a fresh one. */
  async read<T>(schema: z.ZodType<T>, read: Read): Promise<T> {
    const url = this.#url(read.path, read.query);
    const token = await this.#token(read.signal);
    const key = `${await digestOf(token)} ${url.href}`;
    const cached = read.nocache ? undefined : this.#cache.read(key);
    if (cached !== undefined) return cached.value as T; // the same URL is always read with the same schema
    const fetchAnswer = () => this.#repeated(read, () => this.#answer(schema, url, this.#reading(read, token)));
    return await this.#cache.fill(key, read.limits.cacheTtlMs, fetchAnswer) as T;
  }

  /** Where a read redirects to; nothing is fetched from there. @throws {UpstreamError} it does not redirect to a safe place */
  async location(read: Read): Promise<URL> {
    const url = this.#url(read.path, read.query);
    const token = await this.#token(read.signal);
    return await this.#repeated(read, async () => {
      const answer = await this.#call(url, { ...this.#reading(read, token), redirects: "answer" });
      await answer.body.cancel();
      return this.#safeLocation(answer);
    });
  }

  /** Sends a write once, and forgets every cached answer. */
  async write<T>(schema: z.ZodType<T>, write: Write): Promise<T> {
    const { body } = await this.#sent(write);
    return this.#parse(schema, await this.#text(body)).value;
  }

  /** Sends a write whose answer says nothing. */
  async tell(write: Write): Promise<void> {
    await (await this.#sent(write)).body.cancel();
  }

  async #sent({ method, path, body, headers, timeoutMs, signal }: Write): Promise<HttpAnswer> {
    const token = await this.#token(signal);
    const json = body === undefined ? {} : { "content-type": "application/json" };
    this.#cache.clear();
    try {
      return await this.#call(this.#url(path), {
        method,
        headers: { ...this.#headers(token), ...json, ...headers },
        ...(body === undefined ? {} : { body: utf8(JSON.stringify(body)) }),
        timeoutMs,
        signal,
      });
    } finally {
      this.#cache.clear();
    }
  }

  async #repeated<T>(
    { limits, lagging, signal }: Pick<Read, "limits" | "lagging" | "signal">,
    call: () => Promise<T>,
  ): Promise<T> {
    const giveUpMs = this.clock.now() + (lagging ? LAG_MS : 0);
    while (true) {
      try {
        return await withRetry(call, { policy: limits.retry, clock: this.clock, signal, isRepeatable });
      } catch (error) {
        if (!(error instanceof NotFoundError) || this.clock.now() >= giveUpMs) throw error;
        await this.clock.sleep(LAG_PAUSE_MS, signal);
      }
    }
  }

  async #answer<T>(schema: z.ZodType<T>, url: URL, request: HttpRequest): Promise<Answer & { value: T }> {
    const { headers, body } = await this.#call(url, request);
    const text = await this.#text(body);
    if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) throw this.#strange("a web page");
    return this.#parse(schema, text);
  }

  #parse<T>(schema: z.ZodType<T>, text: string): Answer & { value: T } {
    const parsed = schema.safeParse(jsonOrUndefined(text));
    if (parsed.success) return { value: parsed.data, sizeCharacters: text.length };
    const path = parsed.error.issues[0]?.path.join(".");
    throw this.#strange(`something that is not an answer to the call${path ? `: see "${path}" in it` : ""}`);
  }

  async #call(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#http(url, request);
    if (answer.status < 400) return answer;
    const text = await refusalText(answer);
    const { status, headers } = answer;
    throw refusedCall({ status, headers, text, host: this.host, nowMs: this.clock.now() });
  }

  async #text(body: HttpAnswer["body"]): Promise<string> {
    try {
      return new TextDecoder().decode(await collect(body, JSON_LIMIT_BYTES));
    } catch (error) {
      if (error instanceof TooLargeError) throw this.#strange(`more than ${JSON_LIMIT_BYTES} bytes`);
      throw error;
    }
  }

  #safeLocation({ status, headers }: HttpAnswer): URL {
    if (!REDIRECTS.has(status)) throw this.#strange("no address of the file");
    return this.fileUrl(headers.get("location") ?? "");
  }

  /** The address of a file as the API gives it. @throws {UpstreamError} it is none, or others could read it on the way */
  fileUrl(text: string): URL {
    if (!URL.canParse(text)) throw this.#strange("no address of the file");
    const url = new URL(text);
    const isLocal = url.protocol === "http:" && isLoopback(url.hostname) && isLoopback(this.#root.hostname);
    if (url.protocol === "https:" || isLocal) return url;
    throw this.#strange("an address of the file that is not https");
  }

  #reading({ limits, signal }: Read, token: string): HttpRequest {
    const { timeoutMs } = limits;
    return { headers: this.#headers(token), timeoutMs, stallMs: timeoutMs, signal };
  }

  #headers(token: string): Record<string, string> {
    const bearer: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` };
    return { accept: "application/json", "user-agent": this.#userAgent, ...bearer };
  }

  async #token(signal: AbortSignal = new AbortController().signal): Promise<string> {
    const token = await this.#tokens(signal);
    if (/^[\x21-\x7e]*$/.test(token)) return token;
    throw new ConfigurationError(["The token for the API holds characters that no token has"]);
  }

  /** Every part is a path segment of its own, whatever characters it has. */
  #url(path: readonly string[], query: Query = {}): URL {
    const wrong = path.find((part) => part === "" || part === "." || part === "..");
    if (wrong !== undefined) throw new InvalidInputError("id", `"${wrong}" is not an id`);
    const url = new URL(this.#root);
    url.pathname = [url.pathname.replace(/\/+$/, ""), "api", "v1", ...path.map(encodeURIComponent)].join("/");
    url.search = new URLSearchParams(parameters(query)).toString();
    url.hash = "";
    return url;
  }

  #strange(what: string): UpstreamError {
    return new UpstreamError("API", `The API at ${this.host} answers with ${what}`);
  }
}

function isRepeatable(error: unknown): boolean {
  return isTransient(error) || error instanceof RateLimitedError;
}

function parameters(query: Query): [string, string][] {
  return Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one): [string, string] => [
      name,
      String(one),
    ])
  );
}

async function refusalText({ body }: HttpAnswer): Promise<string> {
  try {
    return new TextDecoder().decode(await collect(body, REFUSAL_LIMIT_BYTES));
  } catch (error) {
    if (error instanceof TooLargeError) return "";
    throw error;
  }
}

/** Answers of one account are not shown to another; the token itself is not kept. */
async function digestOf(token: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(token)));
  return digest.slice(0, 8).toHex();
}
