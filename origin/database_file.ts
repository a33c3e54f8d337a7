import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { ConfigurationError, IntegrityError } from "../lib/errors.ts";
import { fileFacts } from "../lib/system/files.ts";
import { MIGRATIONS } from "./schema.ts";
import { DATABASE_NAME, diskErrorOf, isSqliteError, notAnOrigin } from "./state.ts";

/** An object as the database names it. */
export interface ObjectRow {
  readonly bucket: string;
  readonly key: string;
  /** Name of the file with its bytes. */
  readonly blob: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Lower-case hex SHA-256 of the small part that belongs to it. */
  readonly pairedWith: string | undefined;
}

const BUSY_TIMEOUT_MS = 5_000;

/** @throws {ConfigurationError} when the data folder has no database */
export async function requireDatabase(dataDir: string): Promise<void> {
  if (await fileFacts(join(dataDir, DATABASE_NAME)) === undefined) throw notAnOrigin(dataDir);
}

/**
 * Copies the database of a data folder as it stands between two transactions into one new file, and calls `withRows` with
 * the objects in it before anybody else can write. They wait meanwhile. The schema stays as it is: an older program may be serving.
 * @throws {ConfigurationError} a newer program wrote it, or it cannot be used; {IntegrityError} it is damaged
 */
export async function snapshotDatabase(
  dataDir: string,
  path: string,
  withRows: (rows: readonly ObjectRow[]) => void,
): Promise<void> {
  try {
    using writer = open(join(dataDir, DATABASE_NAME));
    writer.exec("BEGIN IMMEDIATE"); // holds other writers off, changes nothing, and ends when it is closed
    using reader = open(join(dataDir, DATABASE_NAME));
    await backup(reader, path); // VACUUM INTO attaches a database, which the sandbox does not allow
    withRows(objectRows(writer));
  } catch (error) {
    throw unusableOr(error, dataDir);
  }
  leaveLogMode(path);
  readVerifiedDatabase(path); // what could not be restored is no backup
}

/** One file, without a log beside it. */
function leaveLogMode(path: string): void {
  using copy = open(path);
  copy.exec("PRAGMA journal_mode = DELETE");
}

/** The objects that the database of a data folder names at present. @throws {ConfigurationError} a newer program wrote it, or it cannot be used */
export function presentObjects(dataDir: string): ObjectRow[] {
  try {
    using database = open(join(dataDir, DATABASE_NAME));
    return objectRows(database);
  } catch (error) {
    throw unusableOr(error, dataDir);
  }
}

function unusableOr(error: unknown, dataDir: string): unknown {
  if (!isSqliteError(error)) return error;
  const diskError = diskErrorOf(error);
  if (diskError !== undefined) return diskError;
  return new ConfigurationError([`Cannot use the database of "${dataDir}": ${error.message}`], { cause: error });
}

/**
 * The objects that a database names, after it was found to be whole and of a schema that this program knows.
 * @throws {IntegrityError} it is damaged; {ConfigurationError} a newer program wrote it
 */
export function readVerifiedDatabase(path: string): ObjectRow[] {
  try {
    using database = new DatabaseSync(path, { readOnly: true });
    const verdict = database.prepare("PRAGMA integrity_check").get()?.integrity_check;
    if (verdict !== "ok") throw new IntegrityError(`The database is damaged: ${verdict}`);
    return objectRows(database);
  } catch (error) {
    if (error instanceof IntegrityError || error instanceof ConfigurationError) throw error;
    throw new IntegrityError("The database is damaged", { cause: error });
  }
}

function checkSchema(database: DatabaseSync): void {
  const version = Number(database.prepare("SELECT max(version) AS version FROM migrations").get()?.version);
  if (version <= MIGRATIONS.length) return;
  throw new ConfigurationError([`The database was written by a newer version of Tallystick (schema ${version})`]);
}

function open(path: string): DatabaseSync {
  return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
}

function objectRows(database: DatabaseSync): ObjectRow[] {
  checkSchema(database);
  const rows = database.prepare("SELECT * FROM objects ORDER BY bucket, key").all();
  return rows.map((row) => ({
    bucket: String(row.bucket),
    key: String(row.key),
    blob: String(row.blob),
    sizeBytes: Number(row.size_bytes),
    sha256: String(row.sha256),
    pairedWith: row.paired_with === null ? undefined : String(row.paired_with),
  }));
}
