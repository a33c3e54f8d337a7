import { join } from "node:path";
import { type Bytes, jsonValue, utf8, wipe } from "../bytes.ts";
import { ConfigurationError, messageOf, UnavailableError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { sweepPartialFiles, writeSmallFile } from "../system/atomic_file.ts";
import { diskErrorOr, ensureFolder, isTaken, lockFile, readSmallFile, requirePrivate } from "../system/files.ts";
import type { z } from "zod";

/** A kind of file in a state folder. */
export interface StateFile<T> {
  readonly name: string;
  readonly schema: z.ZodType<T>;
  /** What a person can do when it is damaged, and what that costs: the end of a sentence. */
  readonly remedy: string;
  /** Whether nobody but its owner may be able to read it. */
  readonly isSecret?: boolean;
}

const FILE_LIMIT_BYTES = 4 * 1024 * 1024;
const LOCK_PAUSE_MS = 50;
const LOCK_ATTEMPTS = 200;
const LOCK_NAME = "device.lock";

/**
 * Small JSON files of the device (mode 0600) below `STATE_DIR`. The device service and the command line may use one folder at the same
 * time: what is changed is changed under a lock. What this process has once seen does not go away: that a file is missing then means that
 * somebody has removed it, and not that the device is new.
 */
export class StateFolder {
  readonly path: string;
  readonly #clock: Clock;
  readonly #seen = new Set<string>();

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** Removes what killed processes have left half written. */
  async sweep(): Promise<number> {
    return await sweepPartialFiles(this.path);
  }

  /**
   * What a file holds, or `undefined` when there is none.
   * @throws {ConfigurationError} it holds something else, or is no regular file, with its remedy; has gone; or is secret, and others than
   * its owner may read it
   */
  async read<T>(file: StateFile<T>): Promise<T | undefined> {
    const path = join(this.path, file.name);
    if (!await isTaken(path)) return this.#seen.has(file.name) ? this.#gone(file.name) : undefined;
    const bytes = await readSmallFile(path, FILE_LIMIT_BYTES) ?? new Uint8Array(0);
    try {
      if (file.isSecret && bytes.byteLength > 0) await requirePrivate(path);
      const value = parseState(path, bytes, file);
      this.#seen.add(file.name);
      return value;
    } finally {
      wipe(bytes);
    }
  }

  /** Writes a file whole, so that it survives a power cut. Under {@link locked}. */
  async write(name: string, value: unknown): Promise<void> {
    await writeSmallFile(join(this.path, name), utf8(`${JSON.stringify(value)}\n`));
    this.#seen.add(name);
  }

  /** Does `work` while nobody else changes anything here. Not to be nested. */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    using _lock = await this.#lock();
    return await work();
  }

  #gone(name: string): never {
    const what = `The file "${join(this.path, name)}" has gone while the service runs`;
    throw new ConfigurationError([`${what}: bring it back, or restart the service, which then begins without it`]);
  }

  async #lock(): Promise<Disposable> {
    try {
      await ensureFolder(this.path);
    } catch (error) {
      throw new ConfigurationError([`Cannot keep the device's key in STATE_DIR "${this.path}": ${messageOf(error)}`], {
        cause: error,
      });
    }
    const path = join(this.path, LOCK_NAME);
    for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
      const lock = await lockFile(path).catch((error) => Promise.reject(diskErrorOr(error, path)));
      if (lock !== undefined) return lock;
      await this.#clock.sleep(LOCK_PAUSE_MS);
    }
    throw new UnavailableError("device", `The state folder "${this.path}" is in use by another program`);
  }
}

/** What the bytes of a state file say. @throws {ConfigurationError} something else than its schema has; with its remedy */
export function parseState<T>(path: string, bytes: Bytes, { schema, remedy }: StateFile<T>): T {
  const parsed = schema.safeParse(jsonValue(bytes));
  if (parsed.success) return parsed.data;
  throw new ConfigurationError([`The file "${path}" is damaged: ${remedy}`], { cause: parsed.error });
}
