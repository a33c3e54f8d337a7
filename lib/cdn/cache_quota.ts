import { join } from "node:path";
import { z } from "zod";
import { type Bytes, formatSize, jsonValue, utf8 } from "../bytes.ts";
import { ConfigurationError, DiskFullError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { requireSpace } from "../system/disk_space.ts";
import { writeSmallFile } from "../system/atomic_file.ts";
import { ensureFolder, isTaken, readSmallFile, removeFile } from "../system/files.ts";
import { removeUnused, touch } from "../system/used_files.ts";
import { type CacheEntry, listEntries } from "./cache_entries.ts";

/** What was found a moment ago is about to be opened. What was used far in the future was so under a wrong clock, and may go. */
const JUST_USED_MS = 60_000;
const PINS_FILE = ".pins.json";
const PINS_LIMIT_BYTES = 1024 * 1024;
const pinsSchema = z.object({ v: z.literal(1), pins: z.array(z.string()) });

/** An entry with what keeps it. */
export interface KeptEntry extends CacheEntry {
  readonly pinned: boolean;
}

/** How much of a cache is to be left. */
export interface PruneOptions {
  /** Bytes of all entries together. */
  readonly quotaBytes: number;
  /** Only tell what would go. */
  readonly dryRun?: boolean;
}

/** Keeps a cache folder within its quota: what was used longest ago goes first; what is pinned or in use stays. */
export class CacheQuota {
  readonly #root: string;
  readonly #quotaBytes: number | undefined;
  readonly #clock: Clock;

  /** @param quotaBytes bytes of all entries together; no limit where none is given */
  constructor(root: string, { quotaBytes, clock }: { quotaBytes: number | undefined; clock: Clock }) {
    this.#root = root;
    this.#quotaBytes = quotaBytes;
    this.#clock = clock;
  }

  /**
   * Makes room for so many bytes more, before the first of them is written.
   * @throws {DiskFullError} the disk has no room, or the quota has none even when all that may go has gone
   */
  async makeRoom(neededBytes: number): Promise<void> {
    await ensureFolder(this.#root);
    if (this.#quotaBytes !== undefined) await this.#evict(this.#quotaBytes, neededBytes);
    await requireSpace(this.#root, neededBytes);
  }

  /** Notes that a file of the cache is used. */
  async used(path: string): Promise<void> {
    await touch(path, this.#clock.now());
  }

  async #evict(quotaBytes: number, neededBytes: number): Promise<void> {
    const left = neededBytes > quotaBytes
      ? Infinity
      : (await this.prune({ quotaBytes: quotaBytes - neededBytes })).leftBytes;
    if (left + neededBytes <= quotaBytes) return;
    const facts = `${formatSize(neededBytes)} do not fit into ${formatSize(quotaBytes)} beside what must stay`;
    throw new DiskFullError(`Cannot cache in "${this.#root}": ${facts}`);
  }

  /** All entries, the one used longest ago first. Of several versions of a resource that is pinned, the one used last is kept. */
  async list(): Promise<KeptEntry[]> {
    const pins = new Set(await this.pins());
    const entries = (await listEntries(this.#root)).sort((one, other) => other.usedMs - one.usedMs);
    const kept = entries.map((entry) => {
      const names = [pinOf(entry), ...entry.resources.map((name) => `${entry.folder}/${name}`)];
      return { ...entry, pinned: names.filter((name) => pins.delete(name)).length > 0 };
    });
    return kept.reverse();
  }

  /** Removes what was used longest ago, until no more than `quotaBytes` are left or nothing more may go. */
  async prune({ quotaBytes, dryRun = false }: PruneOptions): Promise<{ removed: KeptEntry[]; leftBytes: number }> {
    const entries = await this.list();
    let leftBytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const removed: KeptEntry[] = [];
    for (const entry of entries) {
      if (leftBytes <= quotaBytes) break;
      if (entry.pinned || Math.abs(this.#clock.now() - entry.usedMs) < JUST_USED_MS) continue;
      if (!dryRun && !await removeEntry(entry)) continue;
      removed.push(entry);
      leftBytes -= entry.sizeBytes;
    }
    return { removed, leftBytes };
  }

  /** Names `folder/name` that are never removed. @throws {ConfigurationError} the file of the pins is damaged: nothing is removed then */
  async pins(): Promise<readonly string[]> {
    if (!await isTaken(this.#pinsPath)) return [];
    const bytes = await readSmallFile(this.#pinsPath, PINS_LIMIT_BYTES);
    return parsePins(this.#pinsPath, bytes);
  }

  /** Changes what is pinned. A pin may come before what it keeps. */
  async repin({ pin = [], unpin = [] }: { pin?: readonly string[]; unpin?: readonly string[] }): Promise<void> {
    await ensureFolder(this.#root);
    const pins = new Set([...await this.pins(), ...pin]);
    for (const name of unpin) pins.delete(name);
    await writeSmallFile(this.#pinsPath, utf8(JSON.stringify({ v: 1, pins: [...pins].sort() })));
  }

  get #pinsPath(): string {
    return join(this.#root, PINS_FILE);
  }
}

/** What a file of pins names. @throws {ConfigurationError} it is damaged, or no file: what was pinned is not guessed at */
export function parsePins(path: string, bytes: Bytes | undefined): readonly string[] {
  const { success, data, error: cause } = pinsSchema.safeParse(bytes && jsonValue(bytes));
  if (success) return data.pins;
  const remedy = 'remove it, and pin again with "tally cache prune --pin"';
  throw new ConfigurationError([`Cannot tell what is pinned: "${path}" is damaged; ${remedy}`], { cause });
}

/** The name of an entry in the cache, by which it can be pinned as well. */
export function pinOf({ folder, name }: CacheEntry): string {
  return `${folder}/${name}`;
}

/** Removes an entry with all that belongs to it. @returns `false` when somebody reads or writes it */
export async function removeEntry({ files: [own = "", ...companions] }: CacheEntry): Promise<boolean> {
  if (!await removeUnused(own)) return false;
  for (const file of companions) await removeFile(file);
  return true;
}
