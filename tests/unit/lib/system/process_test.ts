import assert from "node:assert/strict";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { TooLargeError } from "../../../../lib/errors.ts";
import { collect } from "../../../../lib/streams.ts";
import { feedChild, runChild, serveChild } from "../../../../lib/system/process.ts";
import { peerPath } from "../../../support/peers.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const bash = peerPath("bash") ?? "/bin/bash";
const PATH = "/usr/bin:/bin";

function shell(script: string, env: Record<string, string> = { PATH }, signal?: AbortSignal) {
  return { args: ["-c", script], env, ...(signal ? { signal } : {}) };
}

function text(bytes: Bytes): string {
  return new TextDecoder().decode(bytes);
}

/** Whether a process exists and has not ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("runChild() gives exit code, output and errors of a program", async () => {
  const { exitCode, stdout, stderr } = await runChild(bash, shell("echo out; echo err >&2; exit 7"));
  assert.deepEqual([exitCode, text(stdout), stderr], [7, "out\n", "err"]);
});

Deno.test("runChild() inherits nothing: not the environment, not the standard input", async () => {
  Deno.env.set("TALLY_TEST_SECRET", "s3cret");
  try {
    const { stdout } = await runChild(bash, shell("env; cat", { PATH, ONLY: "this" }));
    const names = text(stdout).trim().split("\n").map((line) => line.split("=")[0]).sort();
    assert.deepEqual(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name ?? "")), ["ONLY", "PATH"]);
  } finally {
    Deno.env.delete("TALLY_TEST_SECRET");
  }
});

Deno.test("runChild() hands arguments over as they are, whatever stands in them", async () => {
  const hostile = ["$(touch x)", "; rm -rf x", "a b", "*", '"', "'", "\\", "-n", "é\n"];
  const { stdout } = await runChild(bash, { args: ["-c", 'printf "%s\\0" "$@"', "name", ...hostile], env: { PATH } });
  assert.deepEqual(text(stdout).split("\0").slice(0, -1), hostile);
});

Deno.test("runChild() keeps the end of a long standard error", async () => {
  const { stderr } = await runChild(bash, shell("for i in {1..20000}; do echo line $i; done >&2"));
  assert.ok(stderr.length <= 16 * 1024, String(stderr.length));
  assert.ok(stderr.endsWith("line 20000"), stderr.slice(-40));
});

Deno.test("runChild() kills a program that prints without end", async () => {
  await assert.rejects(runChild(bash, shell("exec yes")), TooLargeError);
});

Deno.test("runChild() says that there is no such program", async () => {
  await assert.rejects(runChild("/nowhere/program", shell("")), Deno.errors.NotFound);
});

Deno.test("runChild() kills a program that will not listen when the signal is aborted", async () => {
  const reason = new Error("stopped");
  const script = "trap '' TERM INT; while :; do :; done";
  const stop = new AbortController();
  const run = runChild(bash, shell(script, { PATH }, stop.signal));
  const timer = setTimeout(() => stop.abort(reason), 100);
  await assert.rejects(run, reason);
  clearTimeout(timer);
  await assert.rejects(runChild(bash, shell("true", { PATH }, AbortSignal.abort(reason))), reason);
});

Deno.test("runChild() does not wait for what a program leaves behind", async () => {
  const startMs = performance.now();
  const { exitCode, stdout, stderr } = await runChild(bash, shell("sleep 20 & echo $!; echo err >&2; exit 4"));
  Deno.kill(Number(text(stdout)), "SIGKILL");
  assert.deepEqual([exitCode, stderr], [4, "err"]);
  assert.ok(performance.now() - startMs < 10_000);
});

Deno.test("runChild() does not wait for what a killed program leaves behind", async () => {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error("stopped")), 100);
  const startMs = performance.now();
  await assert.rejects(runChild(bash, shell("sleep 20; true", { PATH }, stop.signal)), /stopped/);
  clearTimeout(timer);
  assert.ok(performance.now() - startMs < 10_000);
});

Deno.test("feedChild() feeds a program and gives what it says", async () => {
  await using child = feedChild(bash, shell("wc -c; echo done >&2"));
  const writer = child.stdin.getWriter();
  for (let piece = 0; piece < 20; piece++) await writer.write(new Uint8Array(100_000));
  await writer.close();
  assert.equal(text(await collect(child.stdout, 100)).trim(), "2000000");
  assert.deepEqual(await child.ended, { exitCode: 0, stderr: "done" });
});

Deno.test("feedChild(): a program that ends early breaks the pipe, and says why", async () => {
  await using child = feedChild(bash, shell("echo no room >&2; exit 3"));
  const writer = child.stdin.getWriter();
  await assert.rejects(async () => {
    for (let piece = 0; piece < 1000; piece++) await writer.write(new Uint8Array(100_000));
  });
  assert.deepEqual(await child.ended, { exitCode: 3, stderr: "no room" });
});

Deno.test("feedChild(): a disposed program is dead, and never sees an orderly end of its input", async () => {
  const script = "cat > /dev/null; echo saw the end >&2; sleep 60";
  let pid = 0;
  let ended: Promise<{ exitCode: number; stderr: string }>;
  {
    await using child = feedChild(bash, shell(`echo $$; ${script}`));
    ended = child.ended;
    const reader = child.stdout.getReader();
    pid = Number(text((await reader.read()).value ?? new Uint8Array(0)));
    reader.releaseLock();
    const writer = child.stdin.getWriter();
    await writer.write(utf8("half of a plaintext"));
    writer.releaseLock();
    assert.ok(isRunning(pid));
  }
  assert.ok(!isRunning(pid));
  assert.deepEqual(await ended, { exitCode: 128 + 9, stderr: "" });
});

Deno.test("serveChild() asks a program to stop, and lets it tidy up", async () => {
  await using folder = await tempFolder();
  const script = `trap 'echo tidy > "$0/left"; exit 0' TERM; echo ready; while :; do sleep 0.05; done`;
  {
    await using child = serveChild(bash, { args: ["-c", script, folder.path], env: { PATH }, graceMs: 10_000 });
    await firstChunk(child.stdout);
  }
  assert.equal(await Deno.readTextFile(`${folder.path}/left`), "tidy\n");
});

Deno.test("serveChild() kills a program that will not stop", async () => {
  const script = `trap '' TERM; echo ready; while :; do sleep 0.05; done`;
  const child = serveChild(bash, { ...shell(script), graceMs: 100 });
  await firstChunk(child.stdout);
  await child[Symbol.asyncDispose]();
  assert.equal((await child.ended).exitCode, 128 + 9);
});

async function firstChunk(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  await reader.read();
  reader.releaseLock();
}
