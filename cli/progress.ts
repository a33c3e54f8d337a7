import { formatSize } from "../lib/bytes.ts";

/** How far a long action has come. */
export interface ProgressFacts {
  readonly label: string;
  readonly doneBytes: number;
  /** Absent while nobody knows it. */
  readonly totalBytes?: number | undefined;
  readonly elapsedMs: number;
}

const WIDEST_BAR = 40;
const NARROWEST_BAR = 8;

/** Done share from 0 to 1. Nothing to do is all done. */
export function progressShare(doneBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
}

/** `12.3 MB/s`: decimal megabytes, as networks and disks are measured. */
export function formatRate(sizeBytes: number, elapsedMs: number): string {
  const megabytesPerSecond = sizeBytes / 1000 / Math.max(1, elapsedMs);
  return `${megabytesPerSecond.toFixed(megabytesPerSecond < 10 ? 2 : 1)} MB/s`;
}

/** `98.2 MiB in 1.4 s, 73.5 MB/s`. */
export function formatTransfer(sizeBytes: number, elapsedMs: number): string {
  return `${formatSize(sizeBytes)} in ${(elapsedMs / 1000).toFixed(1)} s, ${formatRate(sizeBytes, elapsedMs)}`;
}

/** `0:07`, `12:30`, `1:02:03`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  const tail = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${tail}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}

/** One line for a terminal of `columns`; what does not fit falls away, the bar first. */
export function progressLine(facts: ProgressFacts, columns: number): string {
  const { label, totalBytes } = facts;
  const numbers = progressNumbers(facts);
  const barWidth = Math.min(WIDEST_BAR, columns - [...label].length - numbers.length - 5);
  const line = totalBytes === undefined || barWidth < NARROWEST_BAR
    ? `${label} ${numbers}`
    : `${label} ${bar(progressShare(facts.doneBytes, totalBytes), barWidth)} ${numbers}`;
  return [...line].slice(0, Math.max(0, columns - 1)).join("");
}

function progressNumbers({ doneBytes, totalBytes, elapsedMs }: ProgressFacts): string {
  const rate = formatRate(doneBytes, elapsedMs);
  if (totalBytes === undefined) return `${formatSize(doneBytes)}  ${rate}`;
  const share = progressShare(doneBytes, totalBytes);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const size = `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;
  if (share === 1 || doneBytes === 0) return `${percent}  ${size}  ${rate}`;
  return `${percent}  ${size}  ${rate}  ${formatDuration(elapsedMs / share - elapsedMs)} left`;
}

function bar(share: number, width: number): string {
  const filled = Math.floor(share * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
}
