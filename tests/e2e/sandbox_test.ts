import assert from "node:assert/strict";
import { join } from "node:path";
import { bundle } from "../../tools/ship/bundle.ts";
import { grantedVariables, RUNTIME_VARIABLES } from "../../tools/ship/flags.ts";
import type { Architecture } from "../../tools/ship/programs.ts";
import { expect, loadModel, post, useDevice } from "../support/device_round.ts";
import { PASSWORD } from "../support/origin_site.ts";
import { dockerPrograms, startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { peerPath } from "../support/peers.ts";
import { ShippedSite } from "../support/shipped_site.ts";
import { tally } from "../support/tally.ts";
import { UNLOCK_SETTINGS, unlockImages, writeImages } from "../support/unlock_round.ts";

const PROBE = new URL("../support/sandbox_probe.js", import.meta.url);
const qemu = peerPath("qemu");
const dockerd = peerPath("dockerd");
const SECRET = "a secret of somebody else";
/** What the launcher gives the runtime beside the settings. */
const OWN_VARIABLES = ["DENO_DIR", ...RUNTIME_VARIABLES.map(({ name }) => name)];

interface ProbeReport {
  readonly results: Readonly<Record<string, string>>;
  readonly architecture: string;
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string | null>>;
  readonly logLevel: string | null;
  readonly hardwareFile: unknown;
  readonly gc: string;
  readonly evil: unknown;
}

/** A folder full of what could change how a program runs, and variables that point into it. */
async function hostileSurroundings(folder: string): Promise<{ cwd: string; env: Record<string, string> }> {
  const cwd = join(folder, "hostile");
  await Deno.mkdir(cwd, { recursive: true });
  const evil = join(cwd, "evil.js");
  await Deno.writeTextFile(evil, "globalThis.evil = true;");
  await Deno.writeTextFile(join(cwd, ".env"), "LOG_LEVEL=debug\nSECRET_TOKEN=from-file\n");
  await Deno.writeTextFile(
    join(cwd, "deno.json"),
    JSON.stringify({
      imports: { "zod": "./evil.js" },
      permissions: { default: { all: true } },
      preload: ["./evil.js"],
    }),
  );
  await Deno.writeTextFile(join(cwd, "package.json"), JSON.stringify({ type: "commonjs", main: "evil.js" }));
  const env = {
    DENO_PERMISSION_BROKER_PATH: join(cwd, "broker.sock"),
    NODE_OPTIONS: `--require ${evil}`,
    DENO_V8_FLAGS: "--expose-gc",
    DENO_INTERNAL_CHILD_ENTRYPOINT: evil,
    NODE_CHANNEL_FD: "3",
    DENO_DIR: cwd,
    DENO_CERT: join(cwd, "evil.pem"),
    DENO_TLS_CA_STORE: "system",
    NODE_EXTRA_CA_CERTS: join(cwd, "evil.pem"),
    LD_PRELOAD: "/lib/x86_64-linux-gnu/libutil.so.1",
    LD_LIBRARY_PATH: cwd,
    HARDWARE_FILE: "/etc/passwd",
    HARDWARE_ROOT: cwd,
    TAR_OPTIONS: "--checkpoint-action=exec=false",
    SECRET_TOKEN: SECRET,
  };
  return { cwd, env };
}

async function runProbe(
  site: ShippedSite,
  path: string,
  { args = [], ...options }: { args?: readonly string[]; cwd?: string; env?: Record<string, string> },
): Promise<ProbeReport> {
  const folder = join(site.folder, "models");
  const secretFile = join(site.folder, "secret.txt");
  await Deno.writeTextFile(secretFile, SECRET);
  await Deno.writeTextFile(`${secretFile}.js`, "export default 1;");
  await Deno.symlink("/proc/cpuinfo", join(folder, "proc")).catch(() => undefined);
  using decoy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const input = JSON.stringify({ folder, secretFile, openPort: decoy.addr.port });
  const { exitCode, stdout, stderr } = await site.run(path, [input, ...args], options);
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

async function testDenials(site: ShippedSite, architecture: Architecture): Promise<void> {
  const path = await site.make("device", architecture, await Deno.readFile(PROBE));
  const args = ["-A", "--allow-all", "--allow-read", "--", "-A", "-P=default", "--config=deno.json"];
  const report = await runProbe(site, path, { ...await hostileSurroundings(site.folder), args });
  const denied = Object.keys(report.results).map((name) => [name, "denied"]);
  assert.deepEqual(report.results, Object.fromEntries(denied));
  assert.ok(denied.length > 20);
  assert.equal(report.architecture, architecture);
  assert.deepEqual(report.args, args);
  assert.deepEqual(Object.values(report.variables).filter((value) => value !== null), []);
  assert.equal(report.logLevel, null);
  assert.deepEqual(Object.keys(Object(report.hardwareFile)), ["cpu", "gpu", "memory", "driveSerial"]);
  assert.equal(report.gc, "undefined");
  assert.equal(report.evil, null);
}

Deno.test("launcher: everything that a device must do works, whatever surrounds it", async (t) => {
  await using site = await ShippedSite.open();
  const path = await site.make("device", "x86_64");
  const surroundings = await hostileSurroundings(site.folder);
  await using device = await site.startDevice(path, surroundings);

  await t.step("sign-in, upload, load", () => useDevice(site.origin, device.url));

  await t.step("the process has no variable but the settings", async () => {
    const environment = await Deno.readTextFile(`/proc/${device.pid}/environ`);
    const names = environment.split("\0").map((pair) => pair.split("=")[0] ?? "").filter((name) => name !== "");
    assert.deepEqual(
      names.filter((name) => ![...grantedVariables("device", site.site), ...OWN_VARIABLES].includes(name)),
      [],
    );
    assert.doesNotMatch(environment, new RegExp(SECRET));
  });

  await t.step("a link in the cache leads nowhere", async () => {
    const outside = join(site.folder, "outside");
    const cached = join(site.folder, "models", "models");
    await Deno.mkdir(outside);
    await Deno.rename(cached, `${cached}.away`);
    await Deno.symlink(outside, cached);
    await loadModel(device.url);
    assert.deepEqual([...Deno.readDirSync(outside)], []);
  });
});

Deno.test("launcher: the command line and the origin do their work, and say what the sandbox refuses", async (t) => {
  await using site = await ShippedSite.open();
  const device = await site.make("device", "x86_64");
  await using _running = await site.startDevice(device);

  await t.step("the command line talks to the device of its site, and to the API", async () => {
    const cli = await site.make("cli", "x86_64");
    const { email } = await site.origin.user("ResourceUploader");
    await Deno.writeTextFile(join(site.folder, "note.txt"), "hello");
    const signIn = `echo '${PASSWORD}' | ${cli} login --email ${email} --password-stdin`;
    const upload = `${cli} upload note.txt --folder texts && ${cli} load note.txt --folder texts -o copy.txt`;
    const { exitCode, stderr } = await site.run("/bin/sh", ["-c", `${signIn} && ${upload}`]);
    assert.equal(exitCode, 0, stderr);
    assert.equal(await Deno.readTextFile(join(site.folder, "copy.txt")), "hello");
    const elsewhere = await site.run(cli, ["status", "--device-url", site.origin.url.replace(/\d+$/, "65000")]);
    assert.equal(elsewhere.exitCode, 2);
    assert.match(
      elsewhere.stderr,
      /^tally: The sandbox of this program does not let it reach the device at .*:65000$/m,
    );
  });

  await t.step("the command line runs an application of the platform of its site, and reaches no other", async () => {
    const cli = await site.make("cli", "x86_64");
    const { token } = await site.origin.user("Operator");
    const env = { AIGNOSTICS_TOKEN: token };
    const item = ["--item", "x", "--input", "file=https://storage.invalid/x", "--wait", "--json"];
    const { exitCode, stdout, stderr } = await site.run(cli, ["run", "submit", "checksum", ...item], { env });
    assert.equal(exitCode, 1, stderr); // there is no such input, and the item says so
    assert.match(stdout, /"event":"submitted"/);
    assert.equal(JSON.parse(stderr).code, "partial", stderr);
    const other = { ...env, AIGNOSTICS_API_ROOT: "https://other.example.com/" };
    const elsewhere = await site.run(cli, ["application", "list"], { env: other });
    assert.equal(elsewhere.exitCode, 2);
    assert.match(
      elsewhere.stderr,
      /^tally: The sandbox of this program does not let it reach the API at other\.example\.com/m,
    );
  });

  await t.step("the origin keeps to its folder", async () => {
    const origin = await site.make("origin", "x86_64");
    const init = (folder: string) => site.run(origin, ["origin", "init", "--data-dir", folder]);
    assert.equal((await init(site.site.origin.dataDir)).exitCode, 0);
    const { exitCode, stderr } = await init(join(site.folder, "elsewhere"));
    assert.equal(exitCode, 2);
    assert.match(stderr, /^tally: The sandbox of this program refuses (read|write) access to/m);
    await assert.rejects(Deno.stat(join(site.folder, "elsewhere")), Deno.errors.NotFound);
  });

  await t.step("the device listens nowhere else", async () => {
    const { exitCode, stderr } = await site.run(device, ["device", "--port", "1024"]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /The sandbox of this program refuses net access to "127\.0\.0\.1:1024"/);
  });
});

Deno.test("the hardware facts are the same from source, a collected file, the launcher, and a bind-mounted root", async (t) => {
  await using site = await ShippedSite.open();
  const { exitCode, stdout: expected, stderr } = await tally(["hardware", "--json"]);
  assert.equal(exitCode, 0, stderr);
  assert.notEqual(JSON.parse(expected).cpu, "");

  await t.step("a collected file", async () => {
    const file = join(site.folder, "hardware.json");
    assert.equal((await tally(["hardware", "--collect", "--out", file])).exitCode, 0);
    assert.equal((await tally(["hardware", "--json"], { env: { HARDWARE_FILE: file } })).stdout, expected);
    assert.equal((await tally(["hardware", "--collect"])).stdout, await Deno.readTextFile(file));
  });

  await t.step("the launcher", async () => {
    const path = await site.make("device", "x86_64");
    assert.equal((await site.run(path, ["hardware", "--json"])).stdout, expected);
  });

  await t.step({
    name: "a bind-mounted root, with a right to read nothing else",
    ignore: Deno.uid() !== 0,
    fn: fromMounts,
  });

  async function fromMounts() {
    const root = join(site.folder, "root");
    const folders = ["proc", "sys/block", "sys/bus", "sys/devices", "sys/firmware"];
    const mounts = folders.map((folder) => `mkdir -p ${root}/${folder} && mount --rbind /${folder} ${root}/${folder}`);
    const main = join(site.folder, "main.js");
    await Deno.writeFile(main, await bundle("main.js"));
    const run = [
      Deno.execPath(),
      "run",
      "--no-prompt",
      "--ignore-env",
      `--allow-read=${root}`,
      main,
      "hardware",
      "--json",
    ];
    const script = [...mounts, `exec ${run.join(" ")} --hardware-root ${root}`].join(" && ");
    const { stdout, stderr } = await site.run("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script]);
    assert.equal(stdout, expected, stderr);
  }
});

Deno.test("launcher: what is not granted is denied, whatever surrounds it", async () => {
  await using site = await ShippedSite.open();
  await testDenials(site, "x86_64");
});

Deno.test({
  name: "launcher for ARM64: what is granted works and what is not is denied, under an emulator",
  ignore: qemu === undefined || dockerd === undefined,
  async fn(t) {
    await using engine = await startDockerEngine(dockerd ?? "");
    await using site = await openUnlockSite(engine);
    await writeImages(site.origin, site.imagesPath);
    await t.step("denials", () => testDenials(site, "aarch64"));
    const path = await site.make("device", "aarch64");
    await using device = await site.startDevice(path);
    await t.step("sign-in, upload, load", () => useDevice(site.origin, device.url));
    await t.step("unlock", () => unlockImages(site.origin, device.url, engine));
  },
});

/** A site whose device unlocks into an engine. */
function openUnlockSite(
  { dockerHost }: TestEngine,
  settings: Readonly<Record<string, string>> = {},
): Promise<ShippedSite> {
  return ShippedSite.open({ settings: { ...UNLOCK_SETTINGS, DOCKER_HOST: dockerHost, ...settings } });
}

Deno.test({
  name: "launcher: it unlocks into a Docker engine by its socket",
  ignore: dockerd === undefined,
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    await using site = await openUnlockSite(engine);
    await writeImages(site.origin, site.imagesPath);
    await using device = await site.startDevice(await site.make("device", Deno.build.arch));
    await unlockImages(site.origin, device.url, engine);
  },
});

Deno.test({
  name: "launcher: it unlocks by the docker program where its site says so, and starts no other program",
  ignore: dockerd === undefined,
  async fn(t) {
    await using engine = await startDockerEngine(dockerd ?? "");
    const [program = ""] = dockerPrograms();
    await using site = await openUnlockSite(engine, { DOCKER_VIA: "cli", DOCKER_PROGRAM: program });
    await writeImages(site.origin, site.imagesPath);
    const path = await site.make("device", Deno.build.arch);
    await t.step("denials", () => testDenials(site, Deno.build.arch));

    await t.step("another program in the place of docker", async () => {
      const env = { DOCKER_PROGRAM: "/bin/true" };
      const { email } = await site.origin.user("Operator", "other@example.com");
      await using device = await site.startDevice(path, { env });
      const refused = await expect(502, post(`${device.url}/unlock`, JSON.stringify({ email, password: PASSWORD })));
      assert.match(
        new TextDecoder().decode(refused),
        /sandbox of this program refuses run access to \\"\/bin\/true\\"/,
      );
    });

    await t.step("unlock", async () => {
      await using device = await site.startDevice(path);
      await unlockImages(site.origin, device.url, engine);
    });
  },
});

Deno.test("launcher: six first starts at once, a damaged cache, a cache that is open to others", async (t) => {
  await using site = await ShippedSite.open();
  const path = await site.make("device", "x86_64");
  const cache = join(site.folder, "cache/tallystick");
  const version = async () => {
    const { exitCode, stdout, stderr } = await site.run(path, ["version"]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^tally \d/);
  };
  const folders = () => [...Deno.readDirSync(cache)].map(({ name }) => name);

  await t.step("all six start, and one folder is left", async () => {
    await Promise.all(Array.from({ length: 6 }, version));
    assert.equal(folders().length, 1);
  });

  const unpacked = join(cache, folders()[0] ?? "");
  await t.step("a changed program and a truncated runtime are replaced", async () => {
    await Deno.writeTextFile(join(unpacked, "main.js"), "console.log('not ours')");
    await version();
    await Deno.truncate(join(unpacked, "deno"), 1000);
    await version();
    assert.equal(folders().length, 1);
  });

  await t.step("a folder that is open to others is refused", async () => {
    await Deno.chmod(unpacked, 0o755);
    const { exitCode, stdout } = await site.run(path, ["version"]);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 126, stdout: "" });
    await Deno.chmod(unpacked, 0o700);
    await Deno.chmod(cache, 0o777);
    assert.equal((await site.run(path, ["version"])).exitCode, 126);
  });

  await t.step("a damaged file does not start", async () => {
    const bytes = await Deno.readFile(path);
    const at = bytes.byteLength - 100_000;
    bytes.set(bytes.subarray(at, at + 1000).map((byte) => byte ^ 1), at);
    await Deno.writeFile(`${path}.damaged`, bytes, { mode: 0o755 });
    const env = { XDG_CACHE_HOME: join(site.folder, "other") };
    const { exitCode, stdout } = await site.run(`${path}.damaged`, ["version"], { env });
    assert.deepEqual({ exitCode, stdout }, { exitCode: 126, stdout: "" });
    assert.deepEqual([...Deno.readDirSync(join(env.XDG_CACHE_HOME, "tallystick"))], []);
  });
});
