import { type Bytes, release } from "../bytes.ts";
import type { ContentCache } from "../cdn/content_cache.ts";
import type { ByteSource, ObjectStore } from "../cdn/store.ts";
import { ConflictError, InterruptedError, messageOf, TallyError } from "../errors.ts";
import { isTransient } from "../http/retry.ts";
import type { Logger } from "../log.ts";
import { hashListKey, type Manifest } from "../split/manifest.ts";
import { type PublisherKey, signManifest } from "../split/manifest_signature.ts";
import { type SealingResource, sealResource } from "../split/seal.ts";
import { streamOf } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import type { AtomicFile } from "../system/atomic_file.ts";
import type { PublishedResource, PublishRequest, StageUpload } from "./upload.ts";

/** What publishing in format v2 needs. */
export interface UploadV2Deps {
  readonly publisherKey: () => Promise<PublisherKey>;
  /** Sends a manifest and its content key. */
  readonly send: (
    version: { readonly folder: string; readonly name: string; readonly manifest: string; readonly contentKey: Bytes },
    signal?: AbortSignal,
  ) => Promise<void>;
  /** Highest `seq` of the resource; 0 when nothing is published. */
  readonly highestSeq: (folder: string, name: string, signal?: AbortSignal) => Promise<number>;
  readonly cdn: () => Promise<ObjectStore>;
  readonly cache: ContentCache;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long devices take a version; publish a newer one before that. */
const VALID_SECONDS = 365 * 24 * 3600;
/** Publishers who meet take different numbers. */
const ATTEMPTS = 3;
/** Replaced when the name is known. */
const UNNAMED = { folder: "unnamed", name: "unnamed", version: "0", seq: 0, iat: 0, exp: 0 };

/** A sealed resource: its ciphertext on this disk, its manifest without names. */
interface Sealed {
  readonly file: AtomicFile;
  readonly manifest: Manifest;
  readonly hashes: Bytes;
  readonly contentKey: Bytes;
}

/**
 * Makes the upload use case of format v2: the plaintext is sealed while it comes, its ciphertext kept on this disk until its digest, and so its name
 * in the CDN, is known. The suite is `C20P-AGE`, which binds no name: that may come behind the data. Fails with the errors of the source, the
 * disk, the CDN and the API; {@link ConflictError} when other publishers are always faster.
 */
export function v2Stager(deps: UploadV2Deps): StageUpload {
  return async (data, { signal } = {}) => {
    const file = await deps.cache.stage();
    const sealing = await sealResource(data, { ...UNNAMED, arch: [], suite: "C20P-AGE" });
    try {
      const { manifest, hashes } = await writeSealed(sealing, file, signal);
      const sealed = { file, manifest, hashes, contentKey: sealing.contentKey };
      return {
        format: "v2",
        publish: (request) => publish(deps, sealed, request),
        [Symbol.dispose]() {
          sealing[Symbol.dispose]();
          file[Symbol.dispose]();
        },
      };
    } catch (error) {
      sealing[Symbol.dispose]();
      file[Symbol.dispose]();
      throw error;
    }
  };
}

async function writeSealed({ body, finish }: SealingResource, file: AtomicFile, signal: AbortSignal | undefined) {
  for await (const chunk of body) {
    signal?.throwIfAborted();
    await file.append(chunk);
    release(chunk);
  }
  return await finish();
}

/** The big part first: a version is never known whose bytes are nowhere. It goes again only where nobody can know of it. */
async function publish(deps: UploadV2Deps, sealed: Sealed, request: PublishRequest): Promise<PublishedResource> {
  const { folder } = request;
  const { big, plain } = sealed.manifest;
  const store = await deps.cdn();
  const sending = new Sending(deps.send);
  try {
    await putBigPart(deps, store, sealed, request);
    const { smallBytes, version } = await sendManifest(deps, sending, sealed, request);
    await keepInCache(deps, sealed, request);
    return { sizeBytes: plain.size, smallBytes, bigBytes: big.size, version };
  } catch (error) {
    if (sending.isUnclear) deps.log.warning("publication_unclear", { folder, key: big.key, why: messageOf(error) });
    else await withdraw(deps, store, folder, big.key);
    throw error;
  }
}

/** What is published need not be fetched. */
async function keepInCache(
  { cache, log }: UploadV2Deps,
  { file, manifest: { big: { key } } }: Sealed,
  { folder, name }: PublishRequest,
): Promise<void> {
  try {
    await cache.keep(file, { folder, key });
    await cache.note({ folder, key }, name);
  } catch (error) {
    log.warning("cache_not_changed", { folder, key, why: messageOf(error) });
  }
}

async function putBigPart(
  { cache }: UploadV2Deps,
  store: ObjectStore,
  { file, manifest: { big, seg }, hashes }: Sealed,
  { folder, signal, onProgress }: PublishRequest,
): Promise<void> {
  const options = {
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress: (sentBytes: number) => onProgress(sentBytes, big.size) } : {}),
  };
  await store.put(folder, big.key, cache.stagedSource(file, big.size), options);
  if ("sha256" in seg) await store.put(folder, hashListKey(big.key), sourceOf(hashes), signal ? { signal } : {});
}

/** @returns the size of the manifest, and the version that it gives */
async function sendManifest(
  { publisherKey, highestSeq, clock }: UploadV2Deps,
  sending: Sending,
  { manifest, contentKey }: Sealed,
  { folder, name, signal }: PublishRequest,
): Promise<{ smallBytes: number; version: string }> {
  const key = await publisherKey();
  for (let attempt = 1;; attempt++) {
    const seq = await highestSeq(folder, name, signal) + 1;
    const iat = Math.floor(clock.now() / 1000);
    const named = { ...manifest, folder, name, version: String(seq), seq, iat, exp: iat + VALID_SECONDS };
    const jws = await signManifest(named, key);
    try {
      await sending.send({ folder, name, manifest: jws, contentKey }, signal);
      return { smallBytes: jws.length, version: named.version };
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Sends manifests, and knows whether one may have been taken although the call failed: no answer says that it was refused. */
class Sending {
  readonly #send: UploadV2Deps["send"];
  isUnclear = false;

  constructor(send: UploadV2Deps["send"]) {
    this.#send = send;
  }

  async send(...call: Parameters<UploadV2Deps["send"]>): Promise<void> {
    try {
      await this.#send(...call);
    } catch (error) {
      this.isUnclear = isTransient(error) || error instanceof InterruptedError || !(error instanceof TallyError);
      throw error;
    }
  }
}

/** Nobody can know of these objects. Not under the caller's signal: it must happen even when that was aborted. */
async function withdraw({ log }: UploadV2Deps, store: ObjectStore, folder: string, key: string): Promise<void> {
  try {
    await store.delete(folder, key);
    await store.delete(folder, hashListKey(key));
  } catch (error) {
    log.warning("publication_not_withdrawn", { folder, key, why: messageOf(error) });
  }
}

function sourceOf(bytes: Bytes): ByteSource {
  return {
    sizeBytes: bytes.byteLength,
    open: (start = 0, end = bytes.byteLength) => Promise.resolve(streamOf(bytes.slice(start, end))),
  };
}
