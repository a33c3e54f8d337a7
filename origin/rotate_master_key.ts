import { dirname, join } from "node:path";
import { ConfigurationError, ConflictError } from "../lib/errors.ts";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { sweepPartialFiles } from "../lib/system/atomic_file.ts";
import { lockFile } from "../lib/system/files.ts";
import { makePresent, missingMasterKey, presentMasterId } from "./content_keys.ts";
import {
  type MasterKey,
  type MasterKeySource,
  newMasterKey,
  readMasterKeys,
  unwrapContentKey,
  wrapContentKey,
  writeMasterKeys,
} from "./master_key.ts";
import { type Row, State } from "./state.ts";

/** How the master key is rotated. */
export interface MasterRotationOptions {
  readonly dataDir: string;
  readonly source: MasterKeySource;
  readonly clock?: Clock;
}

/** What was done. */
export interface MasterRotation {
  /** Name of the new master key. */
  readonly id: string;
  /** Content keys that were wrapped anew. */
  readonly rewrapped: number;
}

const BATCH = 100;

/**
 * Wraps all content keys by a new master key, while the origin serves or not. In this order, so that a kill or a power cut
 * at any moment loses no key, and running it again ends it: the new key joins the old ones in the file; from one transaction
 * on, only the new one wraps; every content key is wrapped anew by itself; the old keys leave the file.
 *
 * With the master key in the environment, whoever runs the origin puts the new one in front of the old one, rotates, and
 * takes the old one away.
 * @throws {ConflictError} another rotation is at work; {ConfigurationError} a master key is missing
 */
export async function rotateMasterKey(
  { dataDir, source, clock = systemClock }: MasterRotationOptions,
): Promise<MasterRotation> {
  using state = await State.open(dataDir, clock.now());
  using lock = await lockFile(join(dataDir, "rotation.lock"));
  if (lock === undefined) throw new ConflictError("Another rotation of the master key is at work");
  await sweepPartialFiles(dirname(source.path)); // of a rotation that was killed: there a master key may lie
  const keys = await readMasterKeys(source);
  const next = await nextKey(state, source, keys);
  const all = [next, ...keys.filter(({ id }) => id !== next.id)];
  if (source.text === undefined) await writeMasterKeys(source.path, all);
  state.transaction(() => makePresent(state, next.id, clock.now()));
  const rewrapped = await rewrapAll(state, next, all, source);
  state.run("DELETE FROM master_keys WHERE current IS NULL");
  if (source.text === undefined) await writeMasterKeys(source.path, [next]);
  return { id: next.id, rewrapped };
}

/** One that a killed rotation has left in the file, or a fresh one. */
async function nextKey(state: State, { text }: MasterKeySource, keys: readonly MasterKey[]): Promise<MasterKey> {
  const present = presentMasterId(state);
  const [first] = keys;
  const begun = keys.length > 1 || state.all("SELECT id FROM master_keys").length > 1;
  if (first !== undefined && (begun || present === undefined)) return first;
  if (text === undefined) return await newMasterKey();
  throw new ConfigurationError([
    "Put the new master key in front of the present one, with a comma, and run this again",
  ]);
}

async function rewrapAll(
  state: State,
  next: MasterKey,
  keys: readonly MasterKey[],
  source: MasterKeySource,
): Promise<number> {
  let rewrapped = 0;
  for (;;) {
    const rows = state.all("SELECT * FROM resource_versions WHERE master_id <> ? LIMIT ?", next.id, BATCH);
    if (rows.length === 0) return rewrapped;
    for (const row of rows) rewrapped += await rewrap(state, row, next, keys, source);
  }
}

async function rewrap(
  state: State,
  row: Row,
  next: MasterKey,
  keys: readonly MasterKey[],
  source: MasterKeySource,
): Promise<number> {
  const masterId = String(row.master_id);
  const key = keys.find(({ id }) => id === masterId);
  if (key === undefined) throw missingMasterKey(masterId, source);
  const place = { folder: String(row.folder), name: String(row.name), version: String(row.version) };
  const cek = await unwrapContentKey(key, place, new Uint8Array(row.wrapped_cek as Uint8Array));
  const wrapped = await wrapContentKey(next, place, cek);
  cek.fill(0);
  return state.run(
    `UPDATE resource_versions SET wrapped_cek = ?, master_id = ?
     WHERE folder = ? AND name = ? AND version = ? AND master_id = ?`,
    wrapped,
    next.id,
    place.folder,
    place.name,
    place.version,
    masterId,
  );
}
