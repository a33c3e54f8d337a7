import type { Row, State } from "../state.ts";
import { metadataChecksum, shownMetadata } from "./metadata.ts";

/** Number of the items of a run by what became of them. */
export interface RunStatistics {
  readonly item_count: number;
  readonly item_pending_count: number;
  readonly item_processing_count: number;
  readonly item_user_error_count: number;
  readonly item_system_error_count: number;
  readonly item_skipped_count: number;
  readonly item_succeeded_count: number;
}

/** Counts the items of a run. */
export function statisticsOf(state: State, runId: string): RunStatistics {
  const rows = state.all(
    `SELECT state, termination_reason AS reason, count(*) AS count FROM platform_items WHERE run_id = ?
     GROUP BY state, termination_reason`,
    runId,
  );
  const count = (matches: (row: Row) => boolean) =>
    rows.filter(matches).reduce((sum, row) => sum + Number(row.count), 0);
  return {
    item_count: count(() => true),
    item_pending_count: count((row) => row.state === "PENDING"),
    item_processing_count: count((row) => row.state === "PROCESSING"),
    item_user_error_count: count(({ reason }) => reason === "USER_ERROR"),
    item_system_error_count: count(({ reason }) => reason === "SYSTEM_ERROR"),
    item_skipped_count: count(({ reason }) => reason === "SKIPPED"),
    item_succeeded_count: count(({ reason }) => reason === "SUCCEEDED"),
  };
}

/** A run in the form of the API. */
export function runView(state: State, run: Row) {
  const runId = String(run.run_id);
  const statistics = statisticsOf(state, runId);
  return {
    run_id: runId,
    application_id: String(run.application_id),
    version_number: String(run.version_number),
    state: String(run.state),
    output: outputOf(statistics),
    termination_reason: textOrNull(run.termination_reason),
    error_code: textOrNull(run.error_code),
    error_message: textOrNull(run.error_message),
    statistics,
    custom_metadata: shownMetadata(run.custom_metadata),
    custom_metadata_checksum: metadataChecksum(run.custom_metadata),
    submitted_at: instant(run.submitted_ms),
    submitted_by: String(run.submitted_by),
    organization_id: String(run.organization_id),
    terminated_at: instant(run.terminated_ms),
    num_preceding_items_org: precedingItems(state, run, String(run.organization_id)),
    num_preceding_items_platform: precedingItems(state, run, null),
    scheduling: run.due_ms === null && run.deadline_ms === null
      ? null
      : { due_date: instant(run.due_ms), deadline: instant(run.deadline_ms) },
  };
}

/** An item with its inputs and outputs in the form of the API. */
export function itemView(state: State, item: Row, deletedBy: unknown) {
  const itemId = String(item.item_id);
  const inputs = state.all("SELECT * FROM platform_inputs WHERE item_id = ? ORDER BY position", itemId);
  const outputs = state.all("SELECT * FROM platform_outputs WHERE item_id = ? ORDER BY position", itemId);
  return {
    item_id: itemId,
    external_id: String(item.external_id),
    custom_metadata: shownMetadata(item.custom_metadata),
    custom_metadata_checksum: metadataChecksum(item.custom_metadata),
    queue_position_org: queuePosition(state, item, String(item.organization_id)),
    queue_position_platform: queuePosition(state, item, null),
    state: String(item.state),
    output: item.termination_reason === "SUCCEEDED" ? "FULL" : "NONE",
    termination_reason: textOrNull(item.termination_reason),
    error_code: textOrNull(item.error_code),
    error_message: textOrNull(item.error_message),
    terminated_at: instant(item.terminated_ms),
    input_artifacts: inputs.map((input) => ({
      input_artifact_id: String(input.input_artifact_id),
      name: String(input.name),
      metadata: shownMetadata(input.metadata),
      download_url: String(input.download_url),
    })),
    output_artifacts: outputs.map((output) => outputView(output, item, deletedBy)),
  };
}

/** A point in time in the form of the API. */
export function instant(ms: unknown): string | null {
  return ms === null || ms === undefined ? null : new Date(Number(ms)).toISOString();
}

function outputView(output: Row, item: Row, deletedBy: unknown) {
  return {
    output_artifact_id: String(output.output_artifact_id),
    name: String(output.name),
    metadata: shownMetadata(output.metadata),
    state: String(item.state),
    termination_reason: textOrNull(item.termination_reason),
    output: artifactOutput(output, item, deletedBy),
    error_code: textOrNull(item.error_code),
    error_message: textOrNull(item.error_message),
    download_url: null,
  };
}

function artifactOutput(output: Row, item: Row, deletedBy: unknown): string {
  if (item.termination_reason !== "SUCCEEDED") return "NONE";
  if (output.object_key !== null) return "AVAILABLE";
  return deletedBy === "USER" ? "DELETED_BY_USER" : "DELETED_BY_SYSTEM";
}

function outputOf({ item_count, item_succeeded_count }: RunStatistics): string {
  if (item_succeeded_count === 0) return "NONE";
  return item_succeeded_count === item_count ? "FULL" : "PARTIAL";
}

/** Pending items of other runs that come before the next one of this run. */
function precedingItems(state: State, run: Row, organizationId: string | null): number | null {
  if (run.state === "TERMINATED") return null;
  const next = state.get(
    "SELECT due_ms, seq FROM platform_items WHERE run_id = ? AND state = 'PENDING' ORDER BY due_ms, seq LIMIT 1",
    run.run_id ?? null,
  );
  return next === undefined ? null : itemsBefore(state, next, organizationId, String(run.run_id));
}

/** From 1; `null` once it is at work or done. */
function queuePosition(state: State, item: Row, organizationId: string | null): number | null {
  return item.state === "PENDING" ? 1 + itemsBefore(state, item, organizationId, "") : null;
}

function itemsBefore(state: State, item: Row, organizationId: string | null, exceptRunId: string): number {
  const row = state.get(
    `SELECT count(*) AS count FROM platform_items WHERE state = 'PENDING' AND (due_ms, seq) < (?, ?)
       AND organization_id = coalesce(?, organization_id) AND run_id <> ?`,
    item.due_ms ?? null,
    item.seq ?? null,
    organizationId,
    exceptRunId,
  );
  return Number(row?.count);
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
