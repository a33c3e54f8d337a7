import { ConflictError, NotAllowedError, NotFoundError, type Upstream, UpstreamError } from "../errors.ts";
import { type ByteStream, byteStream } from "../streams.ts";
import { RetryLaterError } from "./retry_later_error.ts";
import { parseContentLength, parseContentRange, parseStrongEtag, type Span } from "./byte_ranges.ts";
import type { HttpAnswer, HttpClient } from "./client.ts";

/** Bytes of an object on their way: those that were asked for, or all of it. */
export interface OpenedRange {
  readonly body: ByteStream;
  /** The source knows no ranges: the body is the whole object, whatever was asked for. */
  readonly isWhole: boolean;
  /** Size of the whole object; absent while the source does not say. */
  readonly totalBytes: number | undefined;
  /** Strong, without quotes; absent when the source has none. */
  readonly etag: string | undefined;
}

/**
 * One place that has an object. `open` is called for each range and each attempt anew, several at a time: it is where a
 * fresh address or token is fetched. It asks for bytes `[start, end)`, or for all of them without a range, and with `ifEtag`
 * only for those of that version.
 *
 * Errors: `ConflictError` (no longer that version), `UnavailableError`, `UpstreamTimeoutError` and `RateLimitedError`
 * (worth another attempt, with a pause of `retryAfterMs` where the error has one); any other ends the use of this source.
 */
export interface RangeSource {
  /** For messages; no address with a signature in it. */
  readonly name: string;
  /** Attempts of one range without progress, where this source is worth fewer than the download makes. */
  readonly attempts?: number;
  open(range: Span | undefined, options: { ifEtag?: string | undefined; signal: AbortSignal }): Promise<OpenedRange>;
}

/** Where and how one attempt asks for bytes. */
export interface RangeAddress {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an HTTP source is made of. */
export interface HttpSourceOptions {
  readonly name: string;
  readonly service: Upstream;
  readonly http: HttpClient;
  /** The address for one attempt: called anew for each, so that a signed one is never stale. */
  readonly address: (signal: AbortSignal) => Promise<RangeAddress>;
  /** A refusal may mean that the address has expired meanwhile, and is worth another one. */
  readonly isSigned?: boolean;
  /** Longest silence within a body. */
  readonly stallMs?: number;
}

/** Statuses after which the same call may succeed. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** What Google Cloud Storage and S3 say of an address that has expired. */
const EXPIRED: ReadonlySet<number> = new Set([400, 401, 403]);

/** A source that is read by ranges over HTTP. @see RFC 9110, section 14 */
export function httpSource(options: HttpSourceOptions): RangeSource {
  return {
    name: options.name,
    async open(range, { ifEtag, signal }) {
      const { url, headers } = await options.address(signal);
      const answer = await options.http(url, {
        headers: { ...headers, ...(range && rangeHeaders(range, ifEtag)), "accept-encoding": "identity" },
        signal,
        ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
      });
      try {
        return openedRange(options, range, answer);
      } catch (error) {
        await answer.body.cancel();
        throw error;
      }
    },
  };
}

function rangeHeaders({ start, end }: Span, ifEtag: string | undefined): Record<string, string> {
  const range = `bytes=${start}-${end - 1}`;
  return ifEtag === undefined ? { range } : { range, "if-range": `"${ifEtag}"` };
}

function openedRange(options: HttpSourceOptions, range: Span | undefined, answer: HttpAnswer): OpenedRange {
  const { name, service } = options;
  const { status, headers, body } = answer;
  if (status !== 200 && status !== 206 && status !== 416) throw statusError(options, status, headers);
  if ((headers.get("content-encoding") ?? "identity") !== "identity") {
    throw new UpstreamError(service, `Cannot download "${name}": the ${service} sends it packed`);
  }
  const etag = parseStrongEtag(headers);
  if (status === 200) return { body, isWhole: true, totalBytes: parseContentLength(headers), etag };
  if (status === 416) return { body: emptyStream(body), isWhole: false, totalBytes: sizeOfNothing(headers), etag };
  const sent = parseContentRange(headers.get("content-range") ?? "");
  if (sent === undefined || sent.start !== range?.start) {
    throw new UpstreamError(
      service,
      `Cannot download "${name}": the ${service} sends another range than the one asked for`,
    );
  }
  return { body, isWhole: false, totalBytes: sent.totalBytes, etag };
}

/** The page that tells of the fault is not the object. */
function emptyStream(page: ByteStream): ByteStream {
  return byteStream(() => page.cancel().then(() => undefined), () => page.cancel());
}

/** @see RFC 9110, section 15.5.17 */
function sizeOfNothing(headers: Headers): number | undefined {
  const size = /^bytes \*\/(\d{1,15})$/.exec(headers.get("content-range") ?? "")?.[1];
  return size === undefined ? undefined : Number(size);
}

function statusError({ name, service, isSigned = false }: HttpSourceOptions, status: number, headers: Headers): Error {
  const message = `Cannot download "${name}": the ${service} answered with status ${status}`;
  if (TRANSIENT.has(status) || isSigned && EXPIRED.has(status)) {
    return new RetryLaterError(service, message, headers.get("retry-after"));
  }
  if (status === 401 || status === 403) return new NotAllowedError(message);
  if (status === 404 || status === 410) return new NotFoundError(message);
  return status === 412 ? new ConflictError(message) : new UpstreamError(service, message);
}
