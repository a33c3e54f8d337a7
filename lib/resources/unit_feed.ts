import type { Bytes } from "../bytes.ts";
import { piecesInFlight } from "../crypto/in_flight.ts";
import { checkUnitHash, type UnitRange, UNITS_IN_FLIGHT } from "../crypto/open_units.ts";
import { IntegrityError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type ByteStream, watched } from "../streams.ts";
import { Turns } from "../system/turns.ts";
import type { UnitSource } from "./unit_sources.ts";

/** Which units are fed, and from where. */
export interface UnitFeed {
  readonly range: UnitRange;
  /** The signed list: SHA-256 of every unit (32 B each). */
  readonly hashes: Bytes;
  /** In order of preference. They are closed in the end. */
  readonly sources: readonly UnitSource[];
  readonly log: Logger;
  /** For log lines: `folder/name`. */
  readonly name: string;
  /** Each unit, right and in order, before it leaves; and where it came from. */
  readonly onUnit?: (index: number, unit: Bytes, from: UnitSource["name"]) => void;
  /** After the last unit, or when the feed is given up: whether all units left. */
  readonly onEnd?: (complete: boolean) => void;
}

/** A unit that came wrong is asked for again so many times, in all of the sources. */
const REPEATS = 2;

/**
 * The bytes of some units, each compared with the signed list before it leaves; several in flight, in order. A unit that is not the one that
 * was published is fetched again by itself: from the next source that has it, then once more from all of them. A source that fails
 * gives way to the next.
 * The stream fails with {@link IntegrityError} (step `unit-hash`) when no source has the right unit, or with the error of the last source.
 */
export function verifiedUnits(feed: UnitFeed): ByteStream {
  const { range, sources, onUnit, onEnd } = feed;
  const turns = new Turns(); // a source is read by one at a time
  const from: UnitSource["name"][] = [];
  let reading = range.first;
  let leaving = range.first;
  const close = async (complete: boolean) => {
    onEnd?.(complete);
    await turns.take("", () => Promise.all(sources.map((source) => source[Symbol.asyncDispose]())));
  };
  const units = piecesInFlight(UNITS_IN_FLIGHT, {
    async start() {
      if (reading >= range.end) return undefined;
      const index = reading++;
      const first = await turns.take("", () => readFirst(feed, index));
      const checked = check(feed, index, first).catch((error) =>
        turns.take("", () => readAgain(feed, index, first.source, error))
      );
      return {
        piece: checked.then(({ unit, source }) => {
          from[index - range.first] = source.name;
          return unit;
        }),
      };
    },
    cancel: () => close(false),
  });
  return watched(units, {
    look(unit) {
      onUnit?.(leaving, unit, from[leaving - range.first] ?? "cdn");
      leaving++;
    },
    end: () => void close(true),
  });
}

interface ReadUnit {
  readonly unit: Bytes;
  readonly source: UnitSource;
}

async function readFirst({ sources, log, name }: UnitFeed, index: number): Promise<ReadUnit> {
  let failure: unknown = new Error("A feed needs a source that has all units");
  for (const source of sources.filter((candidate) => candidate.has(index))) {
    try {
      return { unit: await source.read(index), source };
    } catch (error) {
      failure = error;
      log.warning("unit_source_failed", { name, index, source: source.name, why: messageOf(error) });
    }
  }
  throw failure;
}

async function check({ hashes }: UnitFeed, index: number, read: ReadUnit): Promise<ReadUnit> {
  await checkUnitHash(hashes, index, read.unit);
  return read;
}

async function readAgain(feed: UnitFeed, index: number, failed: UnitSource, error: unknown): Promise<ReadUnit> {
  if (!(error instanceof IntegrityError)) throw error;
  const { sources, log, name } = feed;
  const able = sources.filter((source) => source.has(index));
  const later = able.slice(able.indexOf(failed) + 1);
  log.warning("unit_wrong", { name, index, source: failed.name });
  let failure: unknown = error;
  for (const source of [...later, ...able].slice(0, REPEATS)) {
    try {
      return await check(feed, index, { unit: await source.read(index), source });
    } catch (again) {
      failure = again instanceof IntegrityError ? again : failure;
      log.warning("unit_wrong", { name, index, source: source.name, why: messageOf(again) });
    }
  }
  throw failure;
}
