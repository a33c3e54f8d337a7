import type { Bytes } from "../bytes.ts";
import { piecesInFlight } from "../crypto/in_flight.ts";
import { allUnits, type BigPart, checkUnitHash, type UnitRange, UNITS_IN_FLIGHT } from "../crypto/open_units.ts";
import { IntegrityError, InterruptedError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ByteStream } from "../streams.ts";
import { Turns } from "../system/turns.ts";
import type { UnitSource } from "./unit_sources.ts";

/** Which units are opened, and from where they come. */
export interface UnitFeed {
  /** With the signed list of hashes. */
  readonly big: BigPart;
  readonly range: UnitRange;
  /** In order of preference. They are closed in the end. */
  readonly sources: readonly UnitSource[];
  readonly log: Logger;
  /** For log lines: `folder/name`. */
  readonly name: string;
  /** Each unit that is right, in any order, before it is opened; and where it came from. The bytes are not to be kept. */
  readonly onUnit?: (index: number, unit: Bytes, from: UnitSource["name"]) => void;
}

/**
 * The plaintext of some units, several in flight, in order. Each unit is compared with the signed list before it is opened, and its tags are checked
 * before it leaves. A unit that is not the one that was published is fetched again by itself: from the next source that has it, then once more
 * from all of them. A source that fails gives way to the next.
 * The stream fails with {@link IntegrityError} (steps `unit-hash`, `unit-tag`) when no source has the right unit, or with the error of the last source.
 */
export function openedUnits(feed: UnitFeed): ByteStream {
  const { big, range, sources, onUnit } = feed;
  const lastIndex = allUnits(big).end - 1;
  const turns = new Turns(); // a source is read by one at a time
  const stop = new AbortController();
  const reading = { ...feed, signal: stop.signal };
  let next = range.first;
  let left = range.end - range.first;
  let closing: Promise<unknown> | undefined;
  const close = () =>
    closing ??= turns.take("", () => Promise.all(sources.map((source) => source[Symbol.asyncDispose]())));
  const open = async (index: number, first: ReadUnit): Promise<Bytes> => {
    const { unit, source } = await check(feed, index, first).catch((error) =>
      turns.take("", () => readAgain(reading, index, first.source, error))
    );
    onUnit?.(index, unit, source.name);
    const plain = await big.cipher.open(unit, { index, isLast: index === lastIndex });
    if (--left === 0) await close();
    return plain;
  };
  return piecesInFlight(UNITS_IN_FLIGHT, {
    async start() {
      if (next >= range.end) return undefined;
      const index = next++;
      return { piece: open(index, await turns.take("", () => readFirst(reading, index))) };
    },
    async cancel() {
      stop.abort(); // somebody may wait for a unit
      await close();
    },
  });
}

/** A feed that is read, until the signal is aborted. */
type Reading = UnitFeed & { readonly signal: AbortSignal };

interface ReadUnit {
  readonly unit: Bytes;
  readonly source: UnitSource;
}

async function readFirst({ sources, log, name, signal }: Reading, index: number): Promise<ReadUnit> {
  let failure: unknown = new Error("A feed needs a source that has all units");
  for (const source of sources) {
    if (!source.has(index)) continue;
    try {
      return { unit: await source.read(index, signal), source };
    } catch (error) {
      if (signal.aborted || error instanceof InterruptedError) throw error; // nobody waits for it any more
      failure = error;
      log.warning("unit_source_failed", { name, index, source: source.name, why: messageOf(error) });
    }
  }
  throw failure;
}

/** Rejects with {@link IntegrityError}, also at once. */
// deno-lint-ignore require-await
async function check({ big }: UnitFeed, index: number, read: ReadUnit): Promise<ReadUnit> {
  if (read.source.isChecked) return read;
  if (big.hashes === undefined) throw new TypeError("Units from anywhere are opened with a list of hashes only");
  checkUnitHash(big.hashes, index, read.unit);
  return read;
}

async function readAgain(feed: Reading, index: number, failed: UnitSource, error: unknown): Promise<ReadUnit> {
  if (!(error instanceof IntegrityError)) throw error;
  const { sources, log, name, signal } = feed;
  const able = sources.filter((source) => source.has(index));
  const later = able.slice(able.indexOf(failed) + 1);
  log.warning("unit_wrong", { name, index, source: failed.name });
  let failure: unknown = error;
  for (const source of [...later, ...able]) {
    try {
      return await check(feed, index, { unit: await source.read(index, signal), source });
    } catch (again) {
      failure = again instanceof IntegrityError ? again : failure;
      log.warning("unit_wrong", { name, index, source: source.name, why: messageOf(again) });
    }
  }
  throw failure;
}
