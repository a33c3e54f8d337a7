import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { ConfigurationError, DiskFailedError, DiskFullError, TallyError } from "../lib/errors.ts";
import { ensureFolder, fileFacts } from "../lib/system/files.ts";
import { MIGRATIONS } from "./schema.ts";

/** Name of the database in a data folder. */
export const DATABASE_NAME = "origin.db";
const PRIVATE_FOLDER_MODE = 0o700;
const PRIVATE_FILE_MODE = 0o600;
const OTHERS_MODE = 0o007;
const BUSY_TIMEOUT_MS = 5_000;
/** Prepared statements that are kept; callers choose the order of lists, so there are many. */
const STATEMENT_LIMIT = 256;

/** Why a disk is to blame, by SQLite's message: a backup's errors have no number. @see https://www.sqlite.org/rescode.html */
const DISK_FAULTS: readonly (readonly [message: RegExp, reason: string])[] = [
  [/disk is full/, "the disk is full"],
  [/disk I\/O error/, "its disk fails"],
  [/readonly database/, "it is read-only"],
];

/** One row, by column name. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * The origin's state in SQLite: what was committed survives a power cut (WAL, synchronous FULL). Calls are synchronous,
 * so between two of them in one turn nothing else runs in this process; other processes are held off by transactions.
 */
export class State implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Opens the database of a data folder (mode 0700, file 0600); makes both where they are missing. */
  static async create(dataDir: string, nowMs: number): Promise<State> {
    await ensureFolder(dataDir);
    await Deno.chmod(dataDir, PRIVATE_FOLDER_MODE);
    const file = await Deno.open(join(dataDir, DATABASE_NAME), { write: true, create: true, mode: PRIVATE_FILE_MODE });
    file.close();
    return await State.open(dataDir, nowMs);
  }

  /**
   * Opens the database of a data folder and brings an older schema up to date.
   * @throws {ConfigurationError} when there is none, it is damaged, a newer program wrote it, or others may read it
   */
  static async open(dataDir: string, nowMs: number): Promise<State> {
    const path = join(dataDir, DATABASE_NAME);
    if (await fileFacts(path) === undefined) throw notAnOrigin(dataDir);
    await refuseOpenMode(path);
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: BUSY_TIMEOUT_MS });
    const state = new State(database);
    try {
      onDisk(() => database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
      state.#migrate(nowMs);
      return state;
    } catch (error) {
      state[Symbol.dispose]();
      throw isSqliteError(error) && !(error instanceof TallyError)
        ? new ConfigurationError([`Cannot use "${path}": ${error.message}`], { cause: error })
        : error;
    }
  }

  /** The first row, or `undefined`. `sql` is a constant: values are bound, never written into it. All calls: @throws {DiskFullError}, {DiskFailedError} */
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return onDisk(() => this.#prepare(sql).get(...values));
  }

  /** All rows. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return onDisk(() => this.#prepare(sql).all(...values));
  }

  /** Runs a statement and returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return onDisk(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** Lends a function to SQL: from values to a value, the same for the same. An error of it fails the statement. */
  define(name: string, work: (...values: SQLOutputValue[]) => SQLInputValue): void {
    this.#database.function(name, { varargs: true }, work);
  }

  /** Runs `work` in one transaction: all of it, or, when it throws, nothing of it. Not to be nested. */
  transaction<T>(work: () => T): T {
    onDisk(() => this.#database.exec("BEGIN IMMEDIATE"));
    try {
      const result = work();
      onDisk(() => this.#database.exec("COMMIT"));
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const [oldest] = this.#statements.keys();
    if (this.#statements.size >= STATEMENT_LIMIT && oldest !== undefined) this.#statements.delete(oldest);
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #migrate(nowMs: number): void {
    this.transaction(() => {
      this.#database.exec(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT",
      );
      const version = Number(this.get("SELECT coalesce(max(version), 0) AS version FROM migrations")?.version);
      if (version > MIGRATIONS.length) {
        throw new ConfigurationError([
          `The data folder was written by a newer version of Tallystick (schema ${version})`,
        ]);
      }
      for (const [index, step] of MIGRATIONS.entries()) {
        if (index < version) continue;
        this.#database.exec(step);
        this.run("INSERT INTO migrations (version, applied_ms) VALUES (?, ?)", index + 1, nowMs);
      }
    });
  }
}

/** Whoever reads the database can sign tokens. A group may: container platforms give volumes to one. */
async function refuseOpenMode(path: string): Promise<void> {
  const { mode } = await Deno.stat(path);
  if (((mode ?? 0) & OTHERS_MODE) === 0) return;
  throw new ConfigurationError([`"${path}" can be read by others: chmod 600 "${path}"`]);
}

/** Does something with the database; where its disk is to blame, the error says so, and keeps SQLite's own as its cause. */
function onDisk<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskErrorOf(error) ?? error;
  }
}

/** What SQLite's error says of the disk; `undefined` where it says nothing of it. */
export function diskErrorOf(error: unknown): DiskFullError | DiskFailedError | undefined {
  if (!isSqliteError(error)) return undefined;
  const [, reason] = DISK_FAULTS.find(([message]) => message.test(error.message)) ?? [];
  if (reason === undefined) return undefined;
  const ErrorClass = reason === "the disk is full" ? DiskFullError : DiskFailedError;
  return new ErrorClass(`Cannot use the database: ${reason}`, { cause: error });
}

/** Whether SQLite itself refused something: a damaged file, a lock that was held for too long, a full disk. */
export function isSqliteError(error: unknown): error is Error {
  if (error instanceof TallyError) return isSqliteError(error.cause);
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** What is said of a folder in which nothing was initialised. */
export function notAnOrigin(dataDir: string): ConfigurationError {
  return new ConfigurationError([`"${dataDir}" holds no origin yet: run tally origin init`]);
}
