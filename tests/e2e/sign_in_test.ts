import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { TokenCache } from "../../lib/auth/token_cache.ts";
import { Secret } from "../../lib/config/secret.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { grantedRights } from "../../tools/ship/flags.ts";
import { parseSite } from "../../tools/ship/site.ts";
import { connectProxy } from "../support/connect_proxy.ts";
import { freePort } from "../support/free_port.ts";
import { peerPath } from "../support/peers.ts";
import { privateAuthority } from "../support/private_authority.ts";
import { tally, type TallyOptions, type TallyResult } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { settingsFrom, TestIssuer, type TestIssuerOptions } from "../support/test_issuer.ts";

const bash = peerPath("bash");
const openssl = peerPath("openssl");
const script = peerPath("script");

async function startSite(options: TestIssuerOptions = {}) {
  const folder = await tempFolder();
  const issuer = await TestIssuer.start(options);
  const env: Record<string, string> = issuer.variables(join(folder.path, "cache"), freePort());
  const settings = settingsFrom(env);
  return {
    folder,
    issuer,
    env,
    cache: new TokenCache(settings, systemClock),
    run: (args: readonly string[], more: TallyOptions = {}): Promise<TallyResult> =>
      tally(args, { cwd: folder.path, ...more, env: { ...env, ...more.env } }),
    async [Symbol.asyncDispose]() {
      await issuer[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

type Site = Awaited<ReturnType<typeof startSite>>;

async function keepExpired({ cache, issuer }: Site): Promise<void> {
  const accessToken = await issuer.token({ claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  const refreshToken = new Secret(issuer.refreshToken());
  await cache.write({ accessToken: new Secret(accessToken), refreshToken, clientId: "test-client" });
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("tally login, whoami and logout act on the platform, by a code where there is no terminal", async (t) => {
  await using site = await startSite();
  const { run, issuer, cache } = site;

  await t.step("nobody is signed in: 3, and nobody is asked", async () => {
    for (const verb of ["whoami", "logout"]) {
      const { exitCode, stderr } = await run([verb, "--json"]);
      assert.deepEqual([exitCode, JSON.parse(stderr).code], [3, "not_signed_in"], stderr);
    }
    assert.equal(issuer.count("POST /device"), 0);
  });

  await t.step("login shows code and address, and waits for whoever confirms it", async () => {
    issuer.pollErrors = ["authorization_pending"];
    const { exitCode, stdout, stderr } = await run(["login"]);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(stdout.split("\n"), [
      "Your user code is: ABCD-EFGH",
      `Please visit: ${issuer.url}activate?user_code=ABCD-EFGH and verify the same code is displayed!`,
      `Signed in at ${issuer.url.host}`,
      "",
    ]);
    assert.equal(((await Deno.stat(cache.path)).mode ?? 0) & 0o777, 0o600);
  });

  await t.step("login again asks nobody, unless it is told to", async () => {
    const { exitCode, stdout } = await run(["login"]);
    assert.deepEqual([exitCode, stdout], [0, `Signed in at ${issuer.url.host}\n`]);
    const again = await run(["login", "--relogin", "--json"]);
    const events = again.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(events.map(({ event }) => event), ["device_code", undefined]);
    assert.equal(events[0].userCode, "ABCD-EFGH");
    assert.equal(events[1].environment, "custom");
  });

  await t.step("whoami has the form of the platform's own client, with secrets masked", async () => {
    const { exitCode, stdout, stderr } = await run(["whoami", "--json"]);
    assert.equal(exitCode, 0, stderr);
    const info = JSON.parse(stdout);
    assert.deepEqual(Object.keys(info), ["role", "token", "user", "organization"]);
    assert.equal(info.role, "admin");
    assert.deepEqual(Object.keys(info.token), [
      ...["issuer", "issued_at", "expires_at", "scope", "audience", "authorized_party", "org_id", "role", "expires_in"],
    ]);
    assert.deepEqual([info.token.issuer, info.token.scope, info.token.audience, info.token.org_id], [
      issuer.url.href,
      ["offline_access"],
      ["https://platform.example.com"],
      "org_1",
    ]);
    assert.ok(info.token.expires_in > 3500 && info.token.expires_in <= 3600);
    assert.deepEqual([info.user.email, info.user.name], ["***MASKED(16)***", "Jane Doe"]);
    assert.deepEqual(
      [
        info.organization.aignostics_bucket_hmac_secret_access_key,
        info.organization.aignostics_logfire_token,
        info.organization.aignostics_sentry_dsn,
        info.organization.aignostics_bucket_name,
      ],
      ["***MASKED(40)***", "***MASKED(13)***", "***MASKED(32)***", "bucket"],
    );
    const text = (await run(["whoami"])).stdout;
    assert.doesNotMatch(text, /jane@example.com/);
    assert.match((await run(["whoami", "--no-mask-secrets"])).stdout, /jane@example.com/);
  });

  await t.step("logout revokes and removes", async () => {
    const { exitCode, stdout } = await run(["logout", "--json"]);
    assert.deepEqual([exitCode, JSON.parse(stdout)], [0, { status: "ok", revoked: true }]);
    assert.equal(await isThere(cache.path), false);
    assert.equal((await run(["whoami"])).exitCode, 3);
  });
});

Deno.test("tally login signs in anew when the platform refuses a token that looks right", async () => {
  await using site = await startSite();
  await site.run(["login"]);
  let refused = 0;
  site.issuer.me = () => refused++ === 0 ? new Response("Jwt is revoked", { status: 401 }) : undefined;
  const { exitCode, stdout } = await site.run(["login"]);
  assert.equal(exitCode, 0);
  assert.match(stdout, /^Your user code is/);
});

Deno.test("tally login is signed in, and says so, while the platform's API is away", async () => {
  await using site = await startSite();
  await site.run(["login"]);
  site.issuer.me = () => new Response("away", { status: 503 });
  const { exitCode, stdout, stderr } = await site.run(["login"], {
    env: { AIGNOSTICS_ME_RETRY_ATTEMPTS: "1" },
  });
  assert.deepEqual([exitCode, stdout], [0, `Signed in at ${site.issuer.url.host}\n`]);
  assert.match(stderr, /The platform cannot confirm the sign-in now/);
});

Deno.test("two processes with an expired token make one refresh", async () => {
  await using site = await startSite();
  await keepExpired(site);
  const results = await Promise.all([1, 2, 3].map(() => site.run(["whoami", "--json"])));
  for (const { exitCode, stderr } of results) assert.equal(exitCode, 0, stderr);
  assert.equal(site.issuer.count("POST /token refresh_token"), 1);
  const issued = results.map(({ stdout }) => JSON.parse(stdout).token.issued_at);
  assert.equal(new Set(issued).size, 1);
});

Deno.test("a token from outside is used as it is: no sign-in, no cache", async () => {
  await using site = await startSite();
  const token = await site.issuer.token({ claims: { [`https://platform.example.com/role`]: "machine" } });
  const command = JSON.stringify([bash ?? "/bin/sh", "-c", 'printf %s "$0"', token]);
  const ways: [args: string[], env: Record<string, string>][] = [
    [[], { AIGNOSTICS_TOKEN: token }],
    [["--token-command", command], {}],
    [["--token-command", bash ?? "/bin/sh", "token.sh"], {}],
    [["-e", `AIGNOSTICS_TOKEN=${token}`], {}],
  ];
  await Deno.writeTextFile(join(site.folder.path, "token.sh"), `echo ${token}\n`);
  for (const [args, env] of ways) {
    const { exitCode, stdout, stderr } = await site.run(["whoami", "--json", ...args], { env });
    assert.equal(exitCode, 0, stderr);
    assert.equal(JSON.parse(stdout).role, "machine");
    const login = await site.run(["login", ...args], { env });
    assert.equal(login.exitCode, 2);
    assert.match(login.stderr, /Nobody signs in or out while/);
  }
  assert.deepEqual([...new Set(site.issuer.calls)], ["GET /api/v1/me"], "the issuer was not asked");
  assert.equal(await isThere(site.env.AIGNOSTICS_CACHE_DIR ?? ""), false);
  const opaque = await site.run(["whoami", "--json"], { env: { AIGNOSTICS_TOKEN: "opaque" } });
  assert.equal(JSON.parse(opaque.stdout).token, null);
});

Deno.test("settings of the platform come from flag, variable, ./.env and the other file, in this order", async () => {
  await using site = await startSite();
  const { AIGNOSTICS_API_ROOT: root = "", ...others } = site.env;
  const packages = processEnvironment("DENO_DIR") ?? join(processEnvironment("HOME") ?? "", ".cache/deno");
  const env = { ...others, HOME: site.folder.path, DENO_DIR: packages };
  const run = (args: string[]) => tally(["whoami", "--json", ...args], { cwd: site.folder.path, env });
  await Deno.mkdir(join(site.folder.path, ".aignostics"));
  await Deno.writeTextFile(join(site.folder.path, ".aignostics/.env"), `AIGNOSTICS_API_ROOT=${root}\n`);
  assert.equal(JSON.parse((await run([])).stderr).code, "not_signed_in");
  await Deno.writeTextFile(join(site.folder.path, ".env"), "AIGNOSTICS_API_ROOT=ftp://wrong\n");
  assert.match(JSON.parse((await run([])).stderr).message, /AIGNOSTICS_API_ROOT must be a URL/);
  assert.equal(JSON.parse((await run(["--api-root", root])).stderr).code, "not_signed_in");
  assert.equal(JSON.parse((await run(["-e", `AIGNOSTICS_API_ROOT=${root}`])).stderr).code, "not_signed_in");
  const secret = { ...env, AIGNOSTICS_REFRESH_TOKEN: "s3cret-s3cret" };
  const shown = await tally(["config", "--platform", "--json", "--api-root", root], {
    cwd: site.folder.path,
    env: secret,
  });
  assert.deepEqual(JSON.parse(shown.stdout).AIGNOSTICS_API_ROOT, { value: root, origin: "flag" });
  assert.deepEqual(JSON.parse(shown.stdout).AIGNOSTICS_REFRESH_TOKEN, { value: "********", origin: "environment" });
  for (const wrong of ["PATH=/tmp", "AIGNOSTICS_API_ROOT"]) assert.equal((await run(["-e", wrong])).exitCode, 2);
});

Deno.test("an unknown platform that says nothing of its issuer: 2, with every setting that is missing", async () => {
  await using site = await startSite();
  site.issuer.hasMetadata = false;
  const { exitCode, stderr } = await site.run(["login", "--json"]);
  const { code, message } = JSON.parse(stderr);
  assert.deepEqual([exitCode, code], [2, "configuration"]);
  for (const name of ["AUTHORIZATION_BASE_URL", "TOKEN_URL", "DEVICE_URL", "JWS_JSON_URL"]) {
    assert.match(message, new RegExp(`AIGNOSTICS_${name} is not set`));
  }
});

Deno.test({
  name: "tally login on a terminal opens the browser that BROWSER names, with an argument list",
  ignore: script === undefined || bash === undefined,
  async fn() {
    await using site = await startSite();
    const browser = join(site.folder.path, "browser");
    const follow =
      `fetch(Deno.args[0]).then((page) => page.text()).then((text) => Deno.writeTextFile("page.html", text))`;
    await Deno.writeTextFile(join(site.folder.path, "browser.ts"), follow);
    await Deno.writeTextFile(
      browser,
      `#!/bin/sh\nexec ${Deno.execPath()} run -A ${site.folder.path}/browser.ts "$1"\n`,
    );
    await Deno.chmod(browser, 0o755);
    const { program, args } = thisProgram(processEnvironment);
    const line = [program, ...args, "login"].join(" ");
    const child = new Deno.Command(script ?? "", {
      args: ["-qec", line, "/dev/null"],
      cwd: site.folder.path,
      env: { ...site.env, BROWSER: browser, DISPLAY: ":0", SSH_CONNECTION: "", SSH_CLIENT: "", SSH_TTY: "" },
    });
    const { stdout } = await child.output();
    const said = new TextDecoder().decode(stdout);
    assert.match(said, new RegExp(`Signed in at ${site.issuer.url.host}`));
    assert.equal(site.issuer.authorizations.length, 1);
    assert.match(await Deno.readTextFile(join(site.folder.path, "page.html")), /<h1>Signed in<\/h1>/);
    const without = await site.run(["login", "--relogin", "--no-browser"], {
      env: { DISPLAY: ":0", BROWSER: browser },
    });
    assert.match(without.stdout, /Your user code is/);
  },
});

Deno.test({
  name: "tally login and whoami work over TLS of a private authority, through a proxy with an account",
  ignore: openssl === undefined,
  async fn() {
    await using authority = await privateAuthority(openssl ?? "");
    await using site = await startSite({ tls: authority, host: "platform.test" });
    await using proxy = connectProxy({ account: "ada:pass", hosts: { "platform.test": "127.0.0.1" } });
    const env = {
      HTTPS_PROXY: `http://ada:pass@${proxy.url.host}`,
      NO_PROXY: "other.test",
      DENO_NO_UPDATE_CHECK: "1",
      REQUESTS_CA_BUNDLE: authority.caFile,
      SSL_CERT_FILE: authority.caFile,
    };
    const { exitCode, stderr } = await site.run(["login"], { env });
    assert.equal(exitCode, 0, stderr);
    const whoami = await site.run(["whoami", "--json"], { env });
    assert.equal(JSON.parse(whoami.stdout).user.name, "Jane Doe");
    assert.deepEqual([...new Set(proxy.asked)], [site.issuer.url.host]);
    const broken = await site.run(["whoami", "--json", "-e", "AIGNOSTICS_ME_RETRY_ATTEMPTS=1"], {
      env: { ...env, HTTPS_PROXY: `http://ada:wrong@${proxy.url.host}` },
    });
    assert.equal(broken.exitCode, 6);
    assert.match(JSON.parse(broken.stderr).message, new RegExp(`through the proxy ${proxy.url.host} or directly`));
    assert.doesNotMatch(broken.stderr, /wrong/);
  },
});

Deno.test("tally login, whoami and logout need no more than a shipped command line may", async () => {
  await using site = await startSite();
  const shipped = parseSite(JSON.stringify({ settings: site.env }), { program: "cli" });
  const rights = [...grantedRights("cli", shipped)].map(([right, values]) =>
    `--allow-${right}${values.length === 0 ? "" : `=${values.join(",")}`}`
  );
  const { env } = thisProgram(processEnvironment);
  for (const verb of ["login", "whoami", "logout"]) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--ignore-env", ...rights, "main.ts", verb, "--json"],
      clearEnv: true,
      env: { ...env, ...site.env },
    }).output();
    assert.equal(code, 0, `${verb}: ${new TextDecoder().decode(stderr)}`);
    assert.ok(stdout.byteLength > 0);
  }
});

Deno.test("tally login that is interrupted exits with 130, and keeps nothing", async () => {
  await using site = await startSite();
  site.issuer.pollErrors = Array(1000).fill("authorization_pending");
  const { program, args, env } = thisProgram(processEnvironment);
  const child = new Deno.Command(program, {
    args: [...args, "login"],
    clearEnv: true,
    env: { ...env, ...site.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  await output.read(); // the code is shown
  child.kill("SIGINT");
  assert.equal((await child.status).code, 130);
  await Promise.all([output.cancel(), child.stderr.cancel()]);
  assert.equal(await isThere(site.cache.path), false);
});

Deno.test("no output of a sign-in holds a token", async () => {
  await using site = await startSite();
  const said: string[] = [];
  for (const args of [["login"], ["login", "--relogin", "--json"], ["whoami"], ["whoami", "--json"]]) {
    const { stdout, stderr } = await site.run(args, { env: { LOG_LEVEL: "debug" } });
    said.push(stdout, stderr);
  }
  const kept = await site.cache.read();
  assert.ok(kept?.refreshToken !== undefined);
  for (const secret of [kept.accessToken.reveal(), kept.refreshToken.reveal(), "device-code"]) {
    assert.ok(!said.join("").includes(secret));
  }
  assert.doesNotMatch(said.join(""), /eyJ|refresh-/);
  assert.equal(dirname(dirname(site.cache.path)), site.env.AIGNOSTICS_CACHE_DIR);
});
