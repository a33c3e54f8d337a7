import { join } from "node:path";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { fileFacts, listFiles, listFolders, lockFile, removeFile } from "../lib/system/files.ts";
import { folderState, workFolder } from "../lib/system/folders.ts";
import { captureFolder, objectsFolder, resourcesFolder } from "./data_folder.ts";
import { presentObjects, requireDatabase } from "./database_file.ts";
import { lockPath } from "./folder_lock.ts";
import { findExpired, removeExpired } from "./platform/retention.ts";
import { State } from "./state.ts";

/** A file that nobody needs any more. */
export interface GarbageFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** How garbage is collected. */
export interface GarbageOptions {
  readonly dataDir: string;
  /** Only look. */
  readonly dryRun: boolean;
  readonly clock?: Clock;
}

/** An upload that lives writes more often than this. */
const GRACE_MS = 24 * 3600_000;

/**
 * Removes what no row names, what killed uploads, workers and backups left, and artifacts of runs that ended 30 days ago. While
 * an origin serves the folder, only what nobody has touched for a day.
 * @returns what was removed, or would be
 * @throws {ConfigurationError} there is no origin
 */
export async function collectGarbage(
  { dataDir, dryRun, clock = systemClock }: GarbageOptions,
): Promise<readonly GarbageFile[]> {
  await requireDatabase(dataDir);
  using lock = await lockFile(lockPath(dataDir));
  const beforeMs = lock === undefined ? clock.now() - GRACE_MS : Infinity;
  using state = await State.open(dataDir, clock.now());
  const retention = { state, dataDir, nowMs: clock.now(), strayBeforeMs: beforeMs };
  const expired = dryRun ? await findExpired(retention) : await removeExpired(retention);
  const garbage = await findGarbage(dataDir, beforeMs);
  if (!dryRun) {
    await removeGarbage(garbage);
    await removeKilledBackup(dataDir);
  }
  return [...expired, ...garbage].map(({ path, sizeBytes }) => ({ path, sizeBytes }));
}

/**
 * The files that nothing names: partial ones, and those of objects without a row.
 * @param beforeMs whatever was written to since then (milliseconds since 1970) may belong to a process that lives
 */
export async function findGarbage(dataDir: string, beforeMs: number): Promise<GarbageFile[]> {
  const blobs = await filesIn(objectsFolder(dataDir), beforeMs); // before the rows: what is named later is younger
  const present = new Set(presentObjects(dataDir).map(({ blob }) => blob));
  const garbage = blobs.filter(({ name }) => !present.has(name));
  const resources = resourcesFolder(dataDir);
  for (const folder of await listFolders(resources)) {
    const files = await filesIn(join(resources, folder), beforeMs);
    garbage.push(...files.filter(({ name }) => name.startsWith(".") && name.endsWith(".partial")));
  }
  return garbage.map(({ path, sizeBytes }) => ({ path, sizeBytes }));
}

/** Removes what `findGarbage` found. */
export async function removeGarbage(files: readonly GarbageFile[]): Promise<void> {
  for (const { path } of files) await removeFile(path);
}

/** Its files are second names, which count no bytes. */
async function removeKilledBackup(dataDir: string): Promise<void> {
  if (await folderState(captureFolder(dataDir)) === "missing") return;
  await using _folder = await workFolder(captureFolder(dataDir)); // removed when we leave, unless a backup is being made
}

interface FoundFile extends GarbageFile {
  readonly name: string;
}

async function filesIn(folder: string, beforeMs: number): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const name of await listFiles(folder)) {
    const path = join(folder, name);
    const facts = await fileFacts(path);
    if (facts !== undefined && facts.modifiedMs < beforeMs) found.push({ name, path, sizeBytes: facts.sizeBytes });
  }
  return found;
}
