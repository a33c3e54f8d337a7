import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import "ajv";
import "ajv-formats";
import "ajv-formats-draft2019";
import { runChild } from "../../lib/system/process.ts";
import { elfMachine, readBaked } from "../../tools/ship/baked.ts";
import { makeCompiled, makeLauncher } from "../../tools/ship/compile.ts";
import { grantedRights } from "../../tools/ship/flags.ts";
import type { Right } from "../../tools/ship/grants.ts";
import { packRuntime } from "../../tools/ship/launcher.ts";
import { PROGRAMS } from "../../tools/ship/programs.ts";
import { runtimeBytes, runtimePath } from "../../tools/ship/runtime.ts";
import { billOfMaterials } from "../../tools/ship/sbom.ts";
import { parseSite } from "../../tools/ship/site.ts";
import { signSums, writeSums } from "../../tools/ship/sums.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const openssl = peerPath("openssl");
const COMMAND_LIMIT_MS = 30_000;
const SITE = parseSite("settings: { HARDWARE_FILE: /run/tallystick/hardware.json }", {
  api: "api.example.com:443",
  cdn: "cdn.example.com:443",
});

/** Made with a runtime that cannot start what is embedded: enough to see what was embedded. */
async function compiled(program: typeof PROGRAMS[number], folder: string): Promise<Uint8Array<ArrayBuffer>> {
  const denort = await runtimePath("aarch64");
  return await Deno.readFile(await makeCompiled({ program, architecture: "aarch64", site: SITE, folder, denort }));
}

for (const program of PROGRAMS) {
  Deno.test(`deno compile bakes exactly the rights of the ${program} into a program for ARM64`, async () => {
    await using folder = await tempFolder();
    const file = await compiled(program, folder.path);
    const rights = grantedRights(program, SITE);
    const list = (right: Right) => rights.get(right) ?? null;
    const { permissions, argv, v8_flags, env_vars_from_env_file, unstable_config, entrypoint_key } = readBaked(file);
    assert.equal(elfMachine(file), "aarch64");
    assert.deepEqual(permissions, {
      allow_env: list("env"),
      deny_env: null,
      ignore_env: [],
      allow_net: list("net"),
      deny_net: null,
      allow_ffi: null,
      deny_ffi: null,
      allow_read: list("read"),
      deny_read: null,
      ignore_read: null,
      allow_run: null,
      deny_run: null,
      allow_sys: list("sys"),
      deny_sys: null,
      allow_write: list("write"),
      deny_write: null,
      allow_import: [],
      deny_import: [],
      prompt: false,
    });
    assert.deepEqual(argv, []);
    assert.equal(entrypoint_key, "main.js");
    assert.ok(v8_flags.includes("--max-semi-space-size=1"));
    assert.deepEqual(new Set(unstable_config.features), new Set(["no-legacy-abort", "net"]));
    assert.deepEqual(env_vars_from_env_file, SITE.variables);
  });
}

Deno.test("two builds are the same to the last byte, in both forms", async () => {
  await using one = await tempFolder();
  await using other = await tempFolder();
  assert.ok(equal(await compiled("device", one.path), await compiled("device", other.path)), "compiled");
  const options = { program: "device", architecture: "x86_64", site: SITE } as const;
  const launchers = [];
  for (const { path: folder } of [one, other]) {
    launchers.push(await Deno.readFile(await makeLauncher({ ...options, folder })));
  }
  const [first, second] = launchers;
  assert.ok(first !== undefined && second !== undefined && equal(first, second), "launcher");
  const packed = Buffer.from(packRuntime(await runtimeBytes("x86_64")));
  assert.ok(Buffer.from(first.buffer).includes(packed), "the runtime packed anew");
});

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

Deno.test("billOfMaterials() is valid CycloneDX 1.6, says what is shipped and nothing else, and bears no date", async () => {
  const text = await billOfMaterials();
  assert.equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text), null);
  const { components } = JSON.parse(text);
  const names = components.map(({ name, group }: Record<string, string>) =>
    group === undefined ? name : `${group}/${name}`
  );
  for (const shipped of ["deno", "hono", "zod", "jose", "yaml", "commander", "@aws-sdk/client-s3"]) {
    assert.ok(names.includes(shipped), shipped);
  }
  for (const tool of ["fast-check", "puppeteer-core", "@cyclonedx/cyclonedx-library"]) {
    assert.ok(!names.includes(tool), tool);
  }
  assert.equal(await billOfMaterials(), text);
});

Deno.test({
  name: "SHA256SUMS and its signature are what sha256sum and openssl take",
  ignore: openssl === undefined,
  async fn() {
    await using folder = await tempFolder();
    const { path } = folder;
    const run = async (program: string, args: readonly string[]) => {
      const child = await runChild(program, { args, env: {}, signal: AbortSignal.timeout(COMMAND_LIMIT_MS) });
      assert.equal(child.exitCode, 0, child.stderr);
    };
    const dist = join(path, "dist");
    await Deno.mkdir(dist);
    await Deno.writeTextFile(join(dist, "tally-device-aarch64"), "one");
    await Deno.writeTextFile(join(dist, "tally.cdx.json"), "two");
    const [key, publicKey] = [join(path, "key.pem"), join(path, "public.pem")];
    await run(openssl ?? "", ["genpkey", "-algorithm", "ed25519", "-out", key]);
    await run(openssl ?? "", ["pkey", "-in", key, "-pubout", "-out", publicKey]);
    await writeSums(dist);
    await signSums(dist, key);
    const sums = join(dist, "SHA256SUMS");
    const verify = [
      "pkeyutl",
      "-verify",
      "-pubin",
      "-inkey",
      publicKey,
      "-rawin",
      "-in",
      sums,
      "-sigfile",
      `${sums}.sig`,
    ];
    await run(openssl ?? "", verify);
    await run("/bin/sh", ["-c", 'cd "$1" && /usr/bin/sha256sum --strict -c SHA256SUMS', "sh", dist]);
    assert.equal((await Deno.readTextFile(sums)).split("\n").length, 3);
    await writeSums(dist);
    await run(openssl ?? "", verify);
  },
});
