import type { ItemResult, RunData, RunStatistics } from "../lib/platform/run_wire.ts";
import type { Column } from "./table.ts";

const COUNTS: readonly [field: keyof RunStatistics, word: string][] = [
  ["item_pending_count", "pending"],
  ["item_processing_count", "processing"],
  ["item_succeeded_count", "succeeded"],
  ["item_user_error_count", "with an error of the input"],
  ["item_system_error_count", "with an error of the system"],
  ["item_skipped_count", "skipped"],
];

/** Columns of a list of runs. */
export const RUN_COLUMNS: readonly Column[] = [
  { title: "RUN" },
  { title: "APPLICATION" },
  { title: "STATE" },
  { title: "ITEMS", align: "right" },
  { title: "SUBMITTED" },
];

/** Columns of a list of items. */
export const ITEM_COLUMNS: readonly Column[] = [
  { title: "ITEM" },
  { title: "STATE" },
  { title: "FILES", align: "right" },
  { title: "ERROR" },
];

/** A run as a row of {@link RUN_COLUMNS}. */
export function runRow(
  { run_id, application_id, version_number, statistics, submitted_at, ...run }: RunData,
): string[] {
  const done = `${statistics.item_succeeded_count}/${statistics.item_count}`;
  return [run_id, `${application_id} ${version_number}`, stateOf(run), done, submitted_at];
}

/** An item as a row of {@link ITEM_COLUMNS}. */
export function itemRow({ external_id, output_artifacts, error_message, ...item }: ItemResult): string[] {
  const files = output_artifacts.filter(({ output }) => output === "AVAILABLE").length;
  return [external_id, stateOf(item), String(files), error_message ?? ""];
}

/** `5 items: 1 processing, 4 succeeded` */
export function countsText(statistics: RunStatistics): string {
  const { item_count: count } = statistics;
  const parts = COUNTS.filter(([field]) => statistics[field] > 0).map(([field, word]) =>
    `${statistics[field]} ${word}`
  );
  return `${count === 1 ? "1 item" : `${count} items`}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}

/** `PROCESSING, 5 items: 1 processing, 4 succeeded` */
export function progressText(run: RunData): string {
  return `${stateOf(run)}, ${countsText(run.statistics)}`;
}

/** All that a person wants to know of a run, line by line. */
export function runLines(run: RunData): string[] {
  const { scheduling, error_code, error_message } = run;
  const facts: Readonly<Record<string, string | null | undefined>> = {
    "Run": run.run_id,
    "Application": `${run.application_id} ${run.version_number}`,
    "State": stateOf(run),
    "Output": run.output,
    "Items": countsText(run.statistics),
    "Error": [error_code, error_message].filter((text) => text !== null).join(": "),
    "Submitted": `${run.submitted_at} by ${run.submitted_by}`,
    "Ended": run.terminated_at,
    "Before it": precedingText(run),
    "Due": scheduling?.due_date,
    "Deadline": scheduling?.deadline,
    "Metadata": run.custom_metadata === null ? null : JSON.stringify(run.custom_metadata),
  };
  const told = Object.entries(facts).filter(([, value]) => value);
  return told.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`);
}

/** Items that did not end well. */
export function failedCount({ item_count, item_succeeded_count }: RunStatistics): number {
  return item_count - item_succeeded_count;
}

function stateOf(
  { state, termination_reason }: Pick<RunData, "state"> & { termination_reason: string | null },
): string {
  return termination_reason === null ? state : `${state} (${termination_reason})`;
}

function precedingText({ num_preceding_items_org: own, num_preceding_items_platform: all }: RunData): string {
  if (own === null && all === null) return "";
  return `${own ?? "?"} items of the organisation, ${all ?? "?"} of everybody`;
}
