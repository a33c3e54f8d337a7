import { join } from "node:path";
import { fileFacts } from "../../lib/system/files.ts";
import { objectsFolder } from "../data_folder.ts";
import { ObjectFolder, type ObjectName } from "../object_store.ts";
import type { State } from "../state.ts";
import { expiredRuns, removeOutputs, RETENTION_MS } from "./artifacts.ts";
import { PLATFORM_BUCKETS } from "./signed_files.ts";

/** A file of the platform whose time is over. */
export interface ExpiredFile extends ObjectName {
  readonly path: string;
  readonly sizeBytes: number;
}

/** What is looked at. */
export interface RetentionOptions {
  readonly state: State;
  readonly dataDir: string;
  readonly nowMs: number;
  /** Outputs that no item names and that are older than this were left by a killed worker. */
  readonly strayBeforeMs: number;
}

interface StoredFile extends ExpiredFile {
  readonly modifiedMs: number;
}

const OUTPUTS_OF = `SELECT o.* FROM objects o JOIN platform_outputs p ON o.key = p.object_key
  JOIN platform_items i USING (item_id) WHERE o.bucket = ? AND i.run_id = ?`;

/**
 * The files that are to go: outputs of runs that ended 30 days ago, inputs that were sent 30 days ago, and outputs that
 * a killed worker has left.
 */
export async function findExpired({ state, dataDir, nowMs, strayBeforeMs }: RetentionOptions): Promise<ExpiredFile[]> {
  const { inputs, outputs } = PLATFORM_BUCKETS;
  const look = (sql: string, ...values: string[]) => storedFiles(state.all(sql, ...values), dataDir);
  const sent = await look("SELECT * FROM objects WHERE bucket = ?", inputs);
  const strays = await look(
    "SELECT * FROM objects WHERE bucket = ? AND key NOT IN (SELECT object_key FROM platform_outputs WHERE object_key IS NOT NULL)",
    outputs,
  );
  const expired = [
    ...sent.filter(({ modifiedMs }) => modifiedMs <= nowMs - RETENTION_MS),
    ...strays.filter(({ modifiedMs }) => modifiedMs < strayBeforeMs),
  ];
  for (const runId of expiredRuns(state, nowMs)) expired.push(...await look(OUTPUTS_OF, outputs, runId));
  return expired.map(({ bucket, key, path, sizeBytes }) => ({ bucket, key, path, sizeBytes }));
}

/** Removes what `findExpired` finds, and forgets which submissions could be repeated 30 days ago. */
export async function removeExpired(options: RetentionOptions): Promise<readonly ExpiredFile[]> {
  const { state, dataDir, nowMs } = options;
  const objects = new ObjectFolder(state, objectsFolder(dataDir));
  const expired = await findExpired(options);
  for (const runId of expiredRuns(state, nowMs)) await removeOutputs({ state, objects }, runId, "SYSTEM");
  for (const { bucket, key } of expired) await objects.remove({ bucket, key });
  state.run("DELETE FROM platform_submissions WHERE created_ms <= ?", nowMs - RETENTION_MS);
  return expired;
}

async function storedFiles(rows: ReturnType<State["all"]>, dataDir: string): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for (const { bucket, key, blob } of rows) {
    const path = join(objectsFolder(dataDir), String(blob));
    const facts = await fileFacts(path);
    if (facts !== undefined) files.push({ bucket: String(bucket), key: String(key), path, ...facts });
  }
  return files;
}
