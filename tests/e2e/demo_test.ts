import assert from "node:assert/strict";
import { join } from "node:path";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { startDockerEngine } from "../support/docker_engine.ts";
import { linesOf } from "../support/lines.ts";
import { peerPath } from "../support/peers.ts";
import { tally } from "../support/tally.ts";
import { type TempFolder, tempFolder } from "../support/temp_folder.ts";

type Event = Readonly<Record<string, unknown>> & { readonly event: string };

const CONTENT_BYTES = 60_000;
const NO_DOCKER = "unix:///proc/none.sock";
const dockerd = peerPath("dockerd");

/** A folder with a file to show, which is also where the demo makes its own folder. */
async function demoFolder(): Promise<TempFolder & { file: string }> {
  const folder = await tempFolder();
  const file = join(folder.path, "model v1.bin"); // not a valid name of a resource
  await Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(CONTENT_BYTES)));
  return { ...folder, file };
}

function eventsOf(stdout: string): Event[] {
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

function assertNothingLeft({ path, file }: TempFolder & { file: string }): void {
  assert.deepEqual([...Deno.readDirSync(path)].map(({ name }) => join(path, name)), [file]);
  assert.deepEqual(processesWith(path), []);
}

/** Command lines of the processes that name this path. */
function processesWith(path: string): string[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const commandLine = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      return commandLine.includes(path) ? [commandLine] : [];
    } catch {
      return []; // has ended
    }
  });
}

Deno.test("tally demo shows the way of a file and leaves nothing behind", async () => {
  await using folder = await demoFolder();
  const { exitCode, stdout, stderr } = await tally(["demo", folder.file, "--docker-host", NO_DOCKER], {
    env: { TMPDIR: folder.path },
  });
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /published models\/model-v1\.bin/);
  assert.match(stdout, /big part from the cdn: .*SHA-256 is the same/);
  assert.match(stdout, /The unlock is left out\. .+\n/);
  assert.match(
    stdout,
    /\nsmall +1\.\d KiB +origin +http:.+\/v2\/resources\/models\/model-v1\.bin\nbig +.+ +CDN +.+\nbig +.+ +device cache +/,
  );
  assertNothingLeft(folder);
});

Deno.test("tally demo --json is a line per event, with a summary at the end, and no secret in it", async () => {
  await using folder = await demoFolder();
  const { exitCode, stdout, stderr } = await tally(["demo", folder.file, "--json", "--docker-host", NO_DOCKER], {
    env: { TMPDIR: folder.path },
  });
  assert.equal(exitCode, 0, stderr);
  const events = eventsOf(stdout);
  const loads = events.filter(({ event }) => event === "loaded");
  const uploaded = events.find(({ event }) => event === "uploaded");
  assert.deepEqual(loads.map(({ source }) => source), ["cdn", "cache"]);
  assert.ok(loads.every(({ sha256 }) => sha256 === uploaded?.sha256));
  const summary = events.at(-1);
  assert.equal(summary?.event, "summary");
  assert.equal(summary?.ok, true);
  assert.doesNotMatch(stdout, /password|token|fragment/i);
  assertNothingLeft(folder);
});

Deno.test("tally demo --keep leaves the state to look at", async () => {
  await using folder = await demoFolder();
  const { exitCode, stdout, stderr } = await tally([
    "demo",
    folder.file,
    "--keep",
    "--json",
    "--docker-host",
    NO_DOCKER,
  ], {
    env: { TMPDIR: folder.path },
  });
  assert.equal(exitCode, 0, stderr);
  const kept = eventsOf(stdout).at(-1)?.keptFolder;
  assert.equal(typeof kept, "string");
  assert.deepEqual([...Deno.readDirSync(String(kept))].map(({ name }) => name).sort(), [
    "device",
    "origin",
    "publisher",
  ]);
});

Deno.test("tally demo of one byte names the parts, and not what the cache notes of them", async () => {
  await using folder = await demoFolder();
  const path = join(folder.path, "one.bin");
  await Deno.writeFile(path, new Uint8Array(1));
  const { stdout, stderr } = await tally(["demo", path, "--json", "--docker-host", NO_DOCKER], {
    env: { TMPDIR: folder.path },
  });
  const { parts = [] } = eventsOf(stdout).at(-1) as { parts?: { place: string; path: string; sizeBytes: number }[] };
  const [small, ...big] = parts;
  assert.ok(small?.place === "origin" && small.sizeBytes < 2953, stderr);
  assert.deepEqual(big.map(({ place, sizeBytes }) => [place, sizeBytes]), [["CDN", 33], ["device cache", 33]], stderr);
});

Deno.test("tally demo of a file that is not there: 5, and nothing is started", async () => {
  const { exitCode, stdout } = await tally(["demo", "/proc/none", "--json"]);
  assert.equal(exitCode, 5);
  assert.equal(stdout, "");
});

Deno.test("tally demo leaves nothing behind when it is interrupted, wherever that is", async () => {
  const cases = [["started", "SIGINT"], ["device", "SIGTERM"], ["device", "SIGHUP"], ["uploaded", "SIGINT"]] as const;
  for (const [moment, signal] of cases) {
    await using folder = await demoFolder();
    const { exitCode, stderr } = await interruptedDemo(folder, NO_DOCKER, moment, signal);
    assert.equal(exitCode, 130, `${moment}: ${stderr}`);
    assertNothingLeft(folder);
  }
});

Deno.test({
  name: "tally demo unlocks into a real Docker engine and removes its images again",
  ignore: dockerd === undefined,
  async fn(t) {
    assert.ok(dockerd !== undefined);
    await using engine = await startDockerEngine(dockerd);
    await t.step("to its end", async () => {
      await using folder = await demoFolder();
      const { exitCode, stdout, stderr } = await tally([
        "demo",
        folder.file,
        "--json",
        "--docker-host",
        engine.dockerHost,
      ], {
        env: { TMPDIR: folder.path },
      });
      assert.equal(exitCode, 0, stderr);
      const events = eventsOf(stdout);
      const states = events.filter(({ event }) => event === "state").map(({ state }) => state);
      assert.equal(states.at(-1), "ready");
      const { images } = events.find(({ event }) => event === "images") as Event & { images: { reference: string }[] };
      assert.equal(images.length, 7);
      assert.ok(images.every(({ reference }) => /^azaion\/[a-z-]+:tally-demo-[0-9a-f]{8}$/.test(reference)));
      assert.deepEqual(await engine.images.list(), []);
      assertNothingLeft(folder);
    });
    const interruptedAt = async (moment: string, exitCodes: readonly number[]) => {
      await using folder = await demoFolder();
      const { exitCode, stderr } = await interruptedDemo(folder, engine.dockerHost, moment, "SIGINT");
      assert.ok(exitCodes.includes(exitCode), `${exitCode}: ${stderr}`);
      assert.deepEqual(await engine.images.list(), []);
      assertNothingLeft(folder);
    };
    await t.step("interrupted before the unlock", () => interruptedAt("archive", [130]));
    await t.step("interrupted within the unlock", () => interruptedAt("state", [130]));
    await t.step("interrupted while it tidies up", () => interruptedAt("images", [0, 130])); // all is done by then
  },
});

/** Sends the signal to the demo, once, as soon as it prints that event. */
async function interruptedDemo(
  folder: TempFolder & { file: string },
  dockerHost: string,
  moment: string,
  signal: Deno.Signal,
): Promise<{ exitCode: number; stderr: string }> {
  const { program, args, env } = thisProgram(processEnvironment);
  const demo = new Deno.Command(program, {
    args: [...args, "demo", folder.file, "--json", "--docker-host", dockerHost],
    clearEnv: true,
    env: { ...env, TMPDIR: folder.path },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(demo.stderr).text();
  let isSent = false;
  for await (const line of linesOf(demo.stdout)) {
    if (isSent || JSON.parse(line).event !== moment) continue;
    isSent = true;
    demo.kill(signal);
  }
  return { exitCode: (await demo.status).code, stderr: await stderr };
}
