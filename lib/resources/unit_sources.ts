import type { Bytes } from "../bytes.ts";
import type { ContentName } from "../cdn/content_cache.ts";
import type { LoadSource, OnMedium } from "../cdn/media.ts";
import type { ByteSource, ObjectStore } from "../cdn/store.ts";
import { type BigPart, unitEnd } from "../crypto/open_units.ts";
import { unitStart } from "../crypto/unit_layout.ts";
import { IntegrityError, UnavailableError } from "../errors.ts";
import { type RetryPolicy, withRetry } from "../http/retry.ts";
import { type ByteReader, byteReader, type ByteStream } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import type { PartialFile } from "../system/partial_file.ts";

/** A place that has some units of a big part. Nothing that it gives is believed. Calls come one at a time. */
export interface UnitSource extends AsyncDisposable {
  readonly name: LoadSource;
  has(index: number): boolean;
  /** One unit; fastest when they are asked for in order. */
  read(index: number): Promise<Bytes>;
}

/** What a source must know of the units. */
export interface UnitsWanted {
  readonly big: BigPart;
  /** The unit behind the last that will be asked for in order. */
  readonly end: number;
}

/** About half a minute of silence, if it must be. */
const RETRY: RetryPolicy = { attempts: 6, baseDelayMs: 500, maxDelayMs: 15_000 };

/** A whole big part in a file. */
export function fileUnits(source: ByteSource, { big, end }: UnitsWanted): UnitSource {
  const units = new InOrder({ big, end }, (startByte, endByte) => source.open(startByte, endByte));
  return {
    name: "cache",
    has: (index) => unitEnd(big, index) <= source.sizeBytes,
    read: (index) => units.read(index),
    [Symbol.asyncDispose]: () => units.close(),
  };
}

/** The beginning of a big part that a broken-off download has left. The file stays its owner's. */
export function partialUnits(file: PartialFile, { big }: UnitsWanted): UnitSource {
  const { sizeBytes } = file;
  return {
    name: "cache",
    has: (index) => unitEnd(big, index) <= sizeBytes,
    read: (index) => file.readAt(unitStart(big.layout, index), unitEnd(big, index) - unitStart(big.layout, index)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An object of a store, read in one stream that is taken up again where it breaks. */
export function storeUnits(
  store: () => Promise<ObjectStore>,
  { folder, key }: ContentName,
  { big, end }: UnitsWanted,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): UnitSource {
  const open = async (startByte: number, endByte: number) => {
    const range = { start: startByte, end: endByte };
    const { body, totalBytes } = await (await store()).get(folder, key, { range, ...(signal ? { signal } : {}) });
    if (totalBytes === big.sizeBytes) return body;
    await body.cancel();
    const message = `The big part in the CDN has ${totalBytes} bytes, and ${big.sizeBytes} were published`;
    throw new IntegrityError(message, { step: "size" });
  };
  const units = new InOrder({ big, end }, open);
  return {
    name: "cdn",
    has: () => true,
    read: (index) => withRetry(() => units.read(index), { policy: RETRY, clock, signal }),
    [Symbol.asyncDispose]: () => units.close(),
  };
}

/** A big part on a medium, which may be pulled out: what cannot be read there is read elsewhere, at once. */
export function mediumUnits({ store, facts }: OnMedium, { folder, key }: ContentName, wanted: UnitsWanted): UnitSource {
  let isThere = true;
  const units = new InOrder(wanted, async (start, end) => {
    return (await store.get(folder, key, { range: { start, end }, ifMatch: facts.etag })).body;
  });
  return {
    name: "media",
    has: () => isThere,
    async read(index) {
      try {
        return await units.read(index);
      } catch (error) {
        isThere = false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => units.close(),
  };
}

/** Reads on in one stream as long as units are asked for in order, and opens another where they are not. */
class InOrder {
  readonly #wanted: UnitsWanted;
  readonly #open: (startByte: number, endByte: number) => Promise<ByteStream>;
  #reader: ByteReader | undefined;
  #next = 0;

  constructor(wanted: UnitsWanted, open: (startByte: number, endByte: number) => Promise<ByteStream>) {
    this.#wanted = wanted;
    this.#open = open;
  }

  async read(index: number): Promise<Bytes> {
    const { big, end } = this.#wanted;
    const start = unitStart(big.layout, index);
    if (this.#next !== index) await this.close();
    try {
      this.#reader ??= byteReader(await this.#open(start, unitEnd(big, Math.max(index, end - 1))));
      const unit = await this.#reader.read(unitEnd(big, index) - start);
      if (unit.byteLength !== unitEnd(big, index) - start) throw cutOff(index);
      this.#next = index + 1;
      return unit;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.cancel().catch(() => undefined); // it may be what failed
  }
}

function cutOff(index: number): UnavailableError {
  return new UnavailableError("CDN", `The big part ended early, in unit ${index}`);
}
