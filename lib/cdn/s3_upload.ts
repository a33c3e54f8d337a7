import { crc32 } from "node:zlib";
import { type Bytes, release } from "../bytes.ts";
import { IntegrityError, InterruptedError, TallyError, UpstreamError } from "../errors.ts";
import { type ByteReader, byteReader } from "../streams.ts";
import type { ObjectName } from "./object_name.ts";
import { complete, type SentPart } from "./s3_complete.ts";
import { noneFor, type S3User } from "./s3_user.ts";
import type { ByteSource, PutOptions } from "./store.ts";

const MIB = 1024 * 1024;
const MIN_PART_BYTES = 5 * MIB;
/** S3's own limit. */
const MAX_PARTS = 10_000;
/** Memory of an upload: this many parts. */
const PARTS_IN_FLIGHT = 3;
/** Longest wait for the server after the last byte of a part. */
const ANSWER_MS = 60_000;
/** The server puts all parts together before it answers. */
const COMPLETE_MS = 10 * 60_000;
const GIVE_UP_ATTEMPTS = 4;
const GIVE_UP_PAUSE_MS = 150;

/** An object as the server took it. */
export interface Uploaded {
  /** Without quotes. */
  readonly etag: string;
  /** CRC-32 of all bytes that were sent. */
  readonly crc32: number;
}

interface Part {
  readonly number: number;
  readonly bytes: Bytes;
  readonly crc32: number;
}

/**
 * Size of the parts that `sizeBytes` are cut into: 5 MiB, S3's smallest, or as many MiB as keep them at 10,000 and fewer.
 */
export function partSize(sizeBytes: number): number {
  return Math.max(MIN_PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS / MIB) * MIB);
}

/**
 * Writes an object: in one request up to 5 MiB, else in parts, three at a time. Each part is repeated by itself when it fails in
 * passing. The server checks the CRC-32 of each part and of the whole before the object appears; after any failure the parts
 * that it took are dropped.
 */
export async function upload(
  user: S3User,
  name: ObjectName,
  source: ByteSource,
  options: PutOptions = {},
): Promise<Uploaded> {
  if (options.signal?.aborted) throw new InterruptedError();
  return await (source.sizeBytes <= MIN_PART_BYTES ? uploadWhole : uploadParts)(user, name, source, options);
}

async function uploadWhole(user: S3User, name: ObjectName, source: ByteSource, options: PutOptions): Promise<Uploaded> {
  const [bytes, rest] = await headOf(source);
  if (bytes.byteLength !== source.sizeBytes || rest > 0) throw wrongSize(name);
  const sum = crc32(bytes);
  const command = new user.sdk.PutObjectCommand({
    ...target(name),
    ...metadata(options),
    Body: bytes,
    ContentLength: bytes.byteLength,
    ChecksumCRC32: base64Crc(sum),
  });
  const limits = { signal: options.signal, timeoutMs: ANSWER_MS };
  const { ETag } = await user.call(writing(name), (client, send) => client.send(command, send), limits);
  options.onProgress?.(bytes.byteLength);
  return { etag: requireEtag(name, ETag), crc32: sum };
}

async function headOf(source: ByteSource): Promise<[bytes: Bytes, restBytes: number]> {
  const reader = byteReader(await source.open());
  try {
    return [await reader.read(source.sizeBytes), (await reader.read(1)).byteLength];
  } finally {
    await reader.cancel();
  }
}

async function uploadParts(user: S3User, name: ObjectName, source: ByteSource, options: PutOptions): Promise<Uploaded> {
  const { sdk } = user;
  const create = new sdk.CreateMultipartUploadCommand({
    ...target(name),
    ...metadata(options),
    ChecksumAlgorithm: "CRC32",
    ChecksumType: "FULL_OBJECT",
  });
  // Not with the caller's signal: an upload whose name never came back could not be given up.
  const created = await user.call(writing(name), (client, send) => client.send(create, send));
  const uploadId = requireUploadId(name, created.UploadId);
  try {
    const { parts, crc32 } = await sendParts(user, name, uploadId, source, options);
    const { pairedWith, signal } = options;
    const sent = { ...name, uploadId, sizeBytes: source.sizeBytes, parts, crc32: base64Crc(crc32), pairedWith };
    const etag = await complete(user, sent, { signal, timeoutMs: COMPLETE_MS });
    return { etag: requireEtag(name, etag), crc32 };
  } catch (error) {
    await giveUp(user, name, uploadId).catch(onlyTallyErrors);
    throw error;
  }
}

/** Drops the parts that the server took. One that it was still writing turns up after that, so it is asked until it has none. */
async function giveUp(user: S3User, name: ObjectName, uploadId: string): Promise<void> {
  const abort = new user.sdk.AbortMultipartUploadCommand({ ...target(name), UploadId: uploadId });
  for (let attempt = 1; attempt <= GIVE_UP_ATTEMPTS; attempt++) {
    const answer = await user.call(
      `give up ${name.bucket}/${name.key}`,
      (client, send) => client.send(abort, send).catch(noneFor(404)),
    );
    if (answer === undefined) return;
    await user.clock.sleep(GIVE_UP_PAUSE_MS);
  }
}

/** Several workers take part after part from one reader; the first that fails stops the others. */
async function sendParts(
  user: S3User,
  name: ObjectName,
  uploadId: string,
  source: ByteSource,
  { onProgress = () => {}, signal }: PutOptions,
): Promise<{ parts: SentPart[]; crc32: number }> {
  const parts: SentPart[] = [];
  let sentBytes = 0;
  const stop = new AbortController();
  const reader = byteReader(await source.open());
  const cutter = new PartCutter(reader, name, source.sizeBytes);
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const work = async () => {
    for (let part = await cutter.next(both); part !== undefined; part = await cutter.next(both)) {
      parts.push(await sendPart(user, name, uploadId, part, both));
      onProgress(sentBytes += part.bytes.byteLength);
      release(part.bytes);
    }
  };
  const failed = (error: unknown) => stop.abort(stop.signal.reason ?? error);
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, () => work().catch(failed)));
  await reader.cancel();
  if (stop.signal.aborted) throw stop.signal.reason;
  return { parts: parts.sort((one, other) => one.PartNumber - other.PartNumber), crc32: cutter.crc32 };
}

async function sendPart(
  user: S3User,
  name: ObjectName,
  uploadId: string,
  part: Part,
  signal: AbortSignal,
): Promise<SentPart> {
  const ChecksumCRC32 = base64Crc(part.crc32);
  const command = new user.sdk.UploadPartCommand({
    ...target(name),
    UploadId: uploadId,
    PartNumber: part.number,
    Body: part.bytes,
    ContentLength: part.bytes.byteLength,
    ChecksumCRC32,
  });
  const limits = { signal, timeoutMs: ANSWER_MS };
  const { ETag } = await user.call(writing(name), (client, send) => client.send(command, send), limits);
  return { PartNumber: part.number, ETag: requireEtag(name, ETag), ChecksumCRC32 };
}

/** Cuts a source into numbered parts, one after the other whoever asks, and sums up the CRC-32 of the whole. */
class PartCutter {
  readonly #reader: ByteReader;
  readonly #name: ObjectName;
  readonly #sizeBytes: number;
  #turn: Promise<unknown> = Promise.resolve();
  #count = 0;
  #cutBytes = 0;
  crc32 = 0;

  constructor(reader: ByteReader, name: ObjectName, sizeBytes: number) {
    this.#reader = reader;
    this.#name = name;
    this.#sizeBytes = sizeBytes;
  }

  /** @throws {IntegrityError} when the source has more or fewer bytes than it said */
  next(signal: AbortSignal): Promise<Part | undefined> {
    const part = this.#turn.then(() => {
      if (signal.aborted) throw new InterruptedError();
      return this.#cut();
    });
    this.#turn = part;
    return part;
  }

  async #cut(): Promise<Part | undefined> {
    const bytes = await this.#reader.read(partSize(this.#sizeBytes));
    this.#cutBytes += bytes.byteLength;
    const ended = bytes.byteLength === 0;
    if (this.#cutBytes > this.#sizeBytes || (ended && this.#cutBytes !== this.#sizeBytes)) throw wrongSize(this.#name);
    if (ended) return undefined;
    this.crc32 = crc32(bytes, this.crc32);
    return { number: ++this.#count, bytes, crc32: crc32(bytes) };
  }
}

/** How S3's commands name an object. */
export function target({ bucket, key }: ObjectName): { Bucket: string; Key: string } {
  return { Bucket: bucket, Key: key };
}

function metadata({ pairedWith }: PutOptions) {
  return {
    ContentType: "application/octet-stream",
    ...(pairedWith === undefined ? {} : { Metadata: { "small-sha256": pairedWith } }),
  };
}

function base64Crc(sum: number): string {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, sum);
  return new Uint8Array(bytes.buffer).toBase64();
}

/** A CRC-32 as S3 writes it: base64 of four bytes, the highest first. @throws {UpstreamError} it is none */
export function fromBase64Crc(text: string): number {
  return new DataView(checksumBytes(text, 4).buffer).getUint32(0);
}

/** A checksum as S3 writes it. @throws {UpstreamError} it is not base64 of so many bytes */
export function checksumBytes(text: string, sizeBytes: number): Bytes {
  const bytes = bytesOrNone(text);
  if (bytes.byteLength === sizeBytes && bytes.toBase64() === text) return bytes;
  throw new UpstreamError("CDN", "The CDN gives a checksum that is none");
}

function bytesOrNone(text: string): Bytes {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return new Uint8Array(0); // no checksum is empty
  }
}

function writing({ bucket, key }: ObjectName): string {
  return `write "${bucket}/${key}"`;
}

/** Without an id the calls that follow would mean the object itself, and giving up would remove it. */
function requireUploadId(name: ObjectName, uploadId: string | undefined): string {
  if (uploadId) return uploadId;
  throw new UpstreamError("CDN", `Cannot ${writing(name)}: the CDN gives the upload no id`);
}

function requireEtag(name: ObjectName, etag: string | undefined): string {
  if (etag === undefined) throw new UpstreamError("CDN", `Cannot ${writing(name)}: the CDN's answer has no ETag`);
  return etag.replaceAll('"', "");
}

function wrongSize(name: ObjectName): IntegrityError {
  return new IntegrityError(`Cannot ${writing(name)}: its source is not as large as it said`);
}

/** What caused the failure is told to the caller; that cleaning up failed as well is not. */
function onlyTallyErrors(error: unknown): void {
  if (!(error instanceof TallyError)) throw error;
}
