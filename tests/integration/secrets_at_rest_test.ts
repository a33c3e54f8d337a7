import assert from "node:assert/strict";
import { join } from "node:path";
import { TokenCache } from "../../lib/auth/token_cache.ts";
import { utf8 } from "../../lib/bytes.ts";
import { readCdnFile } from "../../lib/config/cdn_file.ts";
import { readPlatformSources } from "../../lib/config/platform_settings.ts";
import { Secret } from "../../lib/config/secret.ts";
import { readContentKey, writeContentKey } from "../../lib/crypto/content_key_file.ts";
import { readPrivateKey, rotateKeyPair, writeKeyPair } from "../../lib/crypto/key_file.ts";
import { generateJwk } from "../../lib/crypto/okp_key.ts";
import { deviceKey } from "../../lib/device/device_key.ts";
import { StateFolder } from "../../lib/device/state_folder.ts";
import { readSecretFile } from "../../lib/system/files.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { initOrigin } from "../../origin/init.ts";
import { newMasterKey, readMasterKeys, writeMasterKeys } from "../../origin/master_key.ts";
import { State } from "../../origin/state.ts";
import { FACTS } from "../support/hardware_facts.ts";
import { OriginSite } from "../support/origin_site.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { settingsFrom } from "../support/test_issuer.ts";

/** A file with a secret in it, as somebody makes it, and how it is read. */
interface SecretFile {
  readonly what: string;
  /** Makes it in a folder; `written` by the program itself, or by a person. @returns its path */
  readonly make: (folder: string) => Promise<string>;
  readonly by: "program" | "person";
  readonly read: (path: string, folder: string) => Promise<unknown>;
  /** Rights of others that it may be read with all the same. */
  readonly allowed?: number;
}

const PERSONS_MODE = 0o600;

async function written(folder: string, name: string, text: string): Promise<string> {
  await Deno.writeTextFile(join(folder, name), text, { mode: PERSONS_MODE });
  return join(folder, name);
}

/** Runs a command line that must succeed, else throws what it said. */
async function mustRun(args: readonly string[], cwd: string): Promise<void> {
  const { exitCode, stderr } = await tally(args, { cwd });
  if (exitCode !== 0) throw new Error(stderr);
}

const state = (folder: string) => new StateFolder(folder, systemClock);

const FILES: readonly SecretFile[] = [
  {
    what: "the device's key",
    by: "program",
    make: async (folder) => (await deviceKey(state(folder), FACTS), join(folder, "device_key.json")),
    read: (_path, folder) => deviceKey(state(folder), FACTS),
  },
  ...(["X25519", "Ed25519"] as const).map((curve): SecretFile => ({
    what: `a key of tally keys new (${curve})`,
    by: "program",
    make: async (folder) => (await writeKeyPair(join(folder, "key"), await generateJwk(curve)), join(folder, "key")),
    read: (path) => readPrivateKey(path, curve),
  })),
  {
    what: "a publisher's key that was rotated away",
    by: "program",
    async make(folder) {
      await writeKeyPair(join(folder, "key"), await generateJwk("Ed25519"));
      return await rotateKeyPair(join(folder, "key"), await generateJwk("Ed25519"));
    },
    read: (path) => readPrivateKey(path, "Ed25519"),
  },
  {
    what: "a content key",
    by: "program",
    make: async (folder) => (await writeContentKey(join(folder, "cek"), new Uint8Array(32)), join(folder, "cek")),
    read: readContentKey,
  },
  {
    what: "the origin's master key",
    by: "program",
    make: async (folder) => (await writeMasterKeys(join(folder, "k"), [await newMasterKey()]), join(folder, "k")),
    read: (path) => readMasterKeys({ text: undefined, path }),
  },
  {
    what: "the origin's database, with issuer keys and secrets",
    by: "program",
    make: async (
      folder,
    ) => (await initOrigin(join(folder, "o"), { email: "a@example.com" }), join(folder, "o/origin.db")),
    read: async (path) => (await State.open(join(path, ".."), 0))[Symbol.dispose](),
    allowed: 0o070, // container platforms give volumes to a group
  },
  {
    what: "JWT_HS256_SECRET_FILE",
    by: "person",
    make: (folder) => written(folder, "hs256", "s".repeat(32)),
    read: readSecretFile,
  },
  {
    what: "CDN_CONFIG with keys",
    by: "person",
    make: (folder) =>
      written(folder, "cdn.yaml", "host: https://s3.example\ndownloader_access_key: a\ndownloader_access_secret: b"),
    read: readCdnFile,
  },
  {
    what: "a .env file with a token",
    by: "person",
    make: (folder) => written(folder, ".env", "AIGNOSTICS_REFRESH_TOKEN=abcdefghijkl\n"),
    read: (path) => readPlatformSources({ AIGNOSTICS_ENV_FILE: path }, () => undefined),
  },
];

for (const { what, by, make, read, allowed = 0 } of FILES) {
  Deno.test(`a secret at rest is for its owner only: ${what}`, async () => {
    await using folder = await tempFolder();
    const path = await make(folder.path);
    assert.equal(
      ((await Deno.stat(path)).mode ?? 0) & 0o777,
      0o600,
      by === "program" ? "as it was written" : "as it was made",
    );
    await read(path, folder.path);
    for (const rights of [0o040, 0o004, 0o020, 0o002]) {
      await Deno.chmod(path, 0o600 | rights);
      if ((rights & allowed) !== 0) await read(path, folder.path);
      else {
        const refusal = (error: unknown) =>
          error instanceof Error && error.message.includes(`can be read by others: chmod 600 "${path}"`);
        await assert.rejects(async () => await read(path, folder.path), refusal, `others have ${rights.toString(8)}`);
      }
    }
    await Deno.chmod(path, 0o600);
    await read(path, folder.path);
  });
}

Deno.test("a secret at rest is for its owner only: files that are handed to a verb", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const account = await written(folder.path, "account.json", "{}");
  const fragment = await written(folder.path, "fragment", "a fragment of a key");
  const services = await written(folder.path, "services.json", JSON.stringify({}));
  const commands = [
    ["origin", "set-key-fragment", "--file", fragment, "--data-dir", site.dataDir],
    ["origin", "organization", "add", "acme", "--services", services, "--data-dir", site.dataDir],
  ];
  await Deno.chmod(account, 0o644);
  const sign = mustRun(["sign-url", "gs://bucket/object", "--key-file", account], folder.path);
  await assert.rejects(sign, /can be read by others: chmod 600/);
  for (const [index, path] of [fragment, services].entries()) {
    await Deno.chmod(path, 0o644);
    await assert.rejects(mustRun(commands[index] ?? [], folder.path), /can be read by others: chmod 600/);
    await Deno.chmod(path, 0o600);
    await mustRun(commands[index] ?? [], folder.path);
  }
});

Deno.test("a secret at rest is for its owner only: cached tokens lose the rights that others have", async () => {
  await using folder = await tempFolder();
  const cache = new TokenCache(settingsFrom({ AIGNOSTICS_CACHE_DIR: folder.path }), systemClock);
  const token = new Secret("cached-token-4711");
  await cache.write({ accessToken: token, refreshToken: undefined, clientId: "a" });
  assert.equal(((await Deno.stat(cache.path)).mode ?? 0) & 0o777, 0o600);
  await Deno.chmod(cache.path, 0o644);
  assert.equal((await cache.read())?.accessToken.reveal(), token.reveal());
  assert.equal(((await Deno.stat(cache.path)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("what holds no secret may be read by others: a CDN that is a folder, a .env without tokens", async () => {
  await using folder = await tempFolder();
  const cdn = join(folder.path, "cdn.yaml");
  const env = join(folder.path, ".env");
  await Deno.writeFile(cdn, utf8("host: file:///media/usb"), { mode: 0o644 });
  await Deno.writeFile(env, utf8("AIGNOSTICS_API_ROOT=https://platform.example.com"), { mode: 0o644 });
  await readCdnFile(cdn);
  await readPlatformSources({ AIGNOSTICS_ENV_FILE: env }, () => undefined);
});
