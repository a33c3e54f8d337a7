import { createHash } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { type Bytes, release } from "../lib/bytes.ts";
import { parseTarHeader, TAR_BLOCK_BYTES, tarEnd, tarHeader, tarPadding } from "../lib/docker/tar.ts";
import { ConflictError, IntegrityError } from "../lib/errors.ts";
import { type ByteReader, byteReader } from "../lib/streams.ts";
import { AtomicFile } from "../lib/system/atomic_file.ts";
import { openWholeFile } from "../lib/system/files.ts";
import { folderState, moveFolder, workFolder } from "../lib/system/folders.ts";
import {
  archiveSize,
  type BackupFile,
  type BackupManifest,
  fileEntryName,
  isManifestEntryName,
  MANIFEST_LIMIT_BYTES,
  manifestEntryName,
  parseManifest,
} from "./backup_manifest.ts";
import { readVerifiedDatabase } from "./database_file.ts";

/** How a backup is restored. */
export interface RestoreOptions {
  /** A file that `backupOrigin` wrote. */
  readonly from: string;
  /** An empty folder, or none yet. */
  readonly dataDir: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** What was restored. */
export interface RestoreResult {
  readonly fileCount: number;
  /** When the backup was made, in milliseconds since 1970. */
  readonly createdMs: number;
}

const PIECE_BYTES = 256 * 1024;

/**
 * Makes a folder into the origin of a backup. It is built beside the folder, without a database until everything has been
 * verified, and takes its place in one step: a backup that is cut, altered or damaged changes nothing, nor does a kill.
 * @throws {ConflictError} the folder is not empty, or another restore is at work; {NotFoundError} no such backup;
 * {IntegrityError} it is not what was written; {ConfigurationError} a newer program wrote it; {DiskFullError}
 */
export async function restoreOrigin(options: RestoreOptions): Promise<RestoreResult> {
  const { from, signal, onProgress = () => {} } = options;
  const dataDir = resolve(options.dataDir);
  await requireEmpty(dataDir);
  const { sizeBytes, body } = await openWholeFile(from);
  const archive = new ArchiveReader(byteReader(body), (doneBytes) => onProgress(doneBytes, sizeBytes), signal);
  try {
    const manifest = await readManifest(archive, sizeBytes);
    await using building = await workFolder(buildingFolder(dataDir));
    if (building === undefined) throw new ConflictError(`Another restore into "${dataDir}" is at work`);
    using database = await unpack(archive, manifest, building.path);
    await archive.expect(tarEnd());
    checkObjects(manifest.files, database.temporaryPath);
    await database.commit();
    await moveFolder(building.path, dataDir);
    return { fileCount: manifest.files.length, createdMs: manifest.createdMs };
  } finally {
    await archive.close();
  }
}

/** Beside the data folder: a rename does not cross file systems. */
function buildingFolder(dataDir: string): string {
  return join(dirname(dataDir), `.${basename(dataDir)}.restore.partial`);
}

async function requireEmpty(dataDir: string): Promise<void> {
  const state = await folderState(dataDir);
  if (state === "missing" || state === "empty") return;
  throw new ConflictError(`Cannot restore into "${dataDir}": it is not an empty folder`);
}

async function readManifest(archive: ArchiveReader, sizeBytes: number): Promise<BackupManifest> {
  const block = await archive.read(TAR_BLOCK_BYTES);
  const header = parseTarHeader(block);
  if (header === undefined || !isManifestEntryName(header.name) || header.sizeBytes > MANIFEST_LIMIT_BYTES) {
    throw new IntegrityError("The file is not a backup of an origin");
  }
  const bytes = await archive.read(header.sizeBytes);
  requireEqual(block, tarHeader(manifestEntryName(bytes), bytes.byteLength));
  await archive.expect(tarPadding(bytes.byteLength));
  const manifest = parseManifest(bytes);
  if (archiveSize(bytes, manifest.files) !== sizeBytes) throw cutOff();
  return manifest;
}

/** Writes all files below `folder`. The database comes last and is not committed. */
async function unpack(archive: ArchiveReader, { files }: BackupManifest, folder: string): Promise<AtomicFile> {
  for (const file of files) {
    await archive.expect(tarHeader(fileEntryName(file), file.sizeBytes));
    const written = await AtomicFile.create(join(folder, file.path));
    try {
      await archive.copy(file, written);
      await archive.expect(tarPadding(file.sizeBytes));
      if (file === files.at(-1)) return written;
      await written.commit();
    } catch (error) {
      written[Symbol.dispose]();
      throw error;
    }
  }
  throw new Error("A manifest without files was accepted");
}

/** The objects that the database names are exactly those that came with it. */
function checkObjects(files: readonly BackupFile[], databasePath: string): void {
  const named = readVerifiedDatabase(databasePath).map(({ blob, sizeBytes, sha256 }) =>
    `objects/${blob} ${sizeBytes} ${sha256}`
  );
  const present = files.filter(({ path }) => path.startsWith("objects/"))
    .map(({ path, sizeBytes, sha256 }) => `${path} ${sizeBytes} ${sha256}`);
  if (named.sort().join("\n") === present.sort().join("\n")) return;
  throw new IntegrityError("The database of the backup names other objects than those that came with it");
}

/** Reads an archive front to back and accepts only the very bytes that a backup has. */
class ArchiveReader {
  readonly #reader: ByteReader;
  readonly #onProgress: (doneBytes: number) => void;
  readonly #signal: AbortSignal;
  #doneBytes = 0;

  constructor(reader: ByteReader, onProgress: (doneBytes: number) => void, signal: AbortSignal) {
    this.#reader = reader;
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  async read(sizeBytes: number): Promise<Bytes> {
    this.#signal.throwIfAborted();
    const bytes = await this.#reader.read(sizeBytes);
    if (bytes.byteLength < sizeBytes) throw cutOff();
    this.#doneBytes += sizeBytes;
    this.#onProgress(this.#doneBytes);
    return bytes;
  }

  async expect(expected: Bytes): Promise<void> {
    requireEqual(await this.read(expected.byteLength), expected);
  }

  async copy({ path, sizeBytes, sha256 }: BackupFile, to: AtomicFile): Promise<void> {
    const hash = createHash("sha256");
    for (let left = sizeBytes; left > 0; left -= PIECE_BYTES) {
      const piece = await this.read(Math.min(left, PIECE_BYTES));
      hash.update(piece);
      to.write(piece);
      release(piece);
    }
    if (hash.digest("hex") !== sha256) throw damaged(`: the file "${path}" is not what was backed up`);
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }
}

function requireEqual(bytes: Bytes, expected: Bytes): void {
  if (bytes.byteLength !== expected.byteLength || bytes.some((byte, index) => byte !== expected[index])) {
    throw damaged();
  }
}

function damaged(where = ""): IntegrityError {
  return new IntegrityError(`The backup is damaged${where}`);
}

function cutOff(): IntegrityError {
  return new IntegrityError("The backup was cut off, or something was added to it");
}
