import { UsageError } from "../lib/errors.ts";
import { TIME_LIMIT_SECONDS } from "../lib/split/manifest.ts";

const DAY_CHARACTERS = "2027-12-31".length;
const DAY_SECONDS = 24 * 60 * 60;
const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 60 * 60, d: DAY_SECONDS, y: 365 * DAY_SECONDS };
const SPAN = /^(\d{1,5})([hdy])$/;
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/;

/**
 * When something expires, in seconds since 1970: a span from now (`12h`, `90d`, `2y`), or a date or time in UTC (`2027-12-31`,
 * `2027-12-31T12:00Z`).
 * @throws {UsageError} it is none of these, or not in the future
 */
export function expirySeconds(text: string, nowSeconds: number): number {
  const seconds = fromSpan(text, nowSeconds) ?? fromDate(text);
  if (seconds === undefined || seconds > TIME_LIMIT_SECONDS) {
    throw new UsageError(`"${text}" is no time to expire at: give 90d, 12h, 2y, or a date such as 2027-12-31`);
  }
  if (seconds <= nowSeconds) throw new UsageError(`"${text}" is not in the future`);
  return seconds;
}

function fromSpan(text: string, nowSeconds: number): number | undefined {
  const [, count, unit = ""] = SPAN.exec(text) ?? [];
  const unitSeconds = UNIT_SECONDS[unit];
  return unitSeconds === undefined ? undefined : nowSeconds + Number(count) * unitSeconds;
}

function fromDate(text: string): number | undefined {
  const ms = DATE.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text.slice(0, DAY_CHARACTERS))) return undefined; // 2027-02-31
  return Math.floor(ms / 1000);
}
