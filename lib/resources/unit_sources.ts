import type { Bytes } from "../bytes.ts";
import type { ContentName } from "../cdn/content_cache.ts";
import type { LoadSource, OnMedium } from "../cdn/media.ts";
import type { ByteSource, ObjectStore } from "../cdn/store.ts";
import { type BigPart, unitEnd } from "../crypto/open_units.ts";
import { unitStart } from "../crypto/unit_layout.ts";
import { IntegrityError, NotFoundError, UnavailableError } from "../errors.ts";
import { type RetryPolicy, withRetry } from "../http/retry.ts";
import { type ByteReader, byteReader, type ByteStream } from "../streams.ts";
import type { Clock } from "../system/clock.ts";

/** A place that has some units of a big part. Calls come one at a time. */
export interface UnitSource extends AsyncDisposable {
  readonly name: LoadSource;
  /** It compares each unit with the signed list itself. Nothing that any other source gives is believed. */
  readonly isChecked?: boolean;
  has(index: number): boolean;
  /** One unit; fastest when they are asked for in order. The signal is the same for all units of one reader. */
  read(index: number, signal: AbortSignal): Promise<Bytes>;
}

/** What a source must know of the units. */
export interface UnitsWanted {
  readonly big: BigPart;
  /** The unit behind the last that will be asked for in order. */
  readonly end: number;
}

/** About half a minute of silence, if it must be: somebody waits for it. */
export const LOAD_RETRY: RetryPolicy = { attempts: 6, baseDelayMs: 500, maxDelayMs: 15_000 };

/** A whole big part in a file. */
export function fileUnits(source: ByteSource, { big, end }: UnitsWanted): UnitSource {
  const units = new InOrder({ big, end }, (startByte, endByte) => source.open(startByte, endByte));
  return {
    name: "cache",
    has: (index) => unitEnd(big, index) <= source.sizeBytes,
    read: (index, signal) => units.read(index, signal),
    [Symbol.asyncDispose]: () => units.close(),
  };
}

/** An object of a store, read in one stream that is taken up again where it breaks. */
export function storeUnits(
  store: () => Promise<ObjectStore>,
  { folder, key }: ContentName,
  { big, end }: UnitsWanted,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): UnitSource {
  const open = async (startByte: number, endByte: number, reading: AbortSignal) => {
    const range = { start: startByte, end: endByte };
    const either = signal === undefined ? reading : AbortSignal.any([signal, reading]);
    const { body, totalBytes } = await (await store()).get(folder, key, { range, signal: either });
    if (totalBytes === big.sizeBytes) return body;
    await body.cancel();
    const message = `The big part in the CDN has ${totalBytes} bytes, and ${big.sizeBytes} were published`;
    throw new IntegrityError(message, { step: "size" });
  };
  const units = new InOrder({ big, end }, open);
  return {
    name: "cdn",
    has: () => true,
    read: (index, reading) =>
      withRetry(() => units.read(index, reading), { policy: LOAD_RETRY, clock, signal: reading }),
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
    async read(index, signal) {
      try {
        return await units.read(index, signal);
      } catch (error) {
        isThere = false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => units.close(),
  };
}

/** A source that is looked for when it is asked first. Where there is none, or it has failed, it is passed over from then on. */
export function laterUnits(name: LoadSource, find: () => Promise<UnitSource | undefined>): UnitSource {
  let finding: Promise<UnitSource | undefined> | undefined;
  let isThere = true;
  return {
    name,
    has: () => isThere,
    async read(index, signal) {
      finding ??= find();
      const found = await finding;
      isThere = found?.has(index) === true;
      if (found === undefined || !isThere) throw new NotFoundError(`Unit ${index} of the big part is not there`);
      return await found.read(index, signal);
    },
    [Symbol.asyncDispose]: async () => await (await finding)?.[Symbol.asyncDispose](),
  };
}

/** A source that is asked only where another one is not able. */
export function instead(source: UnitSource, isNeeded: () => boolean): UnitSource {
  return { ...source, has: (index) => isNeeded() && source.has(index) };
}

type OpenBytes = (startByte: number, endByte: number, signal: AbortSignal) => Promise<ByteStream>;

/** Reads on in one stream as long as units are asked for in order, and opens another where they are not. */
class InOrder {
  readonly #wanted: UnitsWanted;
  readonly #open: OpenBytes;
  #reader: ByteReader | undefined;
  #next = 0;

  constructor(wanted: UnitsWanted, open: OpenBytes) {
    this.#wanted = wanted;
    this.#open = open;
  }

  async read(index: number, signal: AbortSignal): Promise<Bytes> {
    const { big, end } = this.#wanted;
    const start = unitStart(big.layout, index);
    if (this.#next !== index) await this.close();
    try {
      this.#reader ??= byteReader(await this.#open(start, unitEnd(big, Math.max(index, end - 1)), signal));
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
