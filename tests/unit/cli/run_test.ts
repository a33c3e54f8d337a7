import type { Command } from "commander";
import assert from "node:assert/strict";
import { join } from "node:path";
import project from "../../../deno.json" with { type: "json" };

import { Output } from "../../../cli/output.ts";
import { createProgram } from "../../../cli/program.ts";
import { run } from "../../../cli/run.ts";
import type { Programs, Shell } from "../../../cli/shell.ts";
import { ALL_SETTINGS } from "../../../cli/settings.ts";
import { OPTIONS } from "../../../lib/config/options.ts";
import { RecordedIo, type RecordedIoOptions } from "../../support/recorded_io.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const PROGRAMS: Programs = {
  device: () => Promise.reject(new Error("not asked for")),
  origin: () => Promise.reject(new Error("not asked for")),
};
const VERBS = [
  ...["device", "origin", "login", "logout", "whoami", "load", "upload", "unlock", "cache"],
  ...["seal", "open", "small", "keys"],
  ...["application", "run", "health", "sign-url"],
  ...["status", "hardware", "config", "audit", "doctor", "demo", "version", "self-update", "completions"],
];

async function runWith(args: readonly string[], options?: RecordedIoOptions) {
  const io = new RecordedIo(options);
  const exitCode = await run(args, io, PROGRAMS, new AbortController().signal);
  return { exitCode, said: io.said, complained: io.complained };
}

async function everyCommand(verb?: string): Promise<Command[]> {
  const io = new RecordedIo();
  const output = new Output({
    stdout: io.stdout,
    stderr: io.stderr,
    environment: io.environment,
    clock: io.clock,
    json: false,
  });
  const shell: Shell = { io, output, programs: PROGRAMS, signal: new AbortController().signal };
  const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)];
  return below(await createProgram(shell, verb));
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

Deno.test("createProgram() has every verb", async () => {
  assert.deepEqual((await everyCommand())[0]?.commands.map((command) => command.name()).sort(), [...VERBS].sort());
});

Deno.test("createProgram() for one verb has only that one, which is all that it imports; completions have all", async () => {
  for (const verb of VERBS) {
    const [program] = await everyCommand(verb);
    const expected = verb === "completions" ? VERBS : [verb];
    assert.deepEqual(program?.commands.map((command) => command.name()).sort(), [...expected].sort(), verb);
  }
  assert.equal((await everyCommand("--json"))[0]?.commands.length, VERBS.length);
  assert.equal((await everyCommand("toString"))[0]?.commands.length, VERBS.length);
});

Deno.test("run() shows the help of every verb on standard output, with examples of that verb", async () => {
  for (const command of await everyCommand()) {
    const path = pathOf(command);
    const { exitCode, said, complained } = await runWith([...path, "--help"]);
    assert.equal(exitCode, 0, path.join(" "));
    assert.equal(complained, "");
    const [, examples = ""] = said.split("Examples:\n");
    assert.match(examples, new RegExp(`tally .*${path.join(" ")}`), path.join(" "));
  }
});

Deno.test("run() without a verb shows the help on standard error and exits with 2", async () => {
  const { exitCode, said, complained } = await runWith([]);
  assert.equal(exitCode, 2);
  assert.equal(said, "");
  assert.match(complained, /Usage: tally/);
});

const USAGE_FAULTS: readonly [args: string[], sentence: RegExp][] = [
  [["laod"], /Unknown command 'laod' \(Did you mean load\?\)/],
  [["load"], /Missing required argument 'name'/],
  [["load", "x", "--fodler", "y"], /Unknown option '--fodler' \(Did you mean --folder\?\)/],
  [["load", "x", "y"], /Too many arguments/],
  [["load", "../x"], /not a valid name/],
  [["load", "x", "--folder", "a/b"], /folder is not a valid name/],
  [["load", "x", "-o", "/"], /it is a folder/],
  [["load", "x", "-o", "-"], /give -o FILE/],
  [["status", "--format", "yaml"], /Allowed choices are text, json\.?$/m],
  [["upload", "x", "--format", "v1"], /Allowed choices are text, json\. .* that of a resource is --resource-format/],
  [["upload", "x", "--resource-format", "v1"], /--resource-format goes with --email/],
  [["completions", "tcsh"], /Allowed choices are bash, zsh, fish/],
  [["login", "--device"], /--email is missing/],
  [["unlock"], /--email is missing/],
  [["login", "--email", "a@b.c"], /not a terminal/],
  [["status", "--device-url", "ftp://x"], /DEVICE_URL must be a URL/],
  [["status", "--config", "/proc/none.yaml"], /there is no such file/],
];

for (const [args, sentence] of USAGE_FAULTS) {
  Deno.test(`run() exits with 2 and says why, as JSON too: ${args.join(" ")}`, async () => {
    const json = await runWith([...args, "--json"]);
    assert.equal(json.exitCode, 2);
    assert.equal(json.said, "");
    const document = JSON.parse(json.complained);
    assert.match(document.message, sentence);
    assert.equal(document.exitCode, 2);
    if (args.includes("-")) return; // "-" and JSON are the fault
    const text = await runWith(args);
    assert.equal(text.exitCode, 2);
    assert.match(text.complained, sentence);
  });
}

Deno.test("run() refuses a password on the command line and does not repeat it", async () => {
  for (const given of [["--password", "hunter2"], ["--password=hunter2"], ["--password"]]) {
    for (const verb of [["login"], ["load", "x"], ["upload", "x"], ["unlock"]]) {
      const { exitCode, complained } = await runWith([...verb, "--email", "a@b.c", ...given]);
      assert.equal(exitCode, 2);
      assert.match(complained, /A password is not taken from the command line.*--password-stdin/);
      assert.ok(!complained.includes("hunter2"));
    }
  }
});

Deno.test("run() finds no device: 6", async () => {
  const nobodyListens = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = nobodyListens.addr as Deno.NetAddr;
  nobodyListens.close();
  const { exitCode, complained } = await runWith(["status", "--device-url", `http://127.0.0.1:${port}`, "--json"]);
  assert.equal(exitCode, 6);
  assert.equal(JSON.parse(complained).code, "unavailable");
});

Deno.test("run() upload of a file that is not there: 5", async () => {
  const { exitCode, complained } = await runWith(["upload", "/proc/none"]);
  assert.equal(exitCode, 5);
  assert.match(complained, /Cannot upload "\/proc\/none": there is no such file/);
});

Deno.test("run() load does not touch a file that exists", async () => {
  const { exitCode, complained } = await runWith(["load", "x", "-o", new URL(import.meta.url).pathname]);
  assert.equal(exitCode, 2);
  assert.match(complained, /--force is not given/);
});

Deno.test("run() version names the program's version", async () => {
  assert.deepEqual(await runWith(["--version"]), { exitCode: 0, said: `tally ${project.version}\n`, complained: "" });
  assert.match((await runWith(["version"])).said, new RegExp(`^tally ${project.version} \\(deno `));
  assert.equal(JSON.parse((await runWith(["version", "--json"])).said).tally, project.version);
});

Deno.test("run() config shows every setting with its origin, the strongest source first", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "settings.yaml");
  await Deno.writeTextFile(path, "PORT: 3\nHOST: localhost\nLOG_LEVEL: debug\n");
  const { exitCode, said } = await runWith(["config", "--port", "1", "--config", path, "--json"], {
    environment: { PORT: "2", HOST: "127.0.0.1" },
  });
  assert.equal(exitCode, 0);
  const settings = JSON.parse(said);
  assert.deepEqual(Object.keys(settings), ALL_SETTINGS.map((key) => OPTIONS[key].name));
  assert.deepEqual(settings.PORT, { value: "1", origin: "flag" });
  assert.deepEqual(settings.HOST, { value: "127.0.0.1", origin: "environment" });
  assert.deepEqual(settings.LOG_LEVEL, { value: "debug", origin: "file" });
  assert.deepEqual(settings.RESOURCE_API_URL, { value: null, origin: "default" });
});

Deno.test("run() config shows no password of a URL, tells the fault and exits with 2", async () => {
  const { exitCode, said, complained } = await runWith([
    "config",
    "--resource-api-url",
    "https://ada:hunter2@x.example",
  ]);
  assert.equal(exitCode, 2);
  assert.match(said, /RESOURCE_API_URL +flag +https:\/\/\*\*\*@x\.example/);
  assert.match(complained, /RESOURCE_API_URL must not hold a user name or password/);
  assert.ok(!(said + complained).includes("hunter2"));
});

Deno.test("run() hardware prints the facts of another root", async () => {
  await using root = await tempFolder();
  const { exitCode, said } = await runWith(["hardware", "--root", root.path, "--json"]);
  assert.equal(exitCode, 0);
  const { cpu, hash } = JSON.parse(said);
  assert.equal(cpu, "");
  assert.match(hash, /^[A-Za-z0-9+/]{64}$/);
});
