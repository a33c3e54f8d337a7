import assert from "node:assert/strict";
import { matchesTranscript, parseTranscripts, runSteps } from "../../support/transcript.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const PAGE = "# Page\n\n```console\n$ a=1; \\\n  echo $a\n1\n$ echo b\nb\n```\n\n```sh\n$ not this\n```\n";

Deno.test("parseTranscripts() reads commands, also over several lines, and what they print", () => {
  assert.deepEqual(parseTranscripts(PAGE), [[
    { command: "a=1; \\\n  echo $a", expected: ["1"] },
    { command: "echo b", expected: ["b"] },
  ]]);
});

Deno.test("runSteps() runs a block in one shell and keeps what each command printed apart", async () => {
  await using folder = await tempFolder();
  const steps = ["a=1", "echo $a; echo err >&2", "pwd"].map((command) => ({ command, expected: [] }));
  const outputs = await runSteps(steps, { bash: "/bin/bash", cwd: folder.path });
  assert.deepEqual(outputs, [[""], ["1"], [Deno.realPathSync(folder.path)]]);
});

Deno.test("runSteps() fails with a command that fails", async () => {
  const steps = ["echo before", "false", "echo after"].map((command) => ({ command, expected: [] }));
  await assert.rejects(runSteps(steps, { bash: "/bin/bash", cwd: "." }), /failed:\nbefore/);
});

Deno.test("matchesTranscript() takes … for text in a line and for lines, and nothing else", () => {
  const actual = ["Loaded 91.2 MiB in 1.4 s", "", "the same"];
  assert.ok(matchesTranscript(actual, ["Loaded … MiB in … s", "", "the same"]));
  assert.ok(matchesTranscript(actual, ["Loaded … s", "…", "the same"]));
  assert.ok(matchesTranscript(actual, ["…", "the same"]));
  assert.ok(matchesTranscript(["step     1.86   5.07 MB/s"], ["step  … MB/s"]));
  assert.ok(!matchesTranscript(actual, ["Loaded … MiB in … s", "", "another"]));
  assert.ok(!matchesTranscript(actual, ["Loaded … MiB in … s"]));
  assert.ok(!matchesTranscript(actual, []));
  assert.ok(matchesTranscript([""], []));
});
