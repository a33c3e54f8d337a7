import assert from "node:assert/strict";
import { join } from "node:path";
import { runChild } from "../../../lib/system/process.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const INSTALL = new URL("../../../packaging/install.sh", import.meta.url).pathname;
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const LIMIT_MS = 20_000;

interface Machine extends AsyncDisposable {
  /** Its root folder. */
  readonly root: string;
  /** Makes a shipped file with its sums, and returns its path. */
  ship(program: string, content: string): Promise<string>;
  install(...args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  read(path: string): Promise<string>;
  /** Everything that is not a folder, but what `useradd` keeps beside its files. */
  files(): Promise<string[]>;
}

/** The root folder of a machine with two groups and one user. */
async function machine(): Promise<Machine> {
  const folder = await tempFolder();
  const root = join(folder.path, "root");
  const dist = join(folder.path, "dist");
  await Deno.mkdir(join(root, "etc"), { recursive: true });
  await Deno.mkdir(dist);
  await Deno.writeTextFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await Deno.writeTextFile(join(root, "etc/group"), "root:x:0:\ndocker:x:990:\n");
  return {
    root,
    async ship(program, content) {
      const path = join(dist, program);
      await Deno.writeTextFile(path, content);
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
      await Deno.writeTextFile(join(dist, "SHA256SUMS"), `${new Uint8Array(digest).toHex()}  ${program}\n`);
      return path;
    },
    async install(...args) {
      const signal = AbortSignal.timeout(LIMIT_MS);
      const { exitCode, stdout, stderr } = await runChild(INSTALL, { args, env: { PATH, DESTDIR: root }, signal });
      return { exitCode, stdout: new TextDecoder().decode(stdout), stderr };
    },
    read: (path) => Deno.readTextFile(join(root, path)),
    files: async () => (await Array.fromAsync(filesBelow(root))).filter((path) => !path.endsWith("-")).sort(),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function* filesBelow(folder: string, prefix = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesBelow(join(folder, name), `${prefix}${name}/`);
    else yield `${prefix}${name}`;
  }
}

const ACCOUNTS = ["etc/group", "etc/passwd"];
const INSTALLED = [
  ...ACCOUNTS,
  "etc/systemd/system/tallystick-device.service",
  "usr/local/bin/tally-device",
  "usr/local/lib/tallystick/tally-device",
];

Deno.test("install.sh installs, upgrades when it is repeated, and takes away again", async (t) => {
  await using device = await machine();

  await t.step("program, unit, user", async () => {
    const { exitCode, stderr } = await device.install(await device.ship("tally-device-x86_64", "first"));
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
    assert.deepEqual(await device.files(), INSTALLED);
    assert.match(await device.read("etc/passwd"), /^tallystick:.*:\/var\/lib\/tallystick:\/usr\/sbin\/nologin$/m);
    assert.match(await device.read("etc/group"), /^docker:x:990:tallystick$/m);
    assert.equal(Deno.statSync(join(device.root, "usr/local/lib/tallystick/tally-device")).mode, 0o100755);
  });

  await t.step("the next one takes its place, and the accounts stay as they are", async () => {
    const before = [await device.read("etc/passwd"), await device.read("etc/group")];
    assert.equal((await device.install(await device.ship("tally-device-aarch64", "second"))).exitCode, 0);
    assert.deepEqual(await device.files(), INSTALLED);
    assert.equal(await device.read("usr/local/lib/tallystick/tally-device"), "second");
    assert.deepEqual([await device.read("etc/passwd"), await device.read("etc/group")], before);
  });

  await t.step("a file that is not what SHA256SUMS says is refused, and nothing is changed", async () => {
    const path = await device.ship("tally-device-aarch64", "third");
    await Deno.writeTextFile(path, "damaged");
    const { exitCode, stderr } = await device.install(path);
    assert.equal(exitCode, 1);
    assert.match(stderr, /is not what SHA256SUMS beside it says/);
    assert.equal(await device.read("usr/local/lib/tallystick/tally-device"), "second");
  });

  await t.step("away, twice", async () => {
    for (let i = 0; i < 2; i++) assert.equal((await device.install("--uninstall", "device")).exitCode, 0);
    assert.deepEqual(await device.files(), ACCOUNTS);
  });
});

Deno.test("install.sh gives an origin no way to the engine", async () => {
  await using server = await machine();
  assert.equal((await server.install(await server.ship("tally-origin-x86_64", "origin"))).exitCode, 0);
  assert.match(await server.read("etc/passwd"), /^tallystick-origin:/m);
  assert.match(await server.read("etc/group"), /^docker:x:990:$/m);
});

Deno.test("install.sh refuses what is no service of ours", async () => {
  await using device = await machine();
  for (const args of [[], ["--uninstall"], ["--uninstall", "cli"], ["--help"], ["/bin/true"], ["tally-cli-x86_64"]]) {
    assert.equal((await device.install(...args)).exitCode, 2, args.join(" "));
  }
  assert.deepEqual(await device.files(), ACCOUNTS);
});
