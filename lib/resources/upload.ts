import { type Bytes, release } from "../bytes.ts";
import { type BigPartCache, type BigPartWriter, type ResourceName, withCrc32 } from "../cdn/cached.ts";
import type { ObjectFacts, ObjectStore } from "../cdn/store.ts";
import { encryptCbc } from "../crypto/cbc_v1.ts";
import { type CbcKey, sha256Hex } from "../crypto/keys.ts";
import { ConflictError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { bigPartName, FULL_CUT_BYTES, smallPartName, smallPartSize } from "../split/plan.ts";
import { byteReader, type ByteStream, consume, watched } from "../streams.ts";
import { Turns } from "../system/turns.ts";

/** Where a staged resource is published. Both names have passed `parseName`. */
export interface PublishRequest extends ResourceName {
  /** Bytes of the big part that the CDN has taken. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What was published. */
export interface PublishedResource {
  /** Size of the plaintext. */
  readonly sizeBytes: number;
  /** Size of the small part, which is on the API. */
  readonly smallBytes: number;
  /** Size of the big part, which is on the CDN. */
  readonly bigBytes: number;
  /** Under which version of format v2; v1 has none. */
  readonly version?: string;
}

/** An encrypted and cut resource that waits on disk (as ciphertext) for its name. Dispose it: what was not published is removed. */
export interface StagedUpload extends Disposable {
  readonly format: "v1" | "v2";
  publish(request: PublishRequest): Promise<PublishedResource>;
}

/** Reads a plaintext stream to its end, encrypts and cuts it. The name may come later: in a form it may follow the data. */
export type StageUpload = (data: ByteStream, options?: StageOptions) => Promise<StagedUpload>;

/** How a resource is staged. */
export interface StageOptions {
  /** The caller's own key; the shared resource key without it. */
  readonly key?: CbcKey | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What uploading needs of the outside. */
export interface UploadDeps {
  /** Fails when the API cannot be asked, or knows the caller no more. */
  readonly requireApi: (signal?: AbortSignal) => Promise<void>;
  readonly sendSmallPart: (request: ResourceName & { data: Bytes }, signal?: AbortSignal) => Promise<void>;
  readonly cdn: () => Promise<ObjectStore>;
  readonly cache: BigPartCache;
  /** The shared resource key. */
  readonly sharedKey: () => Promise<CbcKey>;
  readonly log: Logger;
}

const PIECE_BYTES = 256 * 1024;

/**
 * Makes the upload use case. It fails with the errors of the source, of the disk, of the CDN and of the API, and with
 * {@link ConflictError} when somebody else has published the same resource at the same time. Here, one waits for the other.
 */
export function uploadStager(deps: UploadDeps): StageUpload {
  const turns = new Turns();
  return async (data, { key, signal } = {}) => {
    let sizeBytes = 0;
    const counted = watched(data, { look: (chunk) => void (sizeBytes += chunk.byteLength) });
    const writer = await deps.cache.create();
    try {
      const small = await split(encryptCbc(counted, key ?? await deps.sharedKey()), writer, signal);
      return {
        format: "v1",
        publish: (request) => turns.take(nameOf(request), () => publish(deps, { small, writer, sizeBytes }, request)),
        [Symbol.dispose]: () => writer[Symbol.dispose](),
      };
    } catch (error) {
      writer[Symbol.dispose]();
      throw error;
    }
  };
}

/** Writes the big part and gives the small one back. */
async function split(encrypted: ByteStream, writer: BigPartWriter, signal?: AbortSignal): Promise<Bytes> {
  const reader = byteReader(encrypted);
  try {
    const head = await reader.read(FULL_CUT_BYTES); // shorter only when it is everything
    const small = head.slice(0, smallPartSize(head.byteLength));
    writer.write(head.subarray(small.byteLength));
    for (let piece = await reader.read(PIECE_BYTES); piece.byteLength > 0; piece = await reader.read(PIECE_BYTES)) {
      signal?.throwIfAborted();
      writer.write(piece);
      release(piece);
    }
    return small;
  } catch (error) {
    await reader.cancel(error);
    throw error;
  }
}

interface Staged {
  readonly small: Bytes;
  readonly writer: BigPartWriter;
  readonly sizeBytes: number;
}

/**
 * The big part first, then the small one; when either fails, no new big part stays where an old small part would be joined
 * to it: the old one comes back where the cache has it. So nothing is replaced unless the API can be asked. Of publishers who meet, the one whose big part was replaced learns of it. The cached pair is replaced last, so that
 * it stays good when the publication fails; a cache that does not take the new one does not undo what is published.
 */
async function publish(deps: UploadDeps, staged: Staged, request: PublishRequest): Promise<PublishedResource> {
  const { small, writer, sizeBytes } = staged;
  const { folder, name, signal } = request;
  const smallSha256 = await sha256Hex(small);
  const store = await deps.cdn();
  await deps.requireApi(signal);
  const before = await store.head(folder, bigPartName(name), signal ? { signal } : {});
  const etag = await putBigPart(deps, store, { writer, smallSha256, before }, request);
  try {
    await deps.sendSmallPart({ folder, name: smallPartName(name), data: small }, signal);
  } catch (error) {
    await withdraw(deps, store, request, { before, isOurs: (present) => present.etag === etag });
    throw error;
  }
  await requireStillOurs(store, request, etag);
  const bigBytes = writer.sizeBytes;
  try {
    await writer.commit({ folder, name }, { smallSha256, etag });
  } catch (error) {
    deps.log.warning("cache_not_changed", { folder, name, why: messageOf(error) });
  }
  return { sizeBytes, smallBytes: small.byteLength, bigBytes };
}

/** @throws {ConflictError} when somebody else's big part is on the CDN now, so that ours is not what would be loaded */
async function requireStillOurs(store: ObjectStore, request: PublishRequest, etag: string): Promise<void> {
  const { folder, name, signal } = request;
  const present = await store.head(folder, bigPartName(name), signal ? { signal } : {});
  if (present?.etag === etag) return;
  throw new ConflictError(
    `Cannot publish "${nameOf(request)}": somebody else has published it in the meantime; publish it again`,
  );
}

/** Returns the ETag of the big part on the CDN. */
async function putBigPart(
  deps: UploadDeps,
  store: ObjectStore,
  { writer, smallSha256, before }: {
    writer: BigPartWriter;
    smallSha256: string;
    before: ObjectFacts | undefined;
  },
  request: PublishRequest,
): Promise<string> {
  const { folder, name, onProgress, signal } = request;
  const source = writer.source();
  try {
    const { etag } = await store.put(folder, bigPartName(name), source, {
      pairedWith: smallSha256,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress: (sentBytes: number) => onProgress(sentBytes, source.sizeBytes) } : {}),
    });
    return etag;
  } catch (error) {
    // It may have got there all the same; then again, what is there may be somebody else's.
    const isOurs = ({ etag, pairedWith }: ObjectFacts) =>
      pairedWith === undefined ? etag !== before?.etag : pairedWith === smallSha256;
    await withdraw(deps, store, request, { before, isOurs });
    throw error;
  }
}

/** Takes our big part out of the CDN. Not under the caller's signal: it must happen even when that was aborted. */
async function withdraw(
  deps: UploadDeps,
  store: ObjectStore,
  { folder, name }: ResourceName,
  { before, isOurs }: { before: ObjectFacts | undefined; isOurs: (present: ObjectFacts) => boolean },
): Promise<void> {
  const { log } = deps;
  try {
    const present = await store.head(folder, bigPartName(name));
    const mustGo = present !== undefined && isOurs(present);
    const restored = mustGo && await putBack(deps, store, { folder, name }, before);
    if (mustGo && !restored) await store.delete(folder, bigPartName(name));
    log.warning("publication_withdrawn", { folder, name, removed: mustGo, restored });
  } catch (error) {
    log.error("publication_not_withdrawn", { folder, name, why: messageOf(error) });
  }
}

/** Writes what the CDN had before, where the cache still has it, unchanged. @returns whether it is there again */
async function putBack(
  { cache, log }: UploadDeps,
  store: ObjectStore,
  { folder, name }: ResourceName,
  before: ObjectFacts | undefined,
): Promise<boolean> {
  try {
    const cached = await cache.find({ folder, name });
    if (cached?.pairing === undefined || cached.pairing.etag !== before?.etag) return false;
    const { smallSha256, crc32 } = cached.pairing;
    let present: number | undefined;
    await consume(withCrc32(await cached.open(), (sum) => void (present = sum)), () => {});
    if (present !== crc32) return false;
    await store.put(folder, bigPartName(name), cached, { pairedWith: smallSha256 });
    return true;
  } catch (error) {
    log.warning("publication_not_restored", { folder, name, why: messageOf(error) });
    return false;
  }
}

function nameOf({ folder, name }: ResourceName): string {
  return `${folder}/${name}`;
}
