import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration, formatRate, formatTransfer, progressLine, progressShare } from "../../../cli/progress.ts";

const MIB = 1024 * 1024;

Deno.test("progressLine() shows bar, share, size, rate and the time that is left", () => {
  const line = progressLine({ label: "Loading x", doneBytes: 25 * MIB, totalBytes: 100 * MIB, elapsedMs: 5000 }, 100);
  assert.match(line, /^Loading x \[#+-+\] {2}25% {2}25\.0 MiB of 100\.0 MiB {2}5\.24 MB\/s {2}0:15 left$/);
});

Deno.test("progressLine() shows what is known when nobody knows the whole size", () => {
  assert.equal(
    progressLine({ label: "Loading x", doneBytes: 2048, elapsedMs: 1000 }, 80),
    "Loading x 2.0 KiB  0.00 MB/s",
  );
});

Deno.test("progressLine() leaves the bar out before it wraps", () => {
  const line = progressLine({ label: "Loading x", doneBytes: 1, totalBytes: 2, elapsedMs: 1 }, 50);
  assert.ok(!line.includes("["), line);
});

Deno.test("progressLine() never fills the last column of any terminal", () => {
  const facts = fc.record({
    label: fc.string({ maxLength: 40 }),
    doneBytes: fc.nat(),
    totalBytes: fc.option(fc.nat(), { nil: undefined }),
    elapsedMs: fc.nat(),
  });
  fc.assert(fc.property(facts, fc.integer({ min: 1, max: 300 }), (given, columns) => {
    assert.ok([...progressLine(given, columns)].length < columns);
  }));
});

Deno.test("progressShare() stays between nothing and all", () => {
  assert.equal(progressShare(0, 0), 1);
  assert.equal(progressShare(0, 10), 0);
  assert.equal(progressShare(20, 10), 1);
});

Deno.test("formatDuration() has hours only where there are some", () => {
  assert.deepEqual([0, 7_400, 750_000, 3_723_000].map(formatDuration), ["0:00", "0:07", "12:30", "1:02:03"]);
});

Deno.test("formatRate() counts in decimal megabytes and survives no time at all", () => {
  assert.equal(formatRate(100_000_000, 2000), "50.0 MB/s");
  assert.equal(formatRate(1_000_000, 0), "1000.0 MB/s");
});

Deno.test("formatTransfer() names size, time and rate", () => {
  assert.equal(formatTransfer(100 * MIB, 2000), "100.0 MiB in 2.0 s, 52.4 MB/s");
});
