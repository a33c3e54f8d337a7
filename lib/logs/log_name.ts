/** A file of one program and one day. */
export interface LogName {
  readonly program: string;
  /** UTC, `2026-11-30`. */
  readonly day: string;
  /** Counts the files of the day from 0. */
  readonly index: number;
}

const FORM = /^([a-z]+)-(\d{4}-\d{2}-\d{2})\.(\d{1,6})\.jsonl$/;
const DAY_MS = 24 * 3600 * 1000;

/** `device-2026-11-30.0.jsonl` */
export function logName({ program, day, index }: LogName): string {
  return `${program}-${day}.${index}.jsonl`;
}

/** What a file of this program is; `undefined` for every other one. */
export function parseLogName(name: string, program: string): LogName | undefined {
  const [, owner, day = "", index] = FORM.exec(name) ?? [];
  if (owner !== program || Number.isNaN(Date.parse(day))) return undefined;
  return { program, day, index: Number(index) };
}

/** The day of a time, UTC. */
export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}

/** Whole days between two days. */
export function daysBetween(day: string, later: string): number {
  return Math.round((Date.parse(later) - Date.parse(day)) / DAY_MS);
}

/** Oldest first. */
export function inOrder(one: LogName, other: LogName): number {
  return one.day === other.day ? one.index - other.index : one.day < other.day ? -1 : 1;
}
