import { IntegrityError } from "../errors.ts";
import type { Span } from "../http/byte_ranges.ts";
import type { OpenedRange, RangeSource } from "../http/range_source.ts";
import type { ContentName } from "./content_cache.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

/** What a source over a store is made of. */
export interface StoreSourceOptions {
  /** For messages. */
  readonly name: string;
  /** Asked before each attempt, so that a new address or new credentials are used as soon as they are known. */
  readonly store: () => Promise<ObjectStore>;
  readonly object: ContentName;
  /** What the object must have. */
  readonly sizeBytes: number;
  /** Of the object that was found; any where none is given. */
  readonly etag?: string;
  /** @see RangeSource.attempts */
  readonly attempts?: number;
}

/**
 * An object of a store as a source of a download. A store without ranges is asked for the whole object, once: each range of it would cost as much.
 * @throws {IntegrityError} step `size`: the object has another size than the one that was published
 */
export function storeSource({ name, store, object, sizeBytes, etag, attempts }: StoreSourceOptions): RangeSource {
  const { folder, key } = object;
  let hasRanges = true;
  const get = async (range: Span | undefined, signal: AbortSignal) => {
    const options = { signal, ...(range && { range }), ...(etag === undefined ? {} : { ifMatch: etag }) };
    const found = await (await store()).get(folder, key, options);
    if (found.totalBytes === sizeBytes) return found;
    await found.body.cancel();
    throw wrongSize(found, sizeBytes);
  };
  return {
    name,
    ...(attempts === undefined ? {} : { attempts }),
    async open(range, { signal }) {
      const found = await get(hasRanges ? range : undefined, signal);
      if (!found.isCut) return openedRange(found, !hasRanges);
      hasRanges = false;
      await found.body.cancel();
      return openedRange(await get(undefined, signal), true);
    },
  };
}

function openedRange({ body, totalBytes, etag }: StoredObject, isWhole: boolean): OpenedRange {
  return { body, totalBytes, etag, isWhole };
}

function wrongSize({ totalBytes }: StoredObject, sizeBytes: number): IntegrityError {
  const message = `The big part in the CDN has ${totalBytes} bytes, and ${sizeBytes} were published`;
  return new IntegrityError(message, { step: "size" });
}
