import { createHash, type Hash } from "node:crypto";
import { dirname, join } from "node:path";
import { tarEnd, tarHeader, tarPadding } from "../lib/docker/tar.ts";
import { ConflictError, IntegrityError, InvalidInputError } from "../lib/errors.ts";
import { consume } from "../lib/streams.ts";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { AtomicFile, sweepPartialFiles } from "../lib/system/atomic_file.ts";
import { openFile } from "../lib/system/files.ts";
import { folderState, workFolder } from "../lib/system/folders.ts";
import {
  archiveSize,
  type BackupFile,
  encodeManifest,
  fileEntryName,
  MANIFEST_LIMIT_BYTES,
  manifestEntryName,
} from "./backup_manifest.ts";
import { captureOrigin } from "./capture.ts";
import { captureFolder } from "./data_folder.ts";
import { requireDatabase } from "./database_file.ts";

/** How a backup is made. */
export interface BackupOptions {
  readonly dataDir: string;
  /** File that is written, or replaced. */
  readonly out: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly clock?: Clock;
}

/** What was written. */
export interface BackupResult {
  readonly fileCount: number;
  readonly sizeBytes: number;
  /** Lower-case hex SHA-256 of the whole backup. */
  readonly sha256: string;
}

/**
 * Writes everything that an origin holds at one moment into one file (mode 0600), while it serves or not. The file appears
 * whole or not at all. It is a tar archive: the manifest with the digests of all files, and then those files.
 * @throws {ConfigurationError} no origin in the folder, or one of a newer program; {ConflictError} another backup is being
 * made, or a publisher left two parts that do not belong together; {IntegrityError} a file of the origin is missing or damaged;
 * {DiskFullError}
 */
export async function backupOrigin(options: BackupOptions): Promise<BackupResult> {
  const { dataDir, out, signal, onProgress = () => {}, clock = systemClock } = options;
  await requireDatabase(dataDir);
  if (["empty", "filled"].includes(await folderState(out))) {
    throw new InvalidInputError("out", `Cannot write the backup to "${out}": it is a folder`);
  }
  await using capture = await workFolder(captureFolder(dataDir));
  if (capture === undefined) throw new ConflictError(`Another backup of "${dataDir}" is being made`);
  const files = await captureOrigin({ dataDir, folder: capture.path, clock, signal });
  await sweepPartialFiles(dirname(out)); // of a backup that was killed
  using archive = await AtomicFile.create(out);
  const manifest = encodeManifest({ createdMs: clock.now(), files });
  if (manifest.byteLength > MANIFEST_LIMIT_BYTES) {
    throw new RangeError("An origin with so many files cannot be backed up");
  }
  const sizeBytes = archiveSize(manifest, files);
  const writer = new ArchiveWriter(archive, (doneBytes) => onProgress(doneBytes, sizeBytes));
  writer.write(tarHeader(manifestEntryName(manifest), manifest.byteLength));
  writer.write(manifest);
  writer.write(tarPadding(manifest.byteLength));
  for (const file of files) await writer.add(capture.path, file, signal);
  writer.write(tarEnd());
  await archive.commit();
  return { fileCount: files.length, sizeBytes, sha256: writer.sha256() };
}

class ArchiveWriter {
  readonly #archive: AtomicFile;
  readonly #onProgress: (doneBytes: number) => void;
  readonly #hash: Hash = createHash("sha256");
  #doneBytes = 0;

  constructor(archive: AtomicFile, onProgress: (doneBytes: number) => void) {
    this.#archive = archive;
    this.#onProgress = onProgress;
  }

  write(bytes: Uint8Array): void {
    this.#archive.write(bytes);
    this.#hash.update(bytes);
    this.#doneBytes += bytes.byteLength;
    this.#onProgress(this.#doneBytes);
  }

  /** @throws {IntegrityError} when the file is not, or no longer, what the manifest says */
  async add(folder: string, file: BackupFile, signal: AbortSignal): Promise<void> {
    const { path, sizeBytes, sha256 } = file;
    const hash = createHash("sha256");
    let seenBytes = 0;
    this.write(tarHeader(fileEntryName(file), sizeBytes));
    await consume(await openFile(join(folder, path)), (chunk) => {
      signal.throwIfAborted();
      seenBytes += chunk.byteLength;
      if (seenBytes > sizeBytes) throw damaged(path);
      hash.update(chunk);
      this.write(chunk);
    });
    if (seenBytes !== sizeBytes || hash.digest("hex") !== sha256) throw damaged(path);
    this.write(tarPadding(sizeBytes));
  }

  /** Of all that was written. Once, at the end. */
  sha256(): string {
    return this.#hash.digest("hex");
  }
}

function damaged(path: string): IntegrityError {
  return new IntegrityError(`Cannot back up the file "${path}" of the origin: it is damaged`);
}
