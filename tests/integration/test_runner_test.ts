import assert from "node:assert/strict";
import { join } from "node:path";
import { testJobs } from "../../tools/test_batches.ts";

interface Run {
  readonly exitCode: number;
  readonly lastLine: string;
  readonly output: string;
}

/** Runs `tools/test.ts` over one test file with the given text. */
async function runSample(code: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Run> {
  return await inFolder(async (folder) => {
    const path = join(folder, "sample_test.ts");
    await Deno.writeTextFile(path, code);
    return await runTool([...args, path], env);
  });
}

async function inFolder(work: (folder: string) => Promise<Run>): Promise<Run> {
  const folder = await Deno.makeTempDir();
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runTool(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const { code: exitCode, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "tools/test.ts", ...args],
    env: { CI: "false", ...env },
    stderr: "null",
  }).output();
  const output = new TextDecoder().decode(stdout);
  return { exitCode, output, lastLine: output.trimEnd().split("\n").at(-1) ?? "" };
}

const SAMPLES: readonly { what: string; code: string; args?: string[]; exitCode: number; lastLine: string }[] = [
  { what: "counts tests that pass", code: 'Deno.test("a", () => {});', exitCode: 0, lastLine: "1 passed, 0 failed" },
  {
    what: "counts a failure",
    code: 'Deno.test("a", () => {}); Deno.test("b", () => { throw new Error("no"); });',
    exitCode: 1,
    lastLine: "1 passed, 1 failed",
  },
  { what: "refuses a run without tests", code: "export {};", exitCode: 1, lastLine: "0 passed, 0 failed" },
  {
    what: "refuses a filter that matches nothing",
    code: 'Deno.test("a", () => {});',
    args: ["--filter=zzz"],
    exitCode: 1,
    lastLine: "0 passed, 0 failed",
  },
  { what: "refuses a type error", code: 'const a: number = "";', exitCode: 1, lastLine: "0 passed, 1 failed" },
  { what: "refuses a module that throws", code: 'throw new Error("no");', exitCode: 1, lastLine: "0 passed, 1 failed" },
  {
    what: "refuses a crash",
    code: 'Deno.test("a", () => {}); Deno.test("b", () => Deno.kill(Deno.pid, "SIGKILL"));',
    exitCode: 1,
    lastLine: "0 passed, 1 failed",
  },
];

for (const { what, code, args, exitCode, lastLine } of SAMPLES) {
  Deno.test(`tools/test.ts ${what}`, async () => {
    const run = await runSample(code, args);
    assert.deepEqual({ exitCode: run.exitCode, lastLine: run.lastLine }, { exitCode, lastLine }, run.output);
  });
}

Deno.test("tools/test.ts fails when an output holds a secret that a test has used, and does not show it", async () => {
  const witness = JSON.stringify(new URL("../support/witness.ts", import.meta.url).href);
  const sample = (output: string) => `
    import { recordOutput, useSecret } from ${witness};
    Deno.test("a", () => void recordOutput("log of a sample", ${output}));
    Deno.test("b", () => void useSecret("password of a sample", ["hunter22", "hunter22"].join("-")));`;
  assert.equal((await runSample(sample('"hunter22 and hunter"'))).exitCode, 0);
  for (const output of ['"got hunter22-hunter22 there"', 'btoa("ada:hunter22-hunter22")']) {
    const run = await runSample(sample(output));
    assert.deepEqual([run.exitCode, run.lastLine], [1, "2 passed, 1 failed"], run.output);
    assert.match(run.output, /^secret in an output: password of a sample, in log of a sample: /m);
    assert.doesNotMatch(run.output, /hunter22-hunter22|aHVudGVyMjI/);
  }
});

Deno.test("tools/test.ts counts a skipped test as a failure when CI is true", async () => {
  const code = 'Deno.test("a", () => {}); Deno.test({ name: "b", ignore: true, fn() {} });';
  assert.equal((await runSample(code)).exitCode, 0);
  const { exitCode, output } = await runSample(code, [], { CI: "true" });
  assert.equal(exitCode, 1);
  assert.match(output, /^1 skipped$/m);
});

Deno.test("tools/test.ts ends everything that a test has started when it is interrupted", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const pidPath = join(folder, "pid");
    const path = join(folder, "sample_test.ts");
    const start = 'const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();';
    const tell =
      `Deno.writeTextFileSync("${pidPath}.new", String(child.pid)); Deno.renameSync("${pidPath}.new", "${pidPath}");`;
    await Deno.writeTextFile(path, `Deno.test("a", async () => { ${start} ${tell} await child.status; });`);
    const runner = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "tools/test.ts", path],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const pid = Number(await appeared(pidPath));
    runner.kill("SIGTERM");
    const { code, stdout } = await runner.output();
    assert.equal(code, 130);
    assert.match(new TextDecoder().decode(stdout), /The tests were interrupted, in: a\n.*\n0 passed, 1 failed\n$/);
    assert.equal(isRunning(pid), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Whether a process exists and has not ended; one that has ended and was not collected is in state Z. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Text of a file that another process is about to write. */
async function appeared(path: string): Promise<string> {
  for (let attempt = 0; attempt < 600; attempt++) {
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`"${path}" did not appear within 30 s`);
}

const FILES = 45;

/** Runs `tools/test.ts` over a folder of many test files, of which one has the given text. */
async function runMany(odd: (marker: string) => string): Promise<Run> {
  return await inFolder(async (folder) => {
    for (let index = 1; index < FILES; index++) {
      await Deno.writeTextFile(join(folder, `good_${index}_test.ts`), 'Deno.test("a", () => {});');
    }
    await Deno.writeTextFile(join(folder, "odd_test.ts"), odd(JSON.stringify(join(folder, "marker"))));
    return await runTool([folder]);
  });
}

Deno.test({
  name: "tools/test.ts runs a batch once more in which a little failed, and says so",
  ignore: testJobs() === 1,
  async fn() {
    const once = await runMany((marker) =>
      `Deno.test("odd", () => Deno.writeTextFileSync(${marker}, "x", { append: true }));
       Deno.test("first", () => { if (Deno.readTextFileSync(${marker}) === "x") throw new Error("no"); });`
    );
    assert.equal(once.exitCode, 0, once.output);
    assert.equal(once.lastLine, `${FILES + 1} passed, 0 failed`);
    assert.match(once.output, /1 failed at first, and passed when all of their batch was run again/);
    const always = await runMany(() => 'Deno.test("odd", () => { throw new Error("no"); });');
    assert.deepEqual([always.exitCode, always.lastLine], [1, `${FILES - 1} passed, 1 failed`], always.output);
  },
});
