import type { ObjectFolder } from "../object_store.ts";
import type { State } from "../state.ts";
import { PLATFORM_BUCKETS } from "./signed_files.ts";

/** Where artifacts are. */
export interface ArtifactStore {
  readonly state: State;
  readonly objects: ObjectFolder;
}

const DAY_MS = 24 * 3600_000;
/** Artifacts go so long after their run has ended, and inputs so long after they were sent. */
export const RETENTION_MS = 30 * DAY_MS;

/** Removes the outputs of a run: first all their names, in one step, then the bytes. */
export async function removeOutputs(
  { state, objects }: ArtifactStore,
  runId: string,
  by: "USER" | "SYSTEM",
): Promise<void> {
  const keys = state.transaction(() => {
    const rows = state.all(
      `SELECT object_key FROM platform_outputs JOIN platform_items USING (item_id)
       WHERE run_id = ? AND object_key IS NOT NULL`,
      runId,
    );
    state.run(
      `UPDATE platform_outputs SET object_key = NULL, metadata = NULL
       WHERE item_id IN (SELECT item_id FROM platform_items WHERE run_id = ?)`,
      runId,
    );
    state.run("UPDATE platform_runs SET deleted_by = ? WHERE run_id = ?", by, runId);
    return rows.map((row) => String(row.object_key));
  });
  for (const key of keys) await objects.remove({ bucket: PLATFORM_BUCKETS.outputs, key });
}

/** Ids of the runs whose outputs are to go by now. */
export function expiredRuns(state: State, nowMs: number): string[] {
  const rows = state.all(
    "SELECT run_id FROM platform_runs WHERE state = 'TERMINATED' AND deleted_by IS NULL AND terminated_ms <= ?",
    nowMs - RETENTION_MS,
  );
  return rows.map((row) => String(row.run_id));
}
