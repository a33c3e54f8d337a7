import type { Bytes } from "../lib/bytes.ts";
import { ConfigurationError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import {
  type ContentKeyPlace,
  type MasterKey,
  type MasterKeySource,
  newMasterKey,
  readMasterKeys,
  unwrapContentKey,
  wrapContentKey,
  writeMasterKeys,
} from "./master_key.ts";
import type { State } from "./state.ts";

/** A content key as it lies in the database. */
export interface WrappedKey {
  readonly wrapped: Bytes;
  /** Which master key opens it. */
  readonly masterId: string;
}

/**
 * Wraps and opens content keys. The master key is read for every use, so that a rotation in another process takes effect at
 * once, and is in the memory of this process no longer than it is needed.
 */
export class ContentKeys {
  readonly #state: State;
  readonly #source: MasterKeySource;
  readonly #clock: Clock;
  #making: Promise<MasterKey> | undefined;

  constructor({ state, source, clock }: { state: State; source: MasterKeySource; clock: Clock }) {
    this.#state = state;
    this.#source = source;
    this.#clock = clock;
  }

  /** Wraps by the present master key; the first use makes one. @throws {ConfigurationError} it is missing */
  async wrap(place: ContentKeyPlace, cek: Bytes): Promise<WrappedKey> {
    const key = await this.#present();
    return { wrapped: await wrapContentKey(key, place, cek), masterId: key.id };
  }

  /** The content key; wipe it after use. @throws {ConfigurationError} its master key is missing, or the database was changed */
  async unwrap(place: ContentKeyPlace, { wrapped, masterId }: WrappedKey): Promise<Bytes> {
    const key = (await readMasterKeys(this.#source)).find(({ id }) => id === masterId);
    if (key === undefined) throw missingMasterKey(masterId, this.#source);
    return await unwrapContentKey(key, place, wrapped);
  }

  /** Whether what was wrapped by this master key may still be written: after a rotation it may not. */
  isPresent(masterId: string): boolean {
    return presentMasterId(this.#state) === masterId;
  }

  /** @throws {ConfigurationError} the database holds content keys that no master key at hand opens */
  async check(): Promise<void> {
    const present = presentMasterId(this.#state);
    const known = new Set((await readMasterKeys(this.#source)).map(({ id }) => id));
    if (present !== undefined && !known.has(present)) throw missingMasterKey(present, this.#source);
  }

  async #present(): Promise<MasterKey> {
    const present = presentMasterId(this.#state);
    if (present === undefined) return await (this.#making ??= this.#first().finally(() => this.#making = undefined));
    const key = (await readMasterKeys(this.#source)).find(({ id }) => id === present);
    if (key === undefined) throw missingMasterKey(present, this.#source);
    return key;
  }

  /** One at a time: of two keys only one would stay in the file. The file first: a database that names a key which no power cut can lose. */
  async #first(): Promise<MasterKey> {
    const keys = await readMasterKeys(this.#source);
    const key = keys[0] ?? await newMasterKey();
    if (keys.length === 0) await writeMasterKeys(this.#source.path, [key]);
    this.#state.transaction(() => makePresent(this.#state, key.id, this.#clock.now()));
    return key;
  }
}

/** Name of the master key that wraps; `undefined` before the first content key. */
export function presentMasterId(state: State): string | undefined {
  const id = state.get("SELECT id FROM master_keys WHERE current = 1")?.id;
  return id === undefined ? undefined : String(id);
}

/** Lets a master key wrap from now on. In a transaction of the caller. */
export function makePresent(state: State, id: string, nowMs: number): void {
  state.run("UPDATE master_keys SET current = NULL");
  state.run(
    `INSERT INTO master_keys (id, created_ms, current) VALUES (?, ?, 1)
     ON CONFLICT (id) DO UPDATE SET current = 1`,
    id,
    nowMs,
  );
}

/** What is said when a content key's master key is not at hand. */
export function missingMasterKey(id: string, { text, path }: MasterKeySource): ConfigurationError {
  const where = text === undefined ? `the file "${path}"` : "the environment";
  return new ConfigurationError([
    `The master key "${id}" of this origin's content keys is missing: put it into ${where}`,
  ]);
}
