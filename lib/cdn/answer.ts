import { ConflictError, UnavailableError, UpstreamError } from "../errors.ts";
import { parseContentRange, type Span } from "../http/byte_ranges.ts";
import { byteReader, type ByteStream, byteStream } from "../streams.ts";
import { resolveRange } from "./range.ts";
import type { ByteRange, GetOptions, ObjectFacts, StoredObject } from "./store.ts";

const PIECE_BYTES = 256 * 1024;

/** What a server said when it was asked for an object or a range of it (200 or 206). */
export interface RangeAnswer {
  readonly body: ByteStream;
  readonly contentLength: number | undefined;
  readonly contentRange: string | undefined;
  readonly etag: string | undefined;
}

/**
 * Turns an answer into exactly the bytes that were asked for. A server that ignores the range and sends everything is
 * put up with: what was not asked for is read and dropped.
 * @param what the object's name for messages
 * @throws {UpstreamError} when the answer is another range, or lacks its length or a strong ETag;
 * {ConflictError} when it is not the object of `ifMatch`. The body is the caller's to cancel then.
 */
export function storedObject(what: string, answer: RangeAnswer, { range, ifMatch }: GetOptions): StoredObject {
  const { body, contentLength, contentRange, etag } = answer;
  if (etag === undefined) throw new UpstreamError("CDN", `The CDN gives ${what} without a strong ETag`);
  if (ifMatch !== undefined && ifMatch !== etag) throw changed(what);
  if (contentLength === undefined || !Number.isSafeInteger(contentLength)) {
    throw new UpstreamError("CDN", `The CDN gives ${what} without its length`);
  }
  if (contentRange === undefined) {
    const span = resolveRange(range, contentLength);
    const whole = span.start === 0 && span.end === contentLength;
    const sizeBytes = span.end - span.start;
    return { body: whole ? body : cut(body, span), sizeBytes, totalBytes: contentLength, etag, isCut: !whole };
  }
  const totalBytes = totalOf(what, range, contentRange, contentLength);
  return { body, sizeBytes: contentLength, totalBytes, etag };
}

function totalOf(what: string, range: ByteRange | undefined, contentRange: string, contentLength: number): number {
  const sent = parseContentRange(contentRange);
  const asked = resolveRange(range, sent?.totalBytes ?? 0);
  if (sent?.start === asked.start && sent.end === asked.end && sent.end - sent.start === contentLength) {
    return sent.totalBytes;
  }
  throw new UpstreamError("CDN", `The CDN gives another range of ${what} than the one asked for`);
}

/**
 * The answer to a range that holds no byte: it is empty, or begins past the end.
 * @throws {ConflictError} when the object is not the one of `ifMatch`
 */
export function emptyObject(what: string, facts: ObjectFacts, { ifMatch }: GetOptions): StoredObject {
  if (ifMatch !== undefined && ifMatch !== facts.etag) throw changed(what);
  const body = byteStream(() => Promise.resolve(undefined));
  return { body, sizeBytes: 0, totalBytes: facts.sizeBytes, etag: facts.etag };
}

/** The error of an object that is not the one of `ifMatch` any more. */
export function changed(what: string): ConflictError {
  return new ConflictError(`Cannot read ${what}: it is another version by now`);
}

function cut(stream: ByteStream, { start, end }: Span): ByteStream {
  const reader = byteReader(stream);
  let position = 0;
  const read = async (limit: number) => {
    const piece = await reader.read(Math.min(PIECE_BYTES, limit - position));
    if (piece.byteLength === 0) throw new UnavailableError("CDN", "The CDN broke an answer off");
    position += piece.byteLength;
    return piece;
  };
  return byteStream(async () => {
    while (start < end && position < start) await read(start);
    if (start < end && position < end) return await read(end);
    await reader.cancel();
    return undefined;
  }, (reason) => reader.cancel(reason));
}
