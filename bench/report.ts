import { type Column, formatTable } from "../cli/table.ts";
import { formatSize } from "../lib/bytes.ts";
import { say } from "../tools/say.ts";
import type { Sample } from "./measure.ts";

/** One line of a table: what was measured, its cells, and what the design allows. */
export interface Row {
  readonly what: string;
  readonly cells: readonly string[];
  readonly budget?: string;
}

/** Prints one benchmark. */
export function printTable(title: string, columns: readonly string[], rows: readonly Row[]): void {
  const all: Column[] = [
    { title },
    ...columns.map((column) => ({ title: column, align: "right" as const })),
    { title: "budget" },
  ];
  say("");
  for (const line of formatTable(all, rows.map(({ what, cells, budget = "" }) => [what, ...cells, budget]))) say(line);
}

/** `1.26 s`, `35 ms` */
export function formatSeconds(seconds: number): string {
  return seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(seconds >= 0.01 ? 0 : 2)} ms`;
}

/** `812 MB/s` */
export function formatRate(sizeBytes: number, seconds: number): string {
  return `${(sizeBytes / 1e6 / seconds).toFixed(0)} MB/s`;
}

/** `1.08 ×` */
export function formatRatio(value: number, reference: number): string {
  return `${(value / reference).toFixed(2)} ×`;
}

/** `78.4 MiB` */
export function formatMemory(bytes: number): string {
  return formatSize(bytes);
}

/** Titles of what {@link sampleRow} gives. */
export function sampleColumns(reference: string): readonly string[] {
  return ["median", "rate", `to ${reference}`, "processor", "peak memory"];
}

/** Time, rate, ratio to a reference, processor time and peak memory of something that moved `sizeBytes`. */
export function sampleRow(what: string, sample: Sample, reference: Sample, sizeBytes: number): Row {
  return {
    what,
    cells: [
      formatSeconds(sample.seconds),
      formatRate(sizeBytes, sample.seconds),
      formatRatio(sample.seconds, reference.seconds),
      formatSeconds(sample.cpuSeconds),
      formatMemory(sample.peakBytes),
    ],
  };
}
