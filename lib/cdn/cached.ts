import { join } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { type Bytes, concat, jsonValue, utf8 } from "../bytes.ts";
import { sha256Hex } from "../crypto/keys.ts";
import { ConfigurationError, IntegrityError } from "../errors.ts";
import { bigPartName } from "../split/plan.ts";
import { type ByteStream, collect, watched } from "../streams.ts";
import { AtomicFile, sweepPartialFiles, writeSmallFile } from "../system/atomic_file.ts";
import { fileFacts, isSymbolicLink, listFolders, openFile, readSmallFile, removeFile } from "../system/files.ts";
import { Turns } from "../system/turns.ts";
import { openUsed } from "../system/used_files.ts";
import type { CacheQuota } from "./cache_quota.ts";
import type { ByteSource } from "./store.ts";

const PROBE_BYTES = 4 * 1024;
const RECORD_LIMIT_BYTES = 16 * 1024;
const STAGING_FOLDER = ".staging";

const pairingSchema = z.object({
  id: z.string(),
  smallSha256: z.string(),
  etag: z.string().optional(),
  crc32: z.number(),
});
const recordSchema = z.object({ v: z.literal(1), pairings: z.array(pairingSchema).max(2) });

/** What is known of a big part in the cache: which small part it belongs to, and how to tell that it is still whole. */
export interface Pairing {
  /** Lower-case hex SHA-256 of the small part that it was fetched or made with. */
  readonly smallSha256: string;
  /** ETag of the object that it was fetched from. */
  readonly etag?: string | undefined;
  /** CRC-32 of the whole file. */
  readonly crc32: number;
}

/** A big part in the cache. */
export interface CachedBigPart extends ByteSource {
  /** Absent for a file that another program put there. */
  readonly pairing: Pairing | undefined;
}

/** Names a resource. Both have passed `parseName`. */
export interface ResourceName {
  readonly folder: string;
  readonly name: string;
}

/**
 * Big parts on this disk, at `<root>/<folder>/<name>.big` as the Azaion loader lays them. Beside each lies a record
 * `<name>.big.json` of what it belongs to. While a big part is replaced its record names both the old and the new one, by an
 * id made from their bytes, so that a crash between the two renames leaves a pair that fits.
 */
export class BigPartCache {
  readonly #root: string;
  readonly #quota: CacheQuota | undefined;
  readonly #turns = new Turns();

  /** @param quota makes room for what comes; without it the cache grows as it likes */
  constructor(root: string, quota?: CacheQuota) {
    this.#root = root;
    this.#quota = quota;
  }

  /** The big part, or `undefined` when there is none. Waits for what {@link later} has begun. */
  async find(resource: ResourceName): Promise<CachedBigPart | undefined> {
    const path = this.#path(resource);
    await this.#turns.over(path);
    const found = await this.#present(resource);
    if (found !== undefined) await this.#quota?.used(path);
    return found;
  }

  /** Lets a change of one resource go on behind a caller who need not wait for the disk. `work` must not reject. */
  later(resource: ResourceName, work: () => Promise<void>): void {
    void this.#turns.take(this.#path(resource), work);
  }

  /** Resolves when nothing is pending any more. */
  async settled(): Promise<void> {
    await this.#turns.allOver();
  }

  async #present(resource: ResourceName): Promise<CachedBigPart | undefined> {
    const path = this.#path(resource);
    await this.#requireFolder(resource.folder);
    const facts = await fileFacts(path);
    if (facts === undefined) return undefined;
    const id = await identify(path, facts.sizeBytes);
    const pairing = (await this.#pairings(resource)).find((candidate) => candidate.id === id);
    const open = (start = 0, end = facts.sizeBytes) => openUsed(path, start, end);
    return { sizeBytes: facts.sizeBytes, open, pairing };
  }

  /**
   * Starts a new big part, which is in nobody's way until it is committed.
   * @param sizeBytes what it will have, where it is known: room for it is made, or lacking, before the first byte
   * @throws {DiskFullError}
   */
  async create(sizeBytes = 0): Promise<BigPartWriter> {
    await this.#requireFolder(STAGING_FOLDER);
    await this.#quota?.makeRoom(sizeBytes);
    const file = await AtomicFile.create(join(this.#root, STAGING_FOLDER, crypto.randomUUID()));
    return new BigPartWriter(file, (resource, pairing) => this.#commit(file, resource, pairing));
  }

  /** Writes down that the big part that is here now belongs to a small part. */
  async pair(resource: ResourceName, pairing: Pairing): Promise<void> {
    const path = this.#path(resource);
    await this.#requireFolder(resource.folder);
    const facts = await fileFacts(path);
    if (facts !== undefined) await this.#record(resource, [{ ...pairing, id: await identify(path, facts.sizeBytes) }]);
  }

  /** Removes a big part that is not what its record says. */
  async evict(resource: ResourceName): Promise<void> {
    await this.#requireFolder(resource.folder);
    await removeFile(this.#path(resource));
    await removeFile(this.#recordPath(resource));
  }

  /** Removes what killed processes left half written. @throws {ConfigurationError} what should be the folder is none */
  async sweep(): Promise<number> {
    try {
      const folders = (await listFolders(this.#root)).map((name) => join(this.#root, name));
      let count = 0;
      for (const folder of [this.#root, ...folders]) count += await sweepPartialFiles(folder);
      return count;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotADirectory)) throw error;
      throw new ConfigurationError([`The cache folder "${this.#root}" is not a folder`], { cause: error });
    }
  }

  async #commit(file: AtomicFile, resource: ResourceName, pairing: Pairing): Promise<void> {
    const path = this.#path(resource);
    await this.#requireFolder(resource.folder);
    const facts = await fileFacts(file.temporaryPath);
    const next = { ...pairing, id: await identify(file.temporaryPath, facts?.sizeBytes ?? 0) };
    const present = (await this.#present(resource))?.pairing;
    const previous = present === undefined
      ? []
      : (await this.#pairings(resource)).filter((old) => old.smallSha256 === present.smallSha256);
    await this.#record(resource, [next, ...previous.slice(0, 1)]);
    await file.commit(path);
  }

  async #pairings(resource: ResourceName): Promise<z.infer<typeof pairingSchema>[]> {
    const bytes = await readSmallFile(this.#recordPath(resource), RECORD_LIMIT_BYTES);
    return bytes === undefined ? [] : parsePairings(bytes);
  }

  async #record(resource: ResourceName, pairings: z.infer<typeof pairingSchema>[]): Promise<void> {
    await writeSmallFile(this.#recordPath(resource), utf8(JSON.stringify({ v: 1, pairings })));
  }

  /** A sandbox follows links out of the folders that it allows: nothing here is read or written through one. */
  async #requireFolder(name: string): Promise<void> {
    const path = join(this.#root, name);
    if (await isSymbolicLink(path)) {
      throw new IntegrityError(`Cannot use the cache folder "${path}": it is a symbolic link`);
    }
  }

  #path({ folder, name }: ResourceName): string {
    return join(this.#root, folder, bigPartName(name));
  }

  #recordPath(resource: ResourceName): string {
    return `${this.#path(resource)}.json`;
  }
}

/** The pairings of a record; one that cannot be read vouches for nothing. */
export function parsePairings(bytes: Bytes): z.infer<typeof pairingSchema>[] {
  return recordSchema.safeParse(jsonValue(bytes)).data?.pairings ?? [];
}

/** A big part on its way into the cache. Dispose it: what was not committed is removed. */
export class BigPartWriter implements Disposable {
  readonly #file: AtomicFile;
  readonly #commit: (resource: ResourceName, pairing: Pairing) => Promise<void>;
  #crc32 = 0;
  #sizeBytes = 0;

  constructor(file: AtomicFile, commit: (resource: ResourceName, pairing: Pairing) => Promise<void>) {
    this.#file = file;
    this.#commit = commit;
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** @throws {DiskFullError} */
  write(bytes: Bytes): void {
    this.#file.write(bytes);
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#sizeBytes += bytes.byteLength;
  }

  /** What has been written, to be read before it is committed. */
  source(): ByteSource {
    const { temporaryPath } = this.#file;
    return {
      sizeBytes: this.#sizeBytes,
      open: (start = 0, end = this.#sizeBytes) => openFile(temporaryPath, start, end),
    };
  }

  /** Makes it the resource's big part. */
  commit(resource: ResourceName, pairing: Omit<Pairing, "crc32">): Promise<void> {
    return this.#commit(resource, { ...pairing, crc32: this.#crc32 });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Calls `ended` with the CRC-32 of a stream, after its last byte and before its reader is told that it was the last. */
export function withCrc32(stream: ByteStream, ended: (sum: number) => void): ByteStream {
  let sum = 0;
  return watched(stream, { look: (chunk) => void (sum = crc32(chunk, sum)), end: () => ended(sum) });
}

/**
 * Tells two encryptions apart without reading them whole: SHA-256 over the size and the first and last 4 KiB. With a
 * random IV and chaining every encryption differs there. It is no check of integrity: that is the CRC's.
 */
async function identify(path: string, sizeBytes: number): Promise<string> {
  const head = await collect(await openFile(path, 0, PROBE_BYTES), PROBE_BYTES);
  const tail = await collect(await openFile(path, Math.max(0, sizeBytes - PROBE_BYTES)), 2 * PROBE_BYTES);
  return await sha256Hex(concat(utf8(`${sizeBytes}\0`), head, tail));
}
