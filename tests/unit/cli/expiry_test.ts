import assert from "node:assert/strict";
import { expirySeconds } from "../../../cli/expiry.ts";
import { UsageError } from "../../../lib/errors.ts";

const NOW = Date.UTC(2026, 0, 1) / 1000;

Deno.test("expirySeconds() reads spans from now, dates and times in UTC", () => {
  const cases: readonly [string, number][] = [
    ["12h", NOW + 12 * 3600],
    ["90d", NOW + 90 * 86_400],
    ["2y", NOW + 730 * 86_400],
    ["2027-12-31", Date.UTC(2027, 11, 31) / 1000],
    ["2027-12-31T12:30Z", Date.UTC(2027, 11, 31, 12, 30) / 1000],
  ];
  for (const [text, seconds] of cases) assert.equal(expirySeconds(text, NOW), seconds, text);
});

Deno.test("expirySeconds() refuses what is no time, is past, or is beyond the year 9999", () => {
  for (
    const text of [
      "",
      "soon",
      "90",
      "-1d",
      "0d",
      "2025-12-31",
      "2027-13-01",
      "2027-02-31",
      "2027-12-31T12:30",
      "99999y",
    ]
  ) {
    assert.throws(() => expirySeconds(text, NOW), UsageError, text);
  }
});
