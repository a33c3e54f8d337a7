import assert from "node:assert/strict";
import { join } from "node:path";
import { collectSettings, parseSettings, readSettingsFile, type Sources } from "../../../../lib/config/config.ts";
import { OPTIONS } from "../../../../lib/config/options.ts";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const API: Record<string, string> = { RESOURCE_API_URL: "https://api.example.com" };

function sources(given: {
  flags?: Record<string, string>;
  environment?: Record<string, string>;
  file?: Record<string, string>;
}): Sources {
  const { flags = {}, environment = API, file = {} } = given;
  return { flags, environment: (name) => environment[name], file };
}

function faultsOf(given: Parameters<typeof sources>[0]): readonly string[] {
  try {
    parseSettings(sources(given));
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.faults;
  }
}

Deno.test("parseSettings() with nothing but the API's address gives the defaults of the table", () => {
  const settings = parseSettings(sources({}));
  assert.equal(settings.resourceApiUrl.href, "https://api.example.com/");
  assert.deepEqual([settings.host, settings.port, settings.apiVersion], ["127.0.0.1", 8080, "latest"]);
  assert.equal(settings.images.length, 7);
  assert.equal(settings.callerAuth, "session");
  assert.equal(settings.jwtIssuer, undefined);
});

Deno.test("parseSettings() takes a flag before a variable before the file before the default", () => {
  const all = { flags: { port: "1" }, environment: { ...API, PORT: "2" }, file: { PORT: "3" } };
  assert.equal(parseSettings(sources(all)).port, 1);
  assert.equal(parseSettings(sources({ ...all, flags: {} })).port, 2);
  assert.equal(parseSettings(sources({ file: { PORT: "3" } })).port, 3);
  assert.equal(parseSettings(sources({})).port, 8080);
});

Deno.test("collectSettings() says where each value comes from", () => {
  const collected = collectSettings(sources({ flags: { port: "1" }, file: { HOST: "::1" } }));
  assert.deepEqual(collected.get("port"), { name: "PORT", text: "1", origin: "flag" });
  assert.deepEqual(collected.get("resourceApiUrl")?.origin, "environment");
  assert.deepEqual(collected.get("host"), { name: "HOST", text: "::1", origin: "file" });
  assert.deepEqual(collected.get("logLevel"), { name: "LOG_LEVEL", text: "info", origin: "default" });
  assert.deepEqual(collected.get("jwtIssuer"), { name: "JWT_ISSUER", text: undefined, origin: "default" });
  assert.equal(collected.size, Object.keys(OPTIONS).length);
});

Deno.test("parseSettings() reports every fault at once", () => {
  const faults = faultsOf({
    environment: { PORT: "65536", API_VERSION: "a b", JWT_ALGORITHMS: "none", LOG_LEVEL: "loud" },
    file: { PROT: "1", DOCKER_HOST: "/var/run/docker.sock" },
  });
  const begins = [
    "PROT in the settings file is not a setting",
    "RESOURCE_API_URL is not set: give --resource-api-url or the variable",
    "PORT must be a port number from 0 to 65535",
    "API_VERSION must be an image tag",
    "DOCKER_HOST must be unix:///path or tcp://host:port",
    'JWT_ALGORITHMS holds "none"',
    "LOG_LEVEL must be one of debug, info, warning, error",
  ];
  assert.equal(faults.length, begins.length, faults.join("\n"));
  for (const [index, begin] of begins.entries()) assert.ok(faults[index]?.startsWith(begin), faults[index]);
});

Deno.test("parseSettings() wants only what the program is about to use", () => {
  assert.equal(parseSettings(sources({ environment: {} }), []).port, 8080);
  assert.throws(() => parseSettings(sources({ environment: {} }), ["jwtIssuer"]), /JWT_ISSUER is not set/);
});

const BAD: Readonly<Record<string, readonly string[]>> = {
  RESOURCE_API_URL: ["api.example.com", "ftp://a", "http://api.example.com", "https://user:pass@a.example", "https://"],
  PORT: ["-1", "1.5", "0x50", "65536", "80 "],
  IMAGES: [",", "UPPER/case", "-a", "a b"],
  API_VERSION: ["", ".a", "a/b", "a:b", "a".repeat(129)].filter((value) => value !== ""),
  JWT_ALGORITHMS: ["none", "HS512", "es256", ","],
  JWT_VERIFY: ["false", "OFF"],
  CALLER_AUTH: ["none"],
  DOCKER_HOST: ["unix://", "ssh://host", "docker.sock", "tcp://host", "tcp://a b:1"],
  DOCKER_VIA: ["docker"],
  DOCKER_PROGRAM: ["docker", "./docker"],
};

for (const [name, values] of Object.entries(BAD)) {
  Deno.test(`parseSettings() refuses a wrong ${name}`, () => {
    for (const value of values) {
      const faults = faultsOf({ environment: { ...API, [name]: value } });
      assert.ok(faults.some((fault) => fault.startsWith(`${name} `)), `${name}=${value}: ${faults.join("; ")}`);
    }
  });
}

Deno.test("parseSettings() allows plain http for this machine only", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"]) {
    assert.equal(faultsOf({ environment: { RESOURCE_API_URL: `http://${host}:3000` } }).length, 0, host);
  }
  for (const host of ["127.0.0.1.example.com", "10.0.0.1", "localhost.example.com", "0.0.0.0"]) {
    assert.equal(faultsOf({ environment: { RESOURCE_API_URL: `http://${host}:3000` } }).length, 1, host);
  }
});

Deno.test("parseSettings() does not let others act as whoever is signed in", () => {
  assert.equal(parseSettings(sources({ flags: { host: "0.0.0.0" } })).callerAuth, "bearer");
  const faults = faultsOf({ flags: { "host": "0.0.0.0", "caller-auth": "session" } });
  assert.match(faults.join(), /CALLER_AUTH is session, but HOST 0\.0\.0\.0 can be reached from other machines/);
});

Deno.test("parseSettings() wants a secret file for HS256", () => {
  assert.match(faultsOf({ flags: { "jwt-algorithms": "HS256" } }).join(), /JWT_HS256_SECRET_FILE is not set/);
  assert.deepEqual(faultsOf({ flags: { "jwt-algorithms": "HS256", "jwt-hs256-secret-file": "/run/secret" } }), []);
});

Deno.test("OPTIONS: names, flags and sentences are of one form, and no name is taken twice", () => {
  const rows = Object.values(OPTIONS);
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  for (const { name, flag, doc } of rows) {
    assert.match(name, /^[A-Z][A-Z0-9_]*$/);
    assert.equal(flag, name.toLowerCase().replaceAll("_", "-"));
    assert.ok(doc.length > 0 && !doc.endsWith("."), `${name}: "${doc}"`);
  }
});

Deno.test("OPTIONS: the default of each setting is allowed", () => {
  const environments: Record<string, string>[] = [{}, { HOME: "/home/a" }, { HOME: "/root" }, { XDG_STATE_HOME: "/s" }];
  for (const environment of environments) {
    for (const { fallback, parse } of Object.values(OPTIONS)) {
      const value = fallback((name) => environment[name]);
      if (value !== undefined) parse(value);
    }
  }
  const stateDirs = environments.map((environment) => OPTIONS.stateDir.fallback((name) => environment[name]));
  assert.deepEqual(stateDirs, [
    "/var/lib/tallystick",
    "/home/a/.local/state/tallystick",
    "/var/lib/tallystick",
    "/s/tallystick",
  ]);
});

Deno.test("readSettingsFile() reads NAME: value lines; numbers and words become text", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "tally.yaml");
  await Deno.writeTextFile(path, "# device 7\nPORT: 9000\nHOST: '::1'\n");
  assert.deepEqual(await readSettingsFile(path), { PORT: "9000", HOST: "::1" });
  await Deno.writeTextFile(path, "");
  assert.deepEqual(await readSettingsFile(path), {});
});

const BAD_FILES: Readonly<Record<string, string>> = {
  "a list": "- PORT\n",
  "a nested table": "PORT:\n  a: 1\n",
  "no YAML": "PORT: [1\n",
  "an alias bomb": "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nPORT: *b\n",
  "a name twice": "PORT: 1\nPORT: 2\n",
  "lists in lists without end": `PORT: ${"[".repeat(30_000)}`,
  "tables in tables without end": Array.from({ length: 300 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
  "merged tables": "a: &a {PORT: 1}\n<<: *a\n",
};

for (const [what, content] of Object.entries(BAD_FILES)) {
  Deno.test(`readSettingsFile() refuses ${what}`, async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, "tally.yaml");
    await Deno.writeTextFile(path, content);
    await assert.rejects(
      readSettingsFile(path),
      (error) =>
        error instanceof ConfigurationError &&
        error.message === `The settings file "${path}" is not a list of NAME: value lines`,
    );
  });
}

Deno.test("readSettingsFile() names a file that is not there", async () => {
  await assert.rejects(readSettingsFile("/nowhere/tally.yaml"), /"\/nowhere\/tally\.yaml": there is no such file/);
});

Deno.test("readSettingsFile() keeps every value as it is written: a version is no number", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "tally.yaml");
  await Deno.writeTextFile(path, "API_VERSION: 1.10\nMODEL_CACHE_QUOTA: 0x10\nJWT_VERIFY: off\nPORT: 08080\n");
  const expected = { API_VERSION: "1.10", MODEL_CACHE_QUOTA: "0x10", JWT_VERIFY: "off", PORT: "08080" };
  assert.deepEqual(await readSettingsFile(path), expected);
  await Deno.writeTextFile(path, "HOST:\n");
  await assert.rejects(readSettingsFile(path), ConfigurationError, "a value that is missing is a fault");
});
