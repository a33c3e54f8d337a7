import type { ByteStream } from "../streams.ts";

/** Digests that a store knows of a whole object. Each is optional: stores differ. */
export interface Digests {
  /** CRC-32 (ISO-HDLC) as an unsigned 32-bit number. */
  readonly crc32?: number;
  /** Lower-case hex MD5 of the object. */
  readonly md5?: string;
  /** Lower-case hex SHA-256 of the object. */
  readonly sha256?: string;
  /** An S3 multipart ETag: MD5 over the MD5s of parts that, but for the last, have `partSizeBytes` each. */
  readonly multipartMd5?: { readonly hex: string; readonly partSizeBytes: number };
}

/** What a store says of an object without sending it. */
export interface ObjectFacts {
  readonly sizeBytes: number;
  /** Opaque; changes whenever the object is written anew. Without quotes. */
  readonly etag: string;
  readonly digests: Digests;
  /** Lower-case hex SHA-256 of the small part that this big part was published with; absent when the publisher did not say. */
  readonly pairedWith?: string;
}

/**
 * Which bytes: `[start, end)`, or the last `last` bytes. An `end` past the object means up to its end; a range that begins at or
 * past the end, or holds nothing, is empty and no error. Negative and broken numbers are a `RangeError`.
 */
export type ByteRange = { readonly start: number; readonly end?: number } | { readonly last: number };

/** How an object is asked for. */
export interface GetOptions {
  readonly range?: ByteRange;
  /** Fail with `ConflictError` unless the object still has this ETag. */
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
}

/** An object, or a range of it, on its way. */
export interface StoredObject {
  /** The bytes that were asked for. Ends early only with an error. Cancel it when it is not read to its end. */
  readonly body: ByteStream;
  /** Size of `body`. */
  readonly sizeBytes: number;
  /** Size of the whole object. */
  readonly totalBytes: number;
  readonly etag: string;
  /** The store knows no ranges: it sends the whole object for each, and what was not asked for is read and dropped. */
  readonly isCut?: boolean;
}

/** Bytes of known size that can be read more than once, so that an upload can be repeated. */
export interface ByteSource {
  /** How many bytes there are in all. */
  readonly sizeBytes: number;
  /** Bytes `[start, end)`; everything without arguments. */
  open(start?: number, end?: number): Promise<ByteStream>;
}

/** What goes with an object when it is written. */
export interface PutOptions {
  readonly pairedWith?: string;
  /** Called with the number of bytes handed over so far; may go back when a part is repeated. */
  readonly onProgress?: (sentBytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Where big parts lie: an S3-compatible CDN, a web server, a folder. `bucket` and `key` are names that have passed
 * `parseName`. All calls may run at the same time. A new object appears whole or not at all.
 *
 * Names are checked once more before they reach a path or URL (`InvalidInputError`).
 *
 * Errors of every call: `NotFoundError` (no such object or bucket), `NotAllowedError` (the credentials do not suffice),
 * `ConflictError` (`ifMatch` failed), `InterruptedError` (by the signal), `UnavailableError`, `UpstreamTimeoutError`
 * (stalled), `UpstreamError`; the last three after the store's own retries. Once a body has begun, it is not retried: it
 * fails with one of them.
 */
export interface ObjectStore {
  /** Facts, or `undefined` when there is no such object. */
  head(bucket: string, key: string, options?: { signal?: AbortSignal }): Promise<ObjectFacts | undefined>;
  /** The object or a range of it. */
  get(bucket: string, key: string, options?: GetOptions): Promise<StoredObject>;
  /** Writes or replaces the object. */
  put(bucket: string, key: string, source: ByteSource, options?: PutOptions): Promise<ObjectFacts>;
  /** Removes the object; no error when there is none. */
  delete(bucket: string, key: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Keys of a bucket in order; none for a bucket that does not exist. */
  list(bucket: string, options?: { signal?: AbortSignal }): AsyncIterable<{ key: string; sizeBytes: number }>;
}
