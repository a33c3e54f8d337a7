import { z } from "zod";
import { jsonValue } from "../lib/bytes.ts";
import { type ErrorCode, RateLimitedError, TallyError, UpstreamError } from "../lib/errors.ts";
import { parseContentLength } from "../lib/http/byte_ranges.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../lib/http/client.ts";
import { type ByteStream, collect } from "../lib/streams.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import { multipartForm } from "./multipart.ts";

const ANSWER_LIMIT_BYTES = 64 * 1024;
/** A load answers when the small part is there and the big part has begun. */
const LOAD_TIMEOUT_MS = 120_000;
/** An upload answers when all of it is published; counted from its last byte. */
const UPLOAD_TIMEOUT_MS = 600_000;

const DEFAULT_PAUSE_SECONDS = 60;

const loginSchema = z.object({ role: z.string(), expires_in: z.number() });
const statusSchema = z.looseObject({
  status: z.string(),
  authenticated: z.boolean(),
  user: z.object({ email: z.string(), role: z.string() }).nullish(),
});
const unlockSchema = z.object({
  state: z.string(),
  error: z.string().nullable().default(null),
  code: z.string().nullish().transform(knownCode),
  progress: z.object({ doneBytes: z.number(), totalBytes: z.number() }).nullable().default(null),
});
const problemSchema = z.object({
  code: z.string().optional().catch(undefined),
  detail: z.string().optional().catch(undefined),
  title: z.string().optional().catch(undefined),
});

/** What the device says of itself. */
export type DeviceStatus = z.infer<typeof statusSchema>;
/** How far an unlock is; `code` names the error's condition where the device tells it. */
export type UnlockAnswer = z.infer<typeof unlockSchema>;

/** Which version of a resource, where it is not the one that the origin chooses. */
export interface WantedVersion {
  readonly version?: string | undefined;
  /** Also one that is older than what the device has used. */
  readonly allowDowngrade?: boolean | undefined;
}

/** A resource on its way. */
export interface LoadAnswer {
  readonly body: ByteStream;
  /** As announced; absent when the device does not say. */
  readonly sizeBytes: number | undefined;
  /** Where the big part came from: `cache` or `cdn`; absent when the device does not say. */
  readonly source?: string | undefined;
}

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "malformed",
  401: "not_signed_in",
  403: "not_allowed",
  404: "not_found",
  405: "method_not_allowed",
  409: "conflict",
  413: "too_large",
  415: "unsupported_media_type",
  422: "invalid_input",
  503: "unavailable",
  504: "timeout",
  507: "disk_full",
};

/**
 * Speaks the HTTP API of a device service. Every call fails with the {@link TallyError} whose code the device's problem
 * body names, or with those of the HTTP client.
 */
export class DeviceClient {
  readonly #baseUrl: URL;
  readonly #http: HttpClient;
  readonly #signal: AbortSignal;

  constructor({ baseUrl, http, signal }: { baseUrl: URL; http: HttpClient; signal: AbortSignal }) {
    this.#baseUrl = baseUrl;
    this.#http = http;
    this.#signal = signal;
  }

  /** Who is signed in, and where the device keeps things. */
  async status(): Promise<DeviceStatus> {
    return await this.#json("status", statusSchema);
  }

  /** Signs somebody in on the device. */
  async login(email: string, password: string): Promise<{ role: string; expiresInSeconds: number }> {
    const { role, expires_in } = await this.#json("login", loginSchema, jsonPost({ email, password }));
    return { role, expiresInSeconds: expires_in };
  }

  /** Signs out. */
  async logout(): Promise<void> {
    await this.#json("logout", z.unknown(), { method: "POST" });
  }

  /** Begins to load a resource, or one of its versions. Read the body to its end, or cancel it. */
  async load(folder: string, name: string, wanted: WantedVersion = {}): Promise<LoadAnswer> {
    const { version, allowDowngrade } = wanted;
    const request = { ...jsonPost({ filename: name, folder }), timeoutMs: LOAD_TIMEOUT_MS };
    const { headers, body } = version === undefined && !allowDowngrade
      ? await this.#call(`load/${encodeURIComponent(name)}`, request)
      : await this.#call(versionPath(folder, name, wanted), { timeoutMs: LOAD_TIMEOUT_MS });
    const source = headers.get("x-tally-source") ?? undefined;
    return { body, sizeBytes: parseContentLength(headers), source };
  }

  /** Publishes `data`, which has exactly `sizeBytes`, and says in which format. */
  async upload({ folder, name, data, sizeBytes }: {
    folder: string;
    name: string;
    data: ByteStream;
    sizeBytes: number;
  }): Promise<string> {
    const form = multipartForm({ fields: { folder }, file: { field: "data", name, data, sizeBytes } });
    const { headers, body } = await this.#call(`upload/${encodeURIComponent(name)}`, {
      method: "POST",
      headers: { "content-type": form.contentType },
      body: form.body,
      bodyBytes: form.sizeBytes,
      timeoutMs: UPLOAD_TIMEOUT_MS,
    });
    await body.cancel();
    return headers.get("x-tally-format") ?? "v1";
  }

  /** Starts an unlock, or joins the one that runs. */
  async unlock(email: string, password: string): Promise<UnlockAnswer> {
    return await this.#json("unlock", unlockSchema, jsonPost({ email, password }));
  }

  /** How far the unlock is. */
  async unlockStatus(): Promise<UnlockAnswer> {
    return await this.#json("unlock/status", unlockSchema);
  }

  async #json<T>(path: string, schema: z.ZodType<T>, request: HttpRequest = {}): Promise<T> {
    const { body } = await this.#call(path, request);
    const text = await textOf(body);
    const parsed = schema.safeParse(jsonValue(text));
    if (parsed.success) return parsed.data;
    throw new UpstreamError("device", `What listens at ${this.#baseUrl.host} does not answer like a device service`);
  }

  async #call(path: string, request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#http(new URL(path, withSlash(this.#baseUrl)), { ...request, signal: this.#signal });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw problemError(answer.status, answer.headers, await textOf(answer.body));
  }
}

/** The error that a problem body (RFC 9457) tells of. Without a known code in it, the status decides. */
export function problemError(status: number, headers: Headers, text: string): TallyError {
  const problem = problemSchema.safeParse(jsonValue(text)).data ?? {};
  const code = knownCode(problem.code) ?? CODE_OF_STATUS[status] ?? "upstream";
  const message = problem.detail ?? problem.title ?? `The device answered with status ${status}`;
  if (status !== 429) return new TallyError(code, message);
  const pause = headers.get("retry-after") ?? "";
  return new RateLimitedError(message, /^\d{1,6}$/.test(pause) ? Number(pause) : DEFAULT_PAUSE_SECONDS);
}

/** `code` when it is one of ours. */
export function knownCode(code: string | null | undefined): ErrorCode | undefined {
  return typeof code === "string" && Object.hasOwn(EXIT_CODES, code) ? code as ErrorCode : undefined;
}

function versionPath(folder: string, name: string, { version, allowDowngrade }: WantedVersion): string {
  const query = new URLSearchParams({
    ...(version === undefined ? {} : { version }),
    ...(allowDowngrade ? { allow_downgrade: "true" } : {}),
  });
  return `resources/${encodeURIComponent(folder)}/${encodeURIComponent(name)}?${query}`;
}

function jsonPost(body: unknown): HttpRequest {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function textOf(body: ByteStream): Promise<string> {
  return new TextDecoder().decode(await collect(body, ANSWER_LIMIT_BYTES, "The answer of the device"));
}

function withSlash(url: URL): URL {
  return url.href.endsWith("/") ? url : new URL(`${url.href}/`);
}
