import assert from "node:assert/strict";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { recordOutput } from "../support/witness.ts";

const OPEN_FILES = 160;

/** A device that may have few files open, so that connections use them up. */
async function startSmallDevice(folder: string) {
  const { program, args, env } = thisProgram(processEnvironment);
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `ulimit -n ${OPEN_FILES}; exec "$@"`, "sh", program, ...args, "device", "--port", "0"],
    clearEnv: true,
    env: { ...env, RESOURCE_API_URL: "http://127.0.0.1:1", STATE_DIR: folder, MODEL_CACHE_DIR: `${folder}/models` },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const listening = Promise.withResolvers<number>();
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      lines.push(recordOutput("log of a device without free files", text));
      const [, port] = /"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(lines.join("")) ?? [];
      if (port !== undefined) listening.resolve(Number(port));
    }
  })();
  const port = await Promise.race([listening.promise, child.status.then(() => 0)]);
  return { port, lines, child, ended: Promise.all([child.status, reading]) };
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { headers: { connection: "close" } });
    return await answer.text() === '{"status":"healthy"}';
  } catch {
    return false; // asked again
  }
}

faultTest({
  area: "process",
  fault: "connections that say nothing use up all file descriptors",
  operation: "device",
  outcome: "they are closed, and it serves on",
}, async () => {
  await using folder = await tempFolder();
  const { port, lines, child, ended } = await startSmallDevice(folder.path);
  const silent: Deno.TcpConn[] = [];
  try {
    assert.ok(await isHealthy(port));
    for (let count = 0; count < OPEN_FILES; count++) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined); // refused: there are enough
      if (connection === undefined) break;
      silent.push(connection);
    }
    await eventually("it answers again", () => isHealthy(port));
    assert.match(lines.join(""), /"message":"listener_lost"[^\n]*Too many open files/);
    child.kill("SIGTERM");
    const [{ code, signal }] = await ended;
    assert.deepEqual([code, signal], [0, null], lines.join(""));
  } finally {
    for (const connection of silent) connection.close();
    await child.status;
  }
});
