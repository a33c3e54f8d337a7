import { type Bytes, toBase64Url } from "../bytes.ts";
import type { ContentCache, ContentName } from "../cdn/content_cache.ts";
import type { Media, OnMedium } from "../cdn/media.ts";
import { resumed } from "../cdn/resumed.ts";
import type { ObjectStore } from "../cdn/store.ts";
import { storeSource } from "../cdn/store_source.ts";
import { allUnits, type BigPart, HASH_BYTES, type UnitRange } from "../crypto/open_units.ts";
import { plainStart } from "../crypto/unit_layout.ts";
import { IntegrityError, InterruptedError, messageOf } from "../errors.ts";
import { withRetry } from "../http/retry.ts";
import type { Logger } from "../log.ts";
import { bigPart, hashList, plainRange } from "../split/big_part.ts";
import { hashListKey, type Manifest } from "../split/manifest.ts";
import type { OpenedSmallPart } from "../split/open_small_part.ts";
import { type ByteStream, byteStream, collect, streamOf } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { readSmallFile } from "../system/files.ts";
import type { Turns } from "../system/turns.ts";
import { CacheRepair } from "./cache_repair.ts";
import type { FollowedUnits } from "./followed_units.ts";
import type { FindResource, OpenBody, OpenResource } from "./open_resource.ts";
import type { OpenVersion } from "./small_part_v2.ts";
import type { UnitDownloadJob } from "./unit_download.ts";
import type { UnitDownloads } from "./unit_downloads.ts";
import { openedUnits, type UnitFeed } from "./unit_feed.ts";
import { fileUnits, instead, laterUnits, mediumUnits, storeUnits, type UnitSource } from "./unit_sources.ts";

/** What loading in format v2 needs. */
export interface LoadV2Deps {
  readonly openVersion: OpenVersion;
  readonly cdn: () => Promise<ObjectStore>;
  /** Where big parts may lie nearer than in the CDN. */
  readonly media?: Media | undefined;
  readonly cache: ContentCache;
  readonly downloads: UnitDownloads;
  /** What goes on in the cache behind a caller. */
  readonly pending: Turns;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * Finds resources in format v2: the small part is opened, and so everything but the bytes of the big part has been checked. These are compared
 * unit by unit with the signed list before they are decrypted, whether they come from the cache or the CDN.
 */
export function v2Finder(deps: LoadV2Deps): FindResource {
  return async (request) => {
    const opened = await deps.openVersion(request);
    const { manifest: { version, seq }, floor } = opened;
    return { ...await openedResource(deps, opened, request.signal), standing: { version, seq, floor } };
  };
}

/** A resource whose small part has been opened. */
export async function openedResource(
  deps: LoadV2Deps,
  opened: OpenedSmallPart,
  signal?: AbortSignal,
): Promise<OpenResource> {
  const { manifest } = opened;
  const hashes = await hashList(manifest, await fetchHashList(deps, manifest, { signal }));
  const big = await bigPart(opened, hashes);
  const loading = new Loading(deps, { manifest, big, hashes, signal });
  return {
    format: "v2",
    sizeBytes: manifest.plain.size,
    etag: toBase64Url(manifest.big.sha256),
    hasRanges: true,
    open: (range) => range === undefined ? loading.whole() : loading.part(range),
    close: () => Promise.resolve(),
  };
}

/** What one load knows. */
interface LoadState {
  readonly manifest: Manifest;
  readonly big: BigPart;
  readonly hashes: Bytes;
  readonly signal: AbortSignal | undefined;
}

class Loading {
  readonly #deps: LoadV2Deps;
  readonly #state: LoadState;

  constructor(deps: LoadV2Deps, state: LoadState) {
    this.#deps = deps;
    this.#state = state;
  }

  /**
   * All of it: from the cache, else by a download into it, which all who want it share. Where the cache cannot take it, or fails on the way, the
   * rest comes in one stream.
   */
  async whole(): Promise<OpenBody> {
    const range = allUnits(this.#state.big);
    const cached = await this.#cached(range);
    if (cached !== undefined) {
      this.#noteLater();
      return this.#fromCache(range, cached);
    }
    const media = await this.#media();
    const streams = this.#streams(range, media);
    const units = await this.#deps.downloads.follow(this.#job(media));
    this.#noteLater();
    if (units === undefined) {
      const late = await this.#cached(range);
      return late === undefined ? this.#from(range, streams) : this.#fromCache(range, late);
    }
    this.#leaveWithCaller(units);
    return this.#from(range, [units, ...streams.map((source) => instead(source, () => units.isLost))]);
  }

  /** Behind the download, if one is under way: by the resource's name a person pins what lies in the cache under its digest. */
  #noteLater(): void {
    const { cache, pending, log } = this.#deps;
    const { manifest } = this.#state;
    const object = nameOf(manifest);
    void pending.take(
      `${object.folder}/${object.key}`,
      () =>
        cache.note(object, manifest.name).catch((error) =>
          log.warning("cache_not_changed", { ...object, why: messageOf(error) })
        ),
    );
  }

  /** A download that nobody reads would go on. @throws {InterruptedError} the caller has gone already */
  #leaveWithCaller(units: FollowedUnits): void {
    const { signal } = this.#state;
    signal?.addEventListener("abort", () => units.leave(), { once: true });
    if (!signal?.aborted) return;
    units.leave();
    throw new InterruptedError();
  }

  /** Some bytes of it, from the units that hold them. */
  async part({ start, end }: { readonly start: number; readonly end: number }): Promise<OpenBody> {
    const { big } = this.#state;
    const { units } = plainRange(big, start, end);
    const cached = await this.#cached(units);
    const { body, source } = cached === undefined
      ? this.#from(units, this.#streams(units, await this.#media()))
      : this.#fromCache(units, cached);
    return { body: cut(body, start - plainStart(big.layout, units.first), end - start), source };
  }

  /** What is damaged there is fetched, and mended. */
  #fromCache(range: UnitRange, cached: UnitSource): OpenBody {
    const { big, manifest } = this.#state;
    const repair = new CacheRepair(this.#deps, nameOf(manifest), big);
    return this.#from(range, [cached, ...this.#laterMedia(range), this.#store(range)], (index, unit, from) => {
      if (from !== cached.name) repair.mend(index, unit);
    });
  }

  #from(range: UnitRange, sources: readonly UnitSource[], onUnit?: UnitFeed["onUnit"]): OpenBody {
    const { big } = this.#state;
    const { log } = this.#deps;
    const body = openedUnits({ big, range, sources, log, name: this.#title, ...(onUnit && { onUnit }) });
    return { body, source: sources[0]?.name ?? "cdn" };
  }

  /** A cache that cannot be read keeps the resource from nobody. */
  async #cached(range: UnitRange): Promise<UnitSource | undefined> {
    const { cache, log } = this.#deps;
    const { big, manifest } = this.#state;
    try {
      const found = await cache.find(nameOf(manifest));
      return found?.sizeBytes === big.sizeBytes ? fileUnits(found, { big, end: range.end }) : undefined;
    } catch (error) {
      log.warning("cache_not_read", { ...nameOf(manifest), why: messageOf(error) });
      return undefined;
    }
  }

  async #media(): Promise<OnMedium[]> {
    const { big, manifest } = this.#state;
    const { folder, key } = nameOf(manifest);
    return await this.#deps.media?.find({ bucket: folder, key, sizeBytes: big.sizeBytes }) ?? [];
  }

  /** Looked for only when the cache is damaged: nobody waits for a slow share otherwise. */
  #laterMedia(range: UnitRange): UnitSource[] {
    const { big, manifest } = this.#state;
    if (!this.#deps.media?.hasFolders) return [];
    return [laterUnits("media", async () => {
      const [medium] = await this.#media();
      return medium && mediumUnits(medium, nameOf(manifest), { big, end: range.end });
    })];
  }

  /** One behind the other, each read in one stream. */
  #streams(range: UnitRange, media: readonly OnMedium[]): UnitSource[] {
    const { big, manifest } = this.#state;
    const wanted = { big, end: range.end };
    return [...media.map((medium) => mediumUnits(medium, nameOf(manifest), wanted)), this.#store(range)];
  }

  #store(range: UnitRange): UnitSource {
    const { cdn, clock } = this.#deps;
    const { big, manifest, signal } = this.#state;
    return storeUnits(cdn, nameOf(manifest), { big, end: range.end }, { clock, signal });
  }

  #job(media: readonly OnMedium[]): UnitDownloadJob {
    const { big, hashes, manifest } = this.#state;
    const object = nameOf(manifest);
    const common = { object, sizeBytes: big.sizeBytes };
    const sources = [
      ...media.map(({ store, facts: { etag } }) =>
        storeSource({ ...common, name: "media", store: () => Promise.resolve(store), etag, attempts: 1 })
      ),
      storeSource({ ...common, name: "cdn", store: this.#deps.cdn }),
    ];
    return { object, name: this.#title, big, hashes, sources, from: media.length > 0 ? "media" : "cdn" };
  }

  /** For messages and log lines. */
  get #title(): string {
    const { folder, name } = this.#state.manifest;
    return `${folder}/${name}`;
  }
}

/**
 * The hash list of a big part that is too large for its manifest: from a file beside it, the cache, a medium, else the CDN; `undefined` where the
 * manifest holds it.
 * @throws {IntegrityError} step `hash-list`: that of the CDN is not the one that was signed, however often it is fetched
 */
export async function fetchHashList(
  deps: LoadV2Deps,
  manifest: Manifest,
  { signal, beside }: { readonly signal?: AbortSignal | undefined; readonly beside?: string },
): Promise<Bytes | undefined> {
  const { cache, media, log, clock } = deps;
  if ("list" in manifest.seg) return undefined;
  const name = { folder: manifest.folder, key: hashListKey(manifest.big.key) };
  const sizeBytes = manifest.seg.n * HASH_BYTES;
  const near = [
    ...(beside === undefined ? [] : [() => readSmallFile(beside, sizeBytes)]),
    () => cache.readSmall(name, sizeBytes),
    () => readFromMedia(media, name, sizeBytes),
  ];
  for (const read of near) {
    const list = await read().catch(() => undefined); // what cannot be read is fetched
    if (list !== undefined && await isHashList(manifest, list)) return list;
  }
  const read = async () => await hashList(manifest, await readFromCdn(deps, name, sizeBytes, signal));
  const isRepeatable = (error: unknown) => error instanceof IntegrityError; // one that came wrong may come right
  const list = await withRetry(read, { clock, signal, isRepeatable });
  await cache.writeSmall(name, list).catch((error) =>
    log.warning("cache_not_changed", { ...name, why: messageOf(error) })
  );
  return list;
}

/** Taken up again where it breaks off; nothing where it has another size. */
async function readFromCdn(
  { cdn, clock }: LoadV2Deps,
  { folder, key }: ContentName,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const open = async (start: number) => {
    const range = start > 0 && { range: { start, end: sizeBytes } };
    const { body, totalBytes } = await (await cdn()).get(folder, key, { ...range, ...(signal && { signal }) });
    if (totalBytes === sizeBytes) return body;
    await body.cancel();
    return undefined;
  };
  const begun = await open(0);
  if (begun === undefined) return new Uint8Array(0);
  const again = async (start: number) => await open(start) ?? streamOf();
  return await collect(resumed(begun, { sizeBytes, open: again, clock, signal }), sizeBytes, "The hash list");
}

async function readFromMedia(
  media: Media | undefined,
  { folder, key }: ContentName,
  sizeBytes: number,
): Promise<Bytes | undefined> {
  const [found] = await media?.find({ bucket: folder, key, sizeBytes }) ?? [];
  return found && await collect((await found.store.get(folder, key)).body, sizeBytes);
}

/** `sizeBytes` of a stream, after the first `skippedBytes`. */
function cut(stream: ByteStream, skippedBytes: number, sizeBytes: number): ByteStream {
  const reader = stream.getReader();
  let offset = -skippedBytes;
  return byteStream(async () => {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const from = Math.max(0, -offset);
    const wanted = value.subarray(from, Math.max(from, sizeBytes - offset));
    offset += value.byteLength;
    return wanted;
  }, (reason) => reader.cancel(reason));
}

function isHashList(manifest: Manifest, list: Bytes): Promise<boolean> {
  return hashList(manifest, list).then(() => true, () => false);
}

function nameOf({ folder, big: { key } }: Manifest): ContentName {
  return { folder, key };
}
