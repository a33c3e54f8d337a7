import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { TokenCache } from "../../../../lib/auth/token_cache.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { settingsFrom } from "../../../support/test_issuer.ts";

const GRANT = { accessToken: new Secret("access"), refreshToken: new Secret("refresh"), clientId: "client" };

function cacheAt(folder: string, variables: Record<string, string> = {}): TokenCache {
  return new TokenCache(settingsFrom({ AIGNOSTICS_CACHE_DIR: folder, ...variables }), systemClock);
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

Deno.test("TokenCache gives back what it keeps, in a file and a folder for its owner only", async () => {
  await using folder = await tempFolder();
  await Deno.chmod(folder.path, 0o755);
  const cache = cacheAt(folder.path);
  assert.equal(await cache.read(), undefined);
  await cache.write(GRANT);
  const read = await cache.read();
  assert.deepEqual([read?.accessToken.reveal(), read?.refreshToken?.reveal(), read?.clientId], [
    "access",
    "refresh",
    "client",
  ]);
  assert.deepEqual([await modeOf(cache.path), await modeOf(dirname(cache.path))], [0o600, 0o700]);
  await cache.write({ ...GRANT, refreshToken: undefined });
  assert.equal((await cache.read())?.refreshToken, undefined);
  await cache.remove();
  await cache.remove();
  assert.deepEqual(await namesIn(dirname(cache.path)), []);
  assert.doesNotMatch(Deno.inspect(read), /access"|refresh"/);
});

Deno.test("TokenCache keeps one file for each platform, client, audience, endpoint and organisation", async () => {
  await using folder = await tempFolder();
  const others: Record<string, string>[] = [
    {},
    { AIGNOSTICS_API_ROOT: "staging" },
    { AIGNOSTICS_API_ROOT: "development" },
    { AIGNOSTICS_API_ROOT: "test" },
    { AIGNOSTICS_CLIENT_ID_INTERACTIVE: "another" },
    { AIGNOSTICS_AUDIENCE: "https://another.test" },
    { AIGNOSTICS_TOKEN_URL: "https://thief.test/token" },
    { AIGNOSTICS_JWS_JSON_URL: "https://thief.test/jwks" },
    { AIGNOSTICS_ORGANIZATION_ID: "org_2" },
    { AIGNOSTICS_SCOPE: "offline_access,read:data" },
  ];
  const paths = others.map((variables) => cacheAt(folder.path, variables).path);
  assert.equal(new Set(paths).size, others.length);
  assert.equal(cacheAt(folder.path, { AIGNOSTICS_API_ROOT: "https://platform.aignostics.com/" }).path, paths[0]);
});

Deno.test("TokenCache takes rights away that others have, and uses nothing that somebody else could have laid there", async () => {
  await using folder = await tempFolder();
  const cache = cacheAt(folder.path);
  await cache.write(GRANT);
  await Deno.chmod(cache.path, 0o644);
  await Deno.chmod(dirname(cache.path), 0o755);
  assert.equal((await cache.read())?.clientId, "client");
  assert.equal(await modeOf(cache.path), 0o600);
  await cache.write(GRANT);
  assert.equal(await modeOf(dirname(cache.path)), 0o700);
  const elsewhere = join(folder.path, "elsewhere.json");
  await Deno.rename(cache.path, elsewhere);
  await Deno.symlink(elsewhere, cache.path);
  await assert.rejects(cache.read(), ConfigurationError);
  await Deno.remove(cache.path);
  if (Deno.uid() !== 0) return;
  await Deno.rename(elsewhere, cache.path);
  await Deno.chown(cache.path, 12345, null);
  await assert.rejects(cache.read(), /it belongs to another user/);
  await Deno.chown(dirname(cache.path), 12345, null);
  await assert.rejects(cache.write(GRANT), /it belongs to another user/);
});

Deno.test("TokenCache removes what it cannot read", async () => {
  await using folder = await tempFolder();
  const cache = cacheAt(folder.path);
  const wrong = ["", "{", "[]", '{"access_token":5}', '{"access_token":"","client_id":"c"}', "x".repeat(70_000)];
  for (const text of [...wrong, "token:1795474752"]) {
    await cache.write(GRANT);
    await Deno.writeTextFile(cache.path, text);
    assert.equal(await cache.read(), undefined, text.slice(0, 40));
    assert.deepEqual(await namesIn(dirname(cache.path)), []);
  }
});

Deno.test("TokenCache.lock() lets one in at a time, and ends a wait when its caller stops", async () => {
  await using folder = await tempFolder();
  const cache = cacheAt(folder.path);
  const { signal } = new AbortController();
  const first = await cache.lock(signal);
  let isIn = false;
  const second = cacheAt(folder.path).lock(signal).then((lock) => {
    isIn = true;
    return lock;
  });
  await assert.rejects(cacheAt(folder.path).lock(AbortSignal.timeout(150)));
  assert.equal(isIn, false);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  assert.equal(isIn, true);
});

Deno.test("TokenCache holds the old or the new tokens, whole, when its process is killed while it writes", async () => {
  await using folder = await tempFolder();
  const cache = cacheAt(folder.path);
  for (let round = 0; round < 6; round++) {
    const writer = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tests/support/token_writer.ts", folder.path],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const output = writer.stdout.getReader();
    await output.read();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    writer.kill("SIGKILL");
    await writer.status;
    await output.cancel();
    const read = await cache.read();
    assert.match(read?.accessToken.reveal() ?? "", /^\d+x{19000,}$/);
    assert.equal(read?.accessToken.reveal(), read?.refreshToken?.reveal());
  }
  await cache.write(GRANT);
  const left = await namesIn(dirname(cache.path));
  assert.deepEqual(left.filter((name) => name.endsWith(".partial")), [], "what the killed ones left is swept");
});
