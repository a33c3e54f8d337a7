import assert from "node:assert/strict";
import { isMark, judge, parseReport } from "../../../tools/test_report.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="3" failures="1" errors="0" time="0.319">
    <testsuite name="./a_test.ts" tests="2" disabled="1" errors="0" failures="0">
        <testcase name="a &gt; &lt;testcase name=&quot;x&quot;&gt; &amp;amp;" classname="./a_test.ts" time="0.319" line="2" col="6">
        </testcase>
        <testcase name="ignored" classname="./a_test.ts" time="0.000" line="4" col="6">
            <skipped/>
        </testcase>
    </testsuite>
    <testsuite name="./b_test.ts" tests="1" disabled="0" errors="0" failures="1">
        <testcase name="bad" classname="./b_test.ts" time="0.002" line="3" col="6">
            <failure message="Uncaught">at &lt;testcase &gt;</failure>
        </testcase>
    </testsuite>
</testsuites>
`;

const EMPTY = `<testsuites name="deno test" tests="0" failures="0" errors="0" time="0.000">\n</testsuites>\n`;

Deno.test("parseReport() counts passed, failed and skipped tests and undoes escapes", () => {
  const { passed, failed, skipped, cases } = parseReport(REPORT);
  assert.deepEqual({ passed, failed, skipped }, { passed: 1, failed: 1, skipped: 1 });
  assert.deepEqual(cases[0], { name: 'a > <testcase name="x"> &amp;', file: "./a_test.ts", seconds: 0.319 });
});

Deno.test("parseReport() refuses a report that is cut off, wherever it is cut", () => {
  for (let length = 0; length < REPORT.trimEnd().length; length++) {
    assert.throws(() => parseReport(REPORT.slice(0, length)), Error, `cut after ${length} bytes`);
  }
});

Deno.test("parseReport() refuses a report that names fewer tests than it counts", () => {
  assert.throws(() => parseReport(REPORT.replace('tests="3"', 'tests="4"')), /names 3 of 4 tests/);
});

Deno.test("judge() passes only a run that ended well and tested something", () => {
  const good = REPORT.replace('failures="1" errors="0" time', 'failures="0" errors="0" time');
  assert.deepEqual(judge({ exitCode: 0, report: good }), { passed: 2, failed: 0, faults: [] });
});

Deno.test("judge() never takes a broken run for a good one", () => {
  assert.deepEqual(judge({ exitCode: 1, report: REPORT }), { passed: 1, failed: 1, faults: [] });
  assert.deepEqual(judge({ exitCode: 1, report: EMPTY }).failed, 1);
  assert.deepEqual(judge({ exitCode: 1, report: undefined }).failed, 1);
  assert.deepEqual(judge({ exitCode: 0, report: undefined }).failed, 1);
  assert.deepEqual(judge({ exitCode: 0, report: EMPTY }).faults, ["No test was run"]);
});

Deno.test("isMark() knows the marks of the dot reporter", () => {
  assert.deepEqual([".", "!", ",", "", "..", "error: x"].map(isMark), [true, true, true, true, false, false]);
});
