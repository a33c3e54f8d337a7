import { createHash } from "node:crypto";
import { join } from "node:path";
import { ConflictError, IntegrityError } from "../lib/errors.ts";
import { bigPartName, smallPartName } from "../lib/split/plan.ts";
import { consume } from "../lib/streams.ts";
import type { Clock } from "../lib/system/clock.ts";
import { ensureFolder, listFiles, listFolders, openWholeFile, removeFile } from "../lib/system/files.ts";
import { linkFile, removeFolder } from "../lib/system/folders.ts";
import type { BackupFile } from "./backup_manifest.ts";
import { objectsFolder, resourcesFolder } from "./data_folder.ts";
import { type ObjectRow, presentObjects, snapshotDatabase } from "./database_file.ts";
import { EMPTY_FOLDER } from "./resource_store.ts";
import { DATABASE_NAME } from "./state.ts";

/** How an origin is captured. */
export interface CaptureOptions {
  readonly dataDir: string;
  /** Empty, and on the file system of the data folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const PAUSE_MS = 250;
/** A publisher sends its small part right after its big one; this is time enough on the slowest link. */
const PAIR_LIMIT_MS = 30_000;

/**
 * Gives everything that an origin holds at one moment a second name below `folder`, where nobody changes it, while the
 * origin goes on serving. Objects are bound to their moment by the database's lock. Resources are files of their own: it is
 * done again as long as one of them and its object are halves of different uploads.
 * @returns what is there, the database last
 * @throws {IntegrityError} the file of an object is missing; {ConflictError} two halves do not come to belong together
 */
export async function captureOrigin(options: CaptureOptions): Promise<BackupFile[]> {
  const { dataDir, folder, clock, signal } = options;
  const linked = new Set<string>();
  for (let waitedMs = 0;; waitedMs += PAUSE_MS) {
    const objects = await captureObjects(dataDir, folder, linked);
    const resources = await captureResources(dataDir, folder, signal);
    const torn = tornPair(objects, resources);
    if (torn === undefined) return [...objects.map(objectFile), ...resources, await describe(folder, DATABASE_NAME)];
    if (waitedMs >= PAIR_LIMIT_MS) throw tornError(torn);
    await clock.sleep(PAUSE_MS, signal);
    await removeFolder(resourcesFolder(folder));
    await removeFile(join(folder, DATABASE_NAME));
  }
}

/** Most objects get their second name before the lock is taken, so that writers wait as short as can be. */
async function captureObjects(dataDir: string, folder: string, linked: Set<string>): Promise<readonly ObjectRow[]> {
  const link = (blob: string): boolean => {
    const source = join(objectsFolder(dataDir), blob);
    if (!linked.has(blob) && linkFile(source, join(objectsFolder(folder), blob))) linked.add(blob);
    return linked.has(blob);
  };
  await ensureFolder(objectsFolder(folder));
  for (const { blob } of presentObjects(dataDir)) link(blob);
  let captured: readonly ObjectRow[] = [];
  await snapshotDatabase(dataDir, join(folder, DATABASE_NAME), (rows) => {
    for (const { blob, bucket, key } of rows) {
      if (!link(blob)) throw new IntegrityError(`The file of the object "${bucket}/${key}" is missing`);
    }
    captured = rows;
  });
  return captured;
}

async function captureResources(dataDir: string, folder: string, signal: AbortSignal): Promise<BackupFile[]> {
  const root = resourcesFolder(dataDir);
  const files: BackupFile[] = [];
  for (const resourceFolder of await listFolders(root)) {
    await ensureFolder(join(resourcesFolder(folder), resourceFolder));
    for (const name of await listFiles(join(root, resourceFolder))) {
      signal.throwIfAborted();
      const path = `resources/${resourceFolder}/${name}`;
      if (name.startsWith(".") || !linkFile(join(dataDir, path), join(folder, path))) continue;
      files.push(await describe(folder, path));
    }
  }
  return files;
}

async function describe(folder: string, path: string): Promise<BackupFile> {
  const { sizeBytes, body } = await openWholeFile(join(folder, path));
  const hash = createHash("sha256");
  await consume(body, (chunk) => void hash.update(chunk));
  return { path, sizeBytes, sha256: hash.digest("hex") };
}

function objectFile({ blob, sizeBytes, sha256 }: ObjectRow): BackupFile {
  return { path: `objects/${blob}`, sizeBytes, sha256 };
}

/** `folder/name` of a resource whose small part is here and not the one that its big part was published with. */
function tornPair(objects: readonly ObjectRow[], resources: readonly BackupFile[]): string | undefined {
  const publishedWith = new Map(objects.map(({ bucket, key, pairedWith }) => [`${bucket}/${key}`, pairedWith]));
  for (const { path, sha256 } of resources) {
    const [, folder = "", small = ""] = path.split("/");
    const name = small.slice(0, -smallPartName("").length);
    if (folder === EMPTY_FOLDER || smallPartName(name) !== small) continue;
    const expected = publishedWith.get(`${folder}/${bigPartName(name)}`);
    if (expected !== undefined && expected !== sha256) return `${folder}/${name}`;
  }
  return undefined;
}

function tornError(resource: string): ConflictError {
  return new ConflictError(
    `Cannot back up "${resource}": its two parts are of different uploads; publish it again, or delete its big part`,
  );
}
