import assert from "node:assert/strict";
import { join } from "node:path";
import { ENVIRONMENTS } from "../../../../lib/config/platform_environments.ts";
import { PLATFORM_OPTIONS } from "../../../../lib/config/platform_options.ts";
import {
  collectPlatformSettings,
  parsePlatformSettings,
  type PlatformSettings,
  type PlatformSources,
  readPlatformSources,
} from "../../../../lib/config/platform_settings.ts";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

function parse(variables: Record<string, string>): PlatformSettings {
  return parsePlatformSettings(sources(variables));
}

function sources(variables: Record<string, string>): PlatformSources {
  return { flags: {}, environment: (name) => variables[name], files: [] };
}

function faultsOf(variables: Record<string, string>): readonly string[] {
  try {
    parse(variables);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.faults;
  }
}

/** The table of the platform's own client: name, root, audience, host of the issuer, client. */
const KNOWN = [
  ["production", "https://platform.aignostics.com", "https://aignostics-platform-samia", "aignostics-platform"],
  [
    ...["staging", "https://platform-staging.aignostics.com", "https://aignostics-platform-staging-samia"],
    "aignostics-platform-staging",
  ],
  ["development", "https://platform-dev.aignostics.ai", "https://dev-8ouohmmrbuh2h4vu-samia", "dev-8ouohmmrbuh2h4vu"],
  ["test", "https://platform-test.aignostics.ai", "https://dev-8ouohmmrbuh2h4vu-samia", "dev-8ouohmmrbuh2h4vu"],
] as const;

for (const [name, root = "", audience, tenant] of KNOWN) {
  Deno.test(`parsePlatformSettings() knows all endpoints of ${name}, by its name and by its address`, () => {
    for (const given of [name, root, `${root}/`]) {
      const { environment, apiRoot, oauth } = parse({ AIGNOSTICS_API_ROOT: given });
      assert.deepEqual([environment, apiRoot.href, oauth.audience], [name, `${root}/`, audience], given);
      const issuer = `https://${tenant}.eu.auth0.com/`;
      assert.equal(oauth.issuer, issuer);
      assert.equal(oauth.authorizationBaseUrl?.href, `${issuer}authorize`);
      assert.equal(oauth.tokenUrl?.href, `${issuer}oauth/token`);
      assert.equal(oauth.deviceUrl?.href, `${issuer}oauth/device/code`);
      assert.equal(oauth.jwsJsonUrl?.href, `${issuer}.well-known/jwks.json`);
      assert.equal(oauth.redirectUri.href, "http://localhost:8989/");
      assert.equal(oauth.clientIdDevice, undefined);
    }
  });
}

Deno.test("parsePlatformSettings() takes production when nobody names a root, with the defaults of the table", () => {
  const settings = parse({ HOME: "/home/ada" });
  assert.equal(settings.environment, "production");
  assert.equal(settings.statusPageUrl?.href, "https://status.platform.aignostics.com/");
  assert.deepEqual(settings.scopes, ["offline_access"]);
  assert.equal(settings.cacheDir, "/home/ada/.cache/aignostics");
  assert.deepEqual(new Set(Object.values(settings.timeoutsMs)), new Set([30_000]));
  assert.deepEqual(settings.retries.run, { attempts: 4, baseDelayMs: 100, maxDelayMs: 60_000 });
  assert.deepEqual(settings.retries.auth, { attempts: 4, baseDelayMs: 3_000, maxDelayMs: 60_000 });
  assert.deepEqual(settings.cacheTtlsMs, {
    me: 300_000,
    application: 300_000,
    applicationVersion: 300_000,
    run: 15_000,
    jwkSet: 86_400_000,
  });
});

Deno.test("parsePlatformSettings() lets a single setting override that of a known root", () => {
  const { oauth } = parse({ AIGNOSTICS_TOKEN_URL: "https://login.example.com/token" });
  assert.equal(oauth.tokenUrl?.href, "https://login.example.com/token");
  assert.equal(oauth.deviceUrl?.host, "aignostics-platform.eu.auth0.com");
  assert.equal(oauth.revocationUrl, undefined, "that of another server");
  assert.equal(parse({ AIGNOSTICS_CLIENT_ID_DEVICE: "device" }).oauth.clientIdDevice, "device");
});

Deno.test("parsePlatformSettings() knows clients and audience of an origin of ours, and leaves its endpoints open", () => {
  const { environment, apiRoot, oauth } = parse({ AIGNOSTICS_API_ROOT: "embedded" });
  assert.deepEqual([environment, apiRoot.href], ["embedded", "http://127.0.0.1:8090/"]);
  assert.deepEqual([oauth.audience, oauth.clientIdDevice], [
    ENVIRONMENTS.embedded.audience,
    ENVIRONMENTS.embedded.clientIdDevice,
  ]);
  assert.equal(oauth.tokenUrl, undefined);
  const elsewhere = { AIGNOSTICS_API_ROOT: "embedded", RESOURCE_API_URL: "https://origin.example.com/sub" };
  assert.equal(parse(elsewhere).apiRoot.href, "https://origin.example.com/sub/");
});

Deno.test("parsePlatformSettings() takes the times of the seed where no newer setting is stronger", () => {
  const seed = { AIGNOSTICS_REQUEST_TIMEOUT_SECONDS: "60", AIGNOSTICS_AUTHORIZATION_BACKOFF_SECONDS: "5" };
  const settings = parse({ ...seed, AIGNOSTICS_ME_TIMEOUT: "0.5" });
  assert.deepEqual([settings.timeoutsMs.run, settings.timeoutsMs.me], [60_000, 500]);
  assert.equal(settings.retries.auth.baseDelayMs, 5_000);
});

const WRONG: readonly [name: string, value: string, expected: RegExp][] = [
  ["AIGNOSTICS_API_ROOT", "http://platform.example.com", /must be https/],
  ["AIGNOSTICS_API_ROOT", "https://user:pw@platform.example.com", /must not hold a user name/],
  ["AIGNOSTICS_API_ROOT", "https://platform.example.com?x=1", /must not hold a query/],
  ["AIGNOSTICS_API_ROOT", "nowhere", /must be a URL/],
  ["AIGNOSTICS_TOKEN_URL", "http://login.example.com/token", /must be https/],
  ["AIGNOSTICS_REDIRECT_URI", "https://example.com/", /must be http on this machine/],
  ["AIGNOSTICS_REDIRECT_URI", "http://localhost/", /must be http on this machine with a port/],
  ["AIGNOSTICS_AUDIENCE", "short", /10 to 100/],
  ["AIGNOSTICS_AUDIENCE", "a".repeat(101), /10 to 100/],
  ["AIGNOSTICS_SCOPE", "a", /at least one scope/],
  ["AIGNOSTICS_REFRESH_TOKEN", "short", /10 to 1000/],
  ["AIGNOSTICS_STATUS_PAGE_URL", 'https://example.com/"x"', /quotes/],
  ["AIGNOSTICS_ME_TIMEOUT", "0", /0.1 to 300/],
  ["AIGNOSTICS_ME_TIMEOUT", "301", /0.1 to 300/],
  ["AIGNOSTICS_ME_TIMEOUT", "soon", /0.1 to 300/],
  ["AIGNOSTICS_RUN_RETRY_ATTEMPTS", "11", /0 to 10/],
  ["AIGNOSTICS_RUN_RETRY_WAIT_MAX", "601", /0 to 600/],
  ["AIGNOSTICS_RUN_RETRY_WAIT_MIN", "61", /RUN_RETRY_WAIT_MIN is above AIGNOSTICS_RUN_RETRY_WAIT_MAX/],
  ["AIGNOSTICS_RUN_CACHE_TTL", "604801", /0 to 604800/],
  ["AIGNOSTICS_AUTH_LEEWAY_SECONDS", "-1", /0 to 300/],
];

for (const [name, value, expected] of WRONG) {
  Deno.test(`parsePlatformSettings() refuses ${name}=${value.slice(0, 40)}`, () => {
    const faults = faultsOf({ [name]: value });
    assert.equal(faults.length, 1, faults.join("\n"));
    assert.match(faults[0] ?? "", expected);
    assert.ok(faults[0]?.includes(name));
  });
}

Deno.test("parsePlatformSettings() names all faults at once, and repeats no secret", () => {
  const faults = faultsOf({ AIGNOSTICS_REFRESH_TOKEN: "s3cret", AIGNOSTICS_ME_TIMEOUT: "0", AIGNOSTICS_SCOPE: "a" });
  assert.equal(faults.length, 3);
  assert.ok(!faults.join().includes("s3cret"));
  const { refreshToken } = parse({ AIGNOSTICS_REFRESH_TOKEN: "s3cret-s3cret" });
  assert.ok(!`${refreshToken} ${JSON.stringify({ refreshToken })} ${Deno.inspect(refreshToken)}`.includes("s3cret"));
});

Deno.test("parsePlatformSettings() takes 0 tries for one", () => {
  assert.equal(parse({ AIGNOSTICS_RUN_RETRY_ATTEMPTS: "0" }).retries.run.attempts, 1);
});

Deno.test("collectPlatformSettings() takes a flag before a variable before ./.env before the other file", () => {
  const name = PLATFORM_OPTIONS.audience.name;
  const layers = {
    flags: { [name]: "flag" } as Record<string, string>,
    environment: (asked: string) => asked === name ? "environment" : undefined,
    files: [{ [name]: "first" }, { [name]: "second" }],
  };
  const read = (changes: Partial<PlatformSources>) => {
    const { text, origin } = collectPlatformSettings({ ...layers, ...changes }).get("audience") ?? {};
    return [text, origin];
  };
  const [flags, environment] = [{}, () => undefined];
  assert.deepEqual(read({}), ["flag", "flag"]);
  assert.deepEqual(read({ flags }), ["environment", "environment"]);
  assert.deepEqual(read({ flags, environment }), ["first", "file"]);
  assert.deepEqual(read({ flags, environment, files: layers.files.slice(1) }), ["second", "file"]);
  assert.deepEqual(read({ flags, environment, files: [] }), [undefined, "default"]);
});

Deno.test("readPlatformSources() reads the file of AIGNOSTICS_ENV_FILE, else the one in the home folder", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(join(folder.path, ".aignostics"));
  await Deno.writeTextFile(
    join(folder.path, ".aignostics/.env"),
    "AIGNOSTICS_ORGANIZATION_ID=home\n# comment\nEMPTY=\n",
  );
  const named = join(folder.path, "named.env");
  await Deno.writeTextFile(named, `export AIGNOSTICS_ORGANIZATION_ID="named one"\n`);
  const read = async (variables: Record<string, string>) =>
    (await readPlatformSources({}, (name) => variables[name])).files;
  assert.deepEqual(await read({ HOME: folder.path }), [{ AIGNOSTICS_ORGANIZATION_ID: "home" }]);
  assert.deepEqual(await read({ HOME: folder.path, AIGNOSTICS_ENV_FILE: named }), [
    { AIGNOSTICS_ORGANIZATION_ID: "named one" },
  ]);
  assert.deepEqual(await read({ HOME: join(folder.path, "nobody") }), []);
  await assert.rejects(read({ AIGNOSTICS_ENV_FILE: join(folder.path, "missing") }), /there is no such file/);
  await Deno.writeFile(named, new Uint8Array([0xff, 0xfe, 0x00]));
  await assert.rejects(read({ AIGNOSTICS_ENV_FILE: named }), ConfigurationError);
});

Deno.test("parsePlatformSettings() takes an address with a bare ? or # for the address without", () => {
  for (const sign of ["?", "#", "/?#"]) {
    const environment = (name: string) => name === "AIGNOSTICS_API_ROOT" ? `https://h.example.com${sign}` : undefined;
    assert.equal(parsePlatformSettings({ flags: {}, environment, files: [] }).apiRoot.href, "https://h.example.com/");
  }
});
