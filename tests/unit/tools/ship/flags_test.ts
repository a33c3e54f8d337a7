import assert from "node:assert/strict";
import { grantedRights, programFlags } from "../../../../tools/ship/flags.ts";
import { parseSite } from "../../../../tools/ship/site.ts";
import {
  DISPLAY_VARIABLES,
  NETWORK_VARIABLES,
  PERSON_VARIABLES,
  PLATFORM_VARIABLES,
  SETTING_VARIABLES,
} from "../../../../tools/ship/variables.ts";

const VARIABLES = [...SETTING_VARIABLES, ...NETWORK_VARIABLES];
const SITE = parseSite(`
settings:
  RESOURCE_API_URL: https://api.example.com
  HARDWARE_FILE: /run/tallystick/hardware.json
cdn: ["cdn.example.com:443", /media/usb]
`);

Deno.test("grantedRights() of a device are its own address, its site's hosts, its own folders and the engine's socket", () => {
  assert.deepEqual(Object.fromEntries(grantedRights("device", SITE)), {
    net: [
      "127.0.0.1:8080",
      "api.example.com:443",
      "cdn.example.com:443",
      "unix:/var/run/docker.sock",
      "docker.invalid:80",
    ],
    read: [
      "/var/lib/tallystick/models",
      "/media/usb",
      "/opt/azaion/images.enc",
      "/opt/azaion/images.enc.small",
      "/opt/azaion/images.enc.hashes",
      "/var/lib/tallystick/state",
      "/run/tallystick/hardware.json",
      "/var/run/docker.sock",
    ],
    sys: ["statfs"],
    write: ["/var/lib/tallystick/models", "/media/usb", "/var/lib/tallystick/state", "/var/run/docker.sock"],
    env: VARIABLES,
  });
});

Deno.test("grantedRights() reach a native library only where the site chooses one, and only that one", () => {
  const withAccel = (accel: string) =>
    parseSite(JSON.stringify({
      settings: {
        RESOURCE_API_URL: "https://api.example.com",
        CRYPTO_ACCEL: accel,
        CRYPTO_LIBRARY: "/usr/lib/aarch64-linux-gnu/libcrypto.so.3",
      },
    }));
  for (const program of ["device", "cli"] as const) {
    assert.equal(grantedRights(program, withAccel("none")).has("ffi"), false);
    for (const accel of ["auto", "libcrypto"]) {
      const expected = ["/usr/lib/aarch64-linux-gnu/libcrypto.so.3"];
      assert.deepEqual(grantedRights(program, withAccel(accel)).get("ffi"), expected);
      assert.ok(programFlags(program, withAccel(accel), "launcher").includes(`--allow-ffi=${expected[0]}`));
    }
  }
  assert.equal(grantedRights("origin", withAccel("libcrypto")).has("ffi"), false);
});

const ORIGIN_VARIABLES = ["ORIGIN_MASTER_KEY", "LOG_DIR", "LOG_RETENTION_DAYS"];

Deno.test("grantedRights() reach a folder of logs only where the site has one, and only that of the program", () => {
  const settings = { RESOURCE_API_URL: "https://api.example.com", LOG_DIR: "/var/log/tallystick" };
  const site = parseSite(JSON.stringify({ settings, origin: { logDir: "/var/log/origin" } }));
  for (const [program, path] of [["device", "/var/log/tallystick"], ["origin", "/var/log/origin"]] as const) {
    const logs = (right: "read" | "write") =>
      grantedRights(program, site).get(right)?.filter((it) => it.includes("/log/"));
    assert.deepEqual([logs("read"), logs("write")], [[path], [path]], program);
  }
});

Deno.test("grantedRights() of an origin are its address and its folder", () => {
  assert.deepEqual(Object.fromEntries(grantedRights("origin", SITE)), {
    net: ["127.0.0.1:8090"],
    read: ["/var/lib/tallystick-origin"],
    write: ["/var/lib/tallystick-origin"],
    env: ORIGIN_VARIABLES,
  });
});

Deno.test("grantedRights() of an origin let it read the file of its master key, and not write it", () => {
  const site = parseSite("origin: { masterKeyFile: /etc/tallystick/master.key }", { program: "origin" });
  const rights = grantedRights("origin", site);
  assert.deepEqual(rights.get("read"), ["/var/lib/tallystick-origin", "/etc/tallystick/master.key"]);
  assert.deepEqual(rights.get("write"), ["/var/lib/tallystick-origin"]);
});

Deno.test("grantedRights() of an origin reach an engine only where its site has container applications", () => {
  const site = parseSite("origin: { dockerHost: 'unix:///run/docker.sock' }", { program: "origin" });
  assert.deepEqual(Object.fromEntries(grantedRights("origin", site)), {
    net: ["127.0.0.1:8090", "unix:/run/docker.sock", "docker.invalid:80"],
    read: ["/var/lib/tallystick-origin", "/run/docker.sock"],
    write: ["/var/lib/tallystick-origin", "/run/docker.sock"],
    env: ORIGIN_VARIABLES,
  });
});

Deno.test("grantedRights() of an origin reach every host only where the inputs of its runs may lie anywhere", () => {
  const site = parseSite("origin: { remoteInputs: true }", { program: "origin" });
  assert.deepEqual(grantedRights("origin", site).get("net"), []);
  assert.ok(programFlags("origin", site, "launcher").includes("--allow-net"));
});

Deno.test("grantedRights() of the command line are its hosts, and the files that a person names", () => {
  assert.deepEqual(Object.fromEntries(grantedRights("cli", SITE)), {
    net: ["127.0.0.1:8080", "api.example.com:443", "cdn.example.com:443"],
    read: [],
    sys: ["statfs"],
    write: [],
    env: [...VARIABLES, ...PERSON_VARIABLES],
  });
});

Deno.test("grantedRights() of the command line reach the platform and a browser only where the site names them", () => {
  const platform = parseSite("settings: { AIGNOSTICS_API_ROOT: staging }", { program: "cli" });
  assert.deepEqual(grantedRights("cli", platform).get("net"), [
    "127.0.0.1:8080",
    "platform-staging.aignostics.com:443",
    "aignostics-platform-staging.eu.auth0.com:443",
  ]);
  assert.equal(grantedRights("cli", platform).get("run"), undefined);
  assert.deepEqual(grantedRights("cli", platform).get("env"), [
    ...VARIABLES,
    ...PERSON_VARIABLES,
    ...PLATFORM_VARIABLES,
  ]);
  const site = parseSite("{ settings: { AIGNOSTICS_API_ROOT: staging }, browser: /usr/bin/xdg-open }", {
    program: "cli",
  });
  assert.ok(grantedRights("cli", site).get("net")?.includes("127.0.0.1:8989"));
  assert.deepEqual(grantedRights("cli", site).get("sys"), ["statfs", "uid"]);
  assert.deepEqual(grantedRights("cli", site).get("run"), ["/usr/bin/xdg-open"]);
  assert.deepEqual(grantedRights("cli", site).get("env")?.slice(-DISPLAY_VARIABLES.length), DISPLAY_VARIABLES);
  assert.equal(site.variables.BROWSER, "/usr/bin/xdg-open");
  for (const program of ["device", "origin"] as const) {
    const device = parseSite(JSON.stringify({ browser: "/usr/bin/xdg-open" }), { api: "api.example.com:443" });
    assert.equal(grantedRights(program, device).get("run"), undefined);
  }
});

Deno.test("grantedRights() follow the proxies and the authorities of a site", () => {
  const settings = {
    HTTPS_PROXY: "proxy.example.com:3128",
    REQUESTS_CA_BUNDLE: "/etc/ssl/example.pem",
    NO_PROXY: "10.0.0.0/8",
  };
  const site = parseSite(JSON.stringify({ settings }), { api: "api.example.com:443" });
  for (const program of ["device", "cli"] as const) {
    assert.ok(grantedRights(program, site).get("net")?.includes("proxy.example.com:3128"), program);
  }
  assert.ok(grantedRights("device", site).get("read")?.includes("/etc/ssl/example.pem"));
  assert.ok(!grantedRights("origin", site).get("net")?.includes("proxy.example.com:3128"));
});

Deno.test("grantedRights() of the command line reach an update server and systemctl only where the site says so", () => {
  const settings = {
    UPDATE_URL: "https://updates.example.com/tally-device",
    UPDATE_PUBLIC_KEY_FILE: "/etc/public.pem",
  };
  const site = parseSite(JSON.stringify({ settings }), { api: "api.example.com:443" });
  assert.ok(grantedRights("cli", site).get("net")?.includes("updates.example.com:443"));
  assert.deepEqual(grantedRights("cli", site).get("run"), ["/usr/bin/systemctl"]);
  for (const program of ["device", "origin"] as const) {
    assert.equal(grantedRights(program, site).get("run"), undefined);
    assert.ok(!grantedRights(program, site).get("net")?.includes("updates.example.com:443"));
  }
});

Deno.test("grantedRights() of the command line follow the device's port", () => {
  const site = parseSite("settings: { PORT: 9000 }", { api: "api.example.com:443" });
  assert.equal(grantedRights("cli", site).get("net")?.[0], "127.0.0.1:9000");
});

Deno.test("programFlags() grants a program to run only where DOCKER_VIA is cli, and then no socket", () => {
  const site = parseSite("settings: { DOCKER_VIA: cli, DOCKER_PROGRAM: /usr/bin/docker }", {
    api: "api.example.com:443",
  });
  const flags = programFlags("device", site, "compiled");
  assert.ok(flags.includes("--allow-run=/usr/bin/docker"));
  assert.ok(flags.every((flag) => !/docker\.(sock|invalid)/.test(flag)), flags.join(" "));
  for (const program of ["device", "origin", "cli"] as const) {
    for (const form of ["compiled", "launcher"] as const) {
      const text = programFlags(program, SITE, form).join("\n");
      assert.doesNotMatch(text, /allow-run|allow-ffi|allow-sys(?!=statfs$)|allow-import|allow-all|-A\b/m);
      assert.match(text, /^--no-prompt\n--ignore-env\n--deny-import\n/);
    }
  }
});

Deno.test("programFlags() follows a site's own addresses, key server, engine and mounts", () => {
  const site = parseSite(
    JSON.stringify({
      settings: {
        RESOURCE_API_URL: "https://api.example.com:8443",
        JWT_JWKS_URL: "https://keys.example.com/jwks",
        DOCKER_HOST: "tcp://127.0.0.1:2375",
        HARDWARE_ROOT: "/run/hardware",
        HOST: "::1",
        PORT: 9000,
      },
      settingsFile: "/etc/tallystick.yaml",
    }),
    { cdn: "*.s3.example.com:443,mirror.example.com:80" },
  );
  const flags = programFlags("device", site, "launcher");
  assert.ok(
    flags.includes(
      "--allow-net=[::1]:9000,api.example.com:8443,keys.example.com:443,*.s3.example.com:443,mirror.example.com:80,127.0.0.1:2375",
    ),
    flags.join(" "),
  );
  assert.ok(
    flags.includes(
      "--allow-read=/var/lib/tallystick/models,/opt/azaion/images.enc,/opt/azaion/images.enc.small," +
        "/opt/azaion/images.enc.hashes,/var/lib/tallystick/state,/run/hardware,/etc/tallystick.yaml",
    ),
    flags.join(" "),
  );
  assert.ok(flags.includes("--allow-write=/var/lib/tallystick/models,/var/lib/tallystick/state"), flags.join(" "));
});

Deno.test("parseSite() refuses what would become another flag than it says", () => {
  const wrong: readonly string[] = [
    "settings: { MODEL_CACHE_DIR: models }",
    "settings: { MODEL_CACHE_DIR: '/a,/etc' }",
    "settings: { IMAGES_PATH: 'images.enc' }",
    "settings: { NOT_A_SETTING: 1 }",
    "settings: { PORT: 99999 }",
    "settings: { CRYPTO_ACCEL: libcrypto, CRYPTO_LIBRARY: '/a,/b' }",
    "settings: { DOCKER_VIA: cli, DOCKER_PROGRAM: '/a,/b' }",
    "settings: { AIGNOSTICS_API_ROOT: 'http://platform.example.com' }",
    "settings: { AIGNOSTICS_NOT_A_SETTING: 1 }",
    "settings: { REQUESTS_CA_BUNDLE: example.pem }",
    "settings: { HTTPS_PROXY: 'http://' }",
    "browser: xdg-open",
    "origin: { dockerHost: 'unix:///a,/b' }",
    "cdn: [cdn.example.com]",
    "cdn: ['cdn.example.com:443,evil.example.com:443']",
    "cdn: ['media/usb']",
    "origin: { dataDir: '/a,/' }",
    "more: 1",
  ];
  for (const yaml of wrong) assert.throws(() => parseSite(yaml, { api: "api.example.com:443" }), Error, yaml);
  assert.throws(() => parseSite("", { api: "https://api.example.com" }));
  assert.throws(() => parseSite("", { api: "api.example.com:443", cdn: "a:1,b" }));
});

Deno.test("parseSite() wants an API for a device only: nothing else connects to one always", () => {
  assert.throws(() => parseSite(""), /RESOURCE_API_URL is not set/);
  const origin = parseSite("", { program: "origin" });
  assert.deepEqual(grantedRights("origin", origin), grantedRights("origin", SITE));
  assert.deepEqual(grantedRights("cli", parseSite("", { program: "cli" })).get("net"), ["127.0.0.1:8080"]);
});
