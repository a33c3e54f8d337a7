import assert from "node:assert/strict";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { EXIT_CODES } from "../../cli/exit_codes.ts";
import { initOrigin } from "../../origin/init.ts";
import { operationsPage } from "../../tools/docs.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { matchesTranscript, parseTranscripts, runSteps } from "../support/transcript.ts";

const PAGE = "docs/operations.md";
const TASKS = ["db:backup", "db:restore", "gc", "keys:rotate"] as const;
const bash = peerPath("bash");

Deno.test("docs/operations.md: says what to do at every error, and names every maintenance task", async () => {
  const page = await Deno.readTextFile(PAGE);
  assert.equal(operationsPage(page), page, "run deno task docs");
  for (const code of Object.keys(EXIT_CODES)) assert.match(page, new RegExp(`^\\| \`${code}\` \\|`, "m"));
  for (const task of TASKS) assert.ok(page.includes(`npx -y deno@2.9.5 task ${task}\``), task);
});

Deno.test("deno task: every maintenance task is a verb of the program, with a help text of its own", async () => {
  for (const task of TASKS) {
    const { description, command } = project.tasks[task];
    assert.ok(description.includes("--data-dir"), task);
    const [, verb = ""] = /^deno task cli origin ([a-z-]+)$/.exec(command) ?? [];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args: ["task", "--quiet", task, "--help"] })
      .output();
    assert.equal(code, 0, task);
    assert.match(new TextDecoder().decode(stdout), new RegExp(`^Usage: tally origin ${verb} `), task);
  }
});

Deno.test({
  name: "docs/operations.md: backup, restore and gc print what it says",
  ignore: bash === undefined,
  async fn() {
    await using folder = await tempFolder();
    await initOrigin(join(folder.path, "origin"), { email: "root@example.com" });
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const steps = parseTranscripts(await Deno.readTextFile(PAGE)).flat().map(({ command, expected }) => ({
      expected,
      command: command.replace(/^tally /, `"${Deno.execPath()}" run --quiet --allow-all "${main}" `),
    }));
    assert.equal(steps.length, 3);
    const outputs = await runSteps(steps, { bash: bash ?? "", cwd: folder.path, env: { dir: folder.path } });
    for (const [index, { command, expected }] of steps.entries()) {
      const printed = outputs[index] ?? [];
      assert.ok(matchesTranscript(printed, expected), `$ ${command}\nprinted:\n${printed.join("\n")}`);
    }
  },
});
