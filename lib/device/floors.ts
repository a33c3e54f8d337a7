import { z } from "zod";
import { IntegrityError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { StateFile, StateFolder } from "./state_folder.ts";

/** A version of a resource that is about to be used. */
export interface SequenceClaim {
  readonly folder: string;
  readonly name: string;
  readonly seq: number;
}

/** The time is written down at least so far apart: it need not be exact, and flash wears out. */
const CLOCK_STEP_MS = 60_000;

const fileSchema = z.object({
  v: z.literal(1),
  clockMs: z.number().min(0),
  /** By address of the API, and `folder/name`. */
  seq: z.record(z.string(), z.int().min(0)),
});

type FloorFile = z.infer<typeof fileSchema>;

/** The file of floors. */
export const FLOORS_FILE: StateFile<FloorFile> = {
  name: "floors.json",
  schema: fileSchema,
  remedy:
    "put it back from a copy; or remove it as an administrator of this machine, which lets the device take older versions " +
    "of each resource until it has loaded a new one, and notice no more that its clock was set back",
};

/**
 * What this device has seen and does not go back behind: the highest `seq` of each resource, and the time. Both survive a power cut; only
 * who may write below `STATE_DIR` can lower them, and not for a process that runs.
 */
export class Floors {
  readonly #folder: StateFolder;
  readonly #api: string;
  readonly #clock: Clock;
  /** The highest of all that this process has read and written. */
  #highest: FloorFile = { v: 1, clockMs: 0, seq: {} };

  /** @param api address of the API: the same names at another one are other resources */
  constructor({ folder, api, clock }: { folder: StateFolder; api: string; clock: Clock }) {
    this.#folder = folder;
    this.#api = api;
    this.#clock = clock;
  }

  /** The present time in milliseconds since 1970, or the latest that was written down when the clock was set back. Looking alone keeps nothing. */
  async now(): Promise<number> {
    return Math.max(this.#clock.now(), (await this.#read()).clockMs);
  }

  /** Highest `seq` that was used of a resource; `undefined` when none was. */
  async seq(resource: Omit<SequenceClaim, "seq">): Promise<number | undefined> {
    return (await this.#read()).seq[this.#keyOf(resource)];
  }

  /**
   * Writes down that a version is used now, before a byte of it leaves.
   * @param provenMs the time is kept no further than this: a clock that leaps ahead must not lock the device out for good
   * @throws {IntegrityError} the device has used a newer one; nothing is changed
   */
  async raise(claim: SequenceClaim, provenMs = Infinity): Promise<void> {
    const key = this.#keyOf(claim);
    const nowMs = Math.min(await this.now(), provenMs);
    const floors = await this.#read();
    if (floors.seq[key] === claim.seq && nowMs - floors.clockMs < CLOCK_STEP_MS) return;
    await this.#folder.locked(async () => {
      const { clockMs, seq } = await this.#read();
      const floor = seq[key] ?? 0;
      if (claim.seq < floor) throw olderVersion(claim, floor);
      const raised: FloorFile = { v: 1, clockMs: Math.max(clockMs, nowMs), seq: { ...seq, [key]: claim.seq } };
      await this.#folder.write(FLOORS_FILE.name, raised);
      this.#highest = higher(this.#highest, raised);
    });
  }

  #keyOf({ folder, name }: Omit<SequenceClaim, "seq">): string {
    return `${this.#api} ${folder}/${name}`;
  }

  async #read(): Promise<FloorFile> {
    const file = await this.#folder.read(FLOORS_FILE);
    if (file !== undefined) this.#highest = higher(this.#highest, file);
    return this.#highest;
  }
}

function higher(one: FloorFile, other: FloorFile): FloorFile {
  const seq = { ...one.seq };
  for (const [key, floor] of Object.entries(other.seq)) seq[key] = Math.max(seq[key] ?? 0, floor);
  return { v: 1, clockMs: Math.max(one.clockMs, other.clockMs), seq };
}

/** What is said of a version that a newer one has gone before. */
export function olderVersion({ folder, name, seq }: SequenceClaim, floor: number): IntegrityError {
  return new IntegrityError(
    `Cannot load "${folder}/${name}": the version with seq ${seq} is older than the one with seq ${floor} that this device has used`,
    { step: "sequence" },
  );
}
