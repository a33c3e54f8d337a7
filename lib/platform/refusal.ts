import { z } from "zod";
import { jsonOrUndefined } from "../api/wire.ts";
import {
  ConflictError,
  InvalidInputError,
  NotAllowedError,
  NotFoundError,
  NotSignedInError,
  RateLimitedError,
  type TallyError,
  UnavailableError,
  UpstreamError,
} from "../errors.ts";

const SENTENCE_LIMIT = 300;
const DEFAULT_RETRY_AFTER_SECONDS = 1;
const MAX_RETRY_AFTER_SECONDS = 3600;

/** `reason` of the {@link ConflictError} when custom metadata was changed by somebody else meanwhile. */
export const STALE_CHECKSUM = "stale_checksum";

/** A refused call. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  /** The body, as far as it was read. */
  readonly text: string;
  readonly host: string;
  readonly nowMs: number;
}

interface Words {
  /** What the server says, in one line. */
  readonly sentence: string | undefined;
  /** Name of the first value that it does not like. */
  readonly field: string | undefined;
}

const faultSchema = z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() });
const bodySchema = z.object({ detail: z.union([z.string(), z.array(faultSchema)]) });

const MAKE: Readonly<Record<number, (sentence: string, words: Words) => TallyError>> = {
  400: (sentence, { field }) => new InvalidInputError(field ?? "request", sentence),
  401: (sentence) => new NotSignedInError(sentence),
  402: (sentence) => new NotAllowedError(sentence),
  403: (sentence) => new NotAllowedError(sentence),
  404: (sentence) => new NotFoundError(sentence),
  409: (sentence) => new ConflictError(sentence),
  410: (sentence) => new NotFoundError(sentence),
  412: (sentence) => new ConflictError(sentence, STALE_CHECKSUM),
  422: (sentence, { field }) => new InvalidInputError(field ?? "request", sentence),
};

const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: "does not accept the request",
  401: "does not accept the token",
  402: "says that the quota is used up",
  403: "does not allow this account to do that",
  404: "does not have what was asked for",
  409: "refuses the call in its present state",
  410: "has deleted what was asked for",
  412: "says that somebody else has changed the metadata meanwhile",
  422: "does not accept the request",
  429: "is asked too often",
};

/**
 * The error that belongs to a refused call. It quotes what the server says, and never what was sent. Where the server asks
 * for a pause, the error carries it as `retryAfterMs`.
 */
export function refusedCall(refusal: Refusal): TallyError {
  const { status, headers, text, host } = refusal;
  const words = wordsOf(headers, text);
  const own = `The API at ${host} ${STATUS_WORDS[status] ?? `answers with status ${status}`}`;
  const sentence = words.sentence === undefined || status >= 500 ? own : `${own}: ${words.sentence}`;
  if (status === 429) return paused(new RateLimitedError(sentence, retryAfterSeconds(refusal)), refusal);
  if (status >= 500) return paused(new UnavailableError("API", sentence), refusal);
  return MAKE[status]?.(sentence, words) ?? new UpstreamError("API", sentence);
}

function paused(error: TallyError, refusal: Refusal): TallyError {
  if (!refusal.headers.has("retry-after")) return error;
  return Object.assign(error, { retryAfterMs: retryAfterSeconds(refusal) * 1000 });
}

/** Seconds or an HTTP date. @see RFC 9110, 10.2.3 */
function retryAfterSeconds({ headers, nowMs }: Refusal): number {
  const text = headers.get("retry-after") ?? "";
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - nowMs) / 1000);
  return Number.isNaN(seconds) ? DEFAULT_RETRY_AFTER_SECONDS : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS);
}

/** A web page in between is not the API's word. */
function wordsOf(headers: Headers, text: string): Words {
  const parsed = bodySchema.safeParse(jsonOrUndefined(text)).data?.detail;
  if (parsed === undefined) return { sentence: plainSentence(headers, text), field: undefined };
  if (typeof parsed === "string") return { sentence: oneLine(parsed), field: undefined };
  const faults = parsed.map(({ loc, msg }) => ({ field: fieldOf(loc), msg }));
  return { sentence: oneLine(faults.map(({ field, msg }) => `${field}: ${msg}`).join("; ")), field: faults[0]?.field };
}

function plainSentence(headers: Headers, text: string): string | undefined {
  return /^text\/plain\b/i.test(headers.get("content-type") ?? "") ? oneLine(text) : undefined;
}

/** `["body", "items", 0, "external_id"]` is `items.0.external_id`. */
function fieldOf(loc: readonly (string | number)[]): string {
  return loc.slice(["body", "query", "path"].includes(String(loc[0])) ? 1 : 0).join(".") || "request";
}

function oneLine(text: string): string | undefined {
  const line = text.replace(/[\p{C}\p{Z}]+/gu, " ").trim();
  return line === "" ? undefined : line.slice(0, SENTENCE_LIMIT);
}
