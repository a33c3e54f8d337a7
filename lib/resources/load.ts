import { type Bytes, concat } from "../bytes.ts";
import { type BigPartCache, type CachedBigPart, type Pairing, type ResourceName, withCrc32 } from "../cdn/cached.ts";
import { DigestCheck, matchesDigests } from "../cdn/digest.ts";
import type { LoadSource, Media, OnMedium } from "../cdn/media.ts";
import { resumed } from "../cdn/resumed.ts";
import type { GetOptions, ObjectFacts, ObjectStore } from "../cdn/store.ts";
import { BLOCK_BYTES, decryptCbc, plainSize } from "../crypto/cbc_v1.ts";
import { type CbcKey, sha256Hex } from "../crypto/keys.ts";
import { ConflictError, IntegrityError, messageOf, NotFoundError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { bigPartName, smallPartName } from "../split/plan.ts";
import { type ByteStream, collect, consume, joinStreams, watched } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { CacheFilling, logUnchanged } from "./cache_filling.ts";
import type { ReadApiResource } from "./small_part.ts";

/** Which resource. Both names have passed `parseName`. */
export interface LoadRequest extends ResourceName {
  /** The caller's own key, for a resource that was published with it; the shared resource key without it. */
  readonly key?: CbcKey | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A resource on its way to the caller. Cancel the body when it is not read to its end. */
export interface LoadedResource {
  /** Plaintext. The last piece is held back until everything before it is known to be right; else the stream fails. */
  readonly body: ByteStream;
  /** Size of the plaintext. */
  readonly sizeBytes: number;
  /** Without quotes; changes with every published version. */
  readonly etag: string;
  /** Where the big part came from. */
  readonly source: LoadSource;
  /** Which version of format v2 it is; v1 has none. */
  readonly version?: string | undefined;
}

/** Loads a resource: small part from the API, big part from the cache or the CDN, decrypted as it streams. */
export type LoadResource = (request: LoadRequest) => Promise<LoadedResource>;

/** What loading needs of the outside. */
export interface LoadDeps {
  readonly readApiResource: ReadApiResource;
  readonly cdn: () => Promise<ObjectStore>;
  /** Where big parts may lie nearer than in the CDN. */
  readonly media?: Media | undefined;
  readonly cache: BigPartCache;
  /** The shared resource key. */
  readonly sharedKey: () => Promise<CbcKey>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Pauses while a publisher is between its two parts, in milliseconds; then the load is given up. */
const REPUBLISH_PAUSES_MS = [200, 1_000, 3_000];
const TAIL_BYTES = 2 * BLOCK_BYTES;

interface SmallPart {
  readonly bytes: Bytes;
  readonly sha256: string;
}

/** A big part that belongs to the small part at hand. */
interface BigPart {
  readonly sizeBytes: number;
  readonly source: LoadSource;
  open(): Promise<ByteStream>;
  tail(sizeBytes: number): Promise<ByteStream>;
  /** Looks whether it is to blame for what could not be opened; then it is removed, and reading again helps. */
  discardIfDamaged(): Promise<boolean>;
}

/** The parts at hand may belong to different versions: a publisher is at work, or the cache is damaged. Reading both again helps. */
class PartsApartError extends IntegrityError {}

/**
 * v1 cannot notice that two parts do not belong together, so nothing is joined on trust: a cached big part is used with
 * the small part that it was fetched with, or after the CDN has confirmed its ETag; a fetched one only when its publisher
 * named the same small part (where it named one) and with the ETag that was looked at. A download enters the cache when its
 * digest was right. A cache that cannot be read or written is logged and done without.
 *
 * The loader fails with the errors of the API and the CDN, {@link NotFoundError}, and {@link IntegrityError}.
 */
export function resourceLoader(deps: LoadDeps): LoadResource {
  return async ({ folder, name, signal, key: ownKey }) => {
    const resource = { folder, name };
    const key = ownKey ?? await deps.sharedKey();
    for (const pauseMs of REPUBLISH_PAUSES_MS) {
      try {
        return await loadOnce(deps, resource, key, signal);
      } catch (error) {
        if (!(error instanceof PartsApartError || error instanceof ConflictError && error.reason === undefined)) {
          throw error;
        }
        deps.log.warning("load_again", { ...resource, why: error.message });
        await deps.clock.sleep(pauseMs, signal);
      }
    }
    return await loadOnce(deps, resource, key, signal);
  };
}

async function loadOnce(
  deps: LoadDeps,
  resource: ResourceName,
  key: CbcKey,
  signal?: AbortSignal,
): Promise<LoadedResource> {
  const bytes = await deps.readApiResource({ ...resource, name: smallPartName(resource.name) }, signal);
  const small = { bytes, sha256: await sha256Hex(bytes) };
  const big = await findBigPart(deps, resource, small, signal);
  const sizeBytes = await sizeOfPlaintext(resource, small, big, key);
  const body = decryptCbc(joinStreams(small.bytes, await big.open()), key);
  return { body, sizeBytes, etag: small.sha256, source: big.source };
}

async function findBigPart(
  deps: LoadDeps,
  resource: ResourceName,
  small: SmallPart,
  signal?: AbortSignal,
): Promise<BigPart> {
  const cached = await findCached(deps, resource);
  if (cached?.pairing?.smallSha256 === small.sha256) return fromCache(deps, resource, cached, cached.pairing.crc32);
  const store = await deps.cdn();
  const facts = await store.head(resource.folder, bigPartName(resource.name), signal ? { signal } : {});
  if (facts === undefined) throw new NotFoundError(`Cannot load "${nameOf(resource)}": the CDN has no big part of it`);
  if (facts.pairedWith !== undefined && facts.pairedWith !== small.sha256) throw apart(resource);
  const confirmedCrc32 = cached && await crc32IfCurrent(cached, facts);
  if (cached === undefined || confirmedCrc32 === undefined) {
    const medium = await findOnMedium(deps, resource, facts);
    return fromStore(deps, { resource, small, store, facts, medium }, signal);
  }
  await pair(deps, resource, { smallSha256: small.sha256, etag: facts.etag, crc32: confirmedCrc32 });
  return fromCache(deps, resource, cached, confirmedCrc32);
}

/** A medium is used when all that lies there is what the CDN says: v1 would not notice another version. */
async function findOnMedium(
  { media, log }: LoadDeps,
  resource: ResourceName,
  { digests, sizeBytes }: ObjectFacts,
): Promise<OnMedium | undefined> {
  const query = { bucket: resource.folder, key: bigPartName(resource.name), sizeBytes };
  for (const found of await media?.find(query) ?? []) {
    try {
      const { body } = await found.store.get(query.bucket, query.key, { ifMatch: found.facts.etag });
      if (await matchesDigests(body, digests, sizeBytes) === "equal") return found;
    } catch (error) {
      log.warning("medium_not_read", { ...resource, why: messageOf(error) });
    }
  }
  return undefined;
}

/** A cache that cannot be read keeps the resource from nobody. */
async function findCached({ cache, log }: LoadDeps, resource: ResourceName): Promise<CachedBigPart | undefined> {
  try {
    return await cache.find(resource);
  } catch (error) {
    log.warning("cache_not_read", { ...resource, why: messageOf(error) });
    return undefined;
  }
}

async function pair({ cache, log }: LoadDeps, resource: ResourceName, pairing: Pairing): Promise<void> {
  try {
    await cache.pair(resource, pairing);
  } catch (error) {
    logUnchanged(log, resource, error); // the CDN confirms it again next time
  }
}

/** The CRC of a cached big part that the CDN confirms as its own present one; `undefined` when it does not. */
async function crc32IfCurrent(cached: CachedBigPart, facts: ObjectFacts): Promise<number | undefined> {
  if (cached.sizeBytes !== facts.sizeBytes) return undefined;
  if (cached.pairing !== undefined) return cached.pairing.etag === facts.etag ? cached.pairing.crc32 : undefined;
  let crc32: number | undefined;
  const stream = withCrc32(await cached.open(), (sum) => void (crc32 = sum));
  return await matchesDigests(stream, facts.digests, facts.sizeBytes) === "equal" ? crc32 : undefined;
}

function fromCache({ cache, log }: LoadDeps, resource: ResourceName, cached: CachedBigPart, crc32: number): BigPart {
  return {
    sizeBytes: cached.sizeBytes,
    source: "cache",
    tail: (sizeBytes) => cached.open(cached.sizeBytes - sizeBytes),
    async discardIfDamaged() {
      let present: number | undefined;
      await consume(withCrc32(await cached.open(), (sum) => void (present = sum)), () => {});
      if (present === crc32) return false; // then it is the key
      await cache.evict(resource);
      return true;
    },
    open: async () =>
      withCrc32(await cached.open(), (sum) => {
        if (sum === crc32) return;
        log.error("cache_damaged", { ...resource });
        cache.later(resource, () => cache.evict(resource).catch((error) => logUnchanged(log, resource, error)));
        throw new IntegrityError(
          `Cannot load "${nameOf(resource)}": its big part was changed in the cache, and is fetched anew next time`,
        );
      }),
  };
}

interface Stored {
  readonly resource: ResourceName;
  readonly small: SmallPart;
  readonly store: ObjectStore;
  /** What the CDN says of it. */
  readonly facts: ObjectFacts;
  /** Where the same bytes are nearer. */
  readonly medium: OnMedium | undefined;
}

function fromStore(deps: LoadDeps, stored: Stored, signal?: AbortSignal): BigPart {
  const { resource, small, medium, facts: { digests, sizeBytes, etag } } = stored;
  const store = medium?.store ?? stored.store;
  const ifMatch = medium?.facts.etag ?? etag;
  const key = bigPartName(resource.name);
  const get = async (options: GetOptions) => {
    try {
      return await store.get(resource.folder, key, { ...options, ifMatch, ...(signal ? { signal } : {}) });
    } catch (error) {
      throw error instanceof ConflictError ? apart(resource) : error; // replaced since we looked
    }
  };
  const from = async (start: number) => (await get(start === 0 ? {} : { range: { start } })).body;
  const read = async (start: number) => {
    const open = (taken: number) => from(start + taken);
    return resumed(await from(start), { sizeBytes: sizeBytes - start, open, clock: deps.clock, signal });
  };
  return {
    sizeBytes,
    source: medium === undefined ? "cdn" : "media",
    tail: (last) => read(sizeBytes - last),
    discardIfDamaged: () => Promise.resolve(false),
    open: async () => {
      const body = await read(0);
      const check = new DigestCheck(digests, sizeBytes);
      const filling = await CacheFilling.start(deps, resource, sizeBytes);
      return watched(body, {
        look: (chunk) => {
          check.update(chunk);
          filling.write(chunk);
        },
        end: () => {
          check.verify();
          filling.finish({ smallSha256: small.sha256, etag });
        },
        drop: () => filling.drop(),
      });
    },
  };
}

async function sizeOfPlaintext(
  resource: ResourceName,
  small: SmallPart,
  big: BigPart,
  key: CbcKey,
): Promise<number> {
  const wanted = Math.min(TAIL_BYTES, big.sizeBytes);
  const tail = concat(small.bytes, await collect(await big.tail(wanted), wanted)).slice(-TAIL_BYTES);
  try {
    return await plainSize(small.bytes.byteLength + big.sizeBytes, tail, key);
  } catch (error) {
    throw error instanceof IntegrityError && await big.discardIfDamaged() ? apart(resource) : error;
  }
}

function apart(resource: ResourceName): PartsApartError {
  return new PartsApartError(
    `Cannot load "${nameOf(resource)}": its small part and its big part belong to different versions`,
  );
}

function nameOf({ folder, name }: ResourceName): string {
  return `${folder}/${name}`;
}
