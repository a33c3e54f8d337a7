import assert from "node:assert/strict";
import { join } from "node:path";
import { doctorChecks } from "../../../../cli/doctor/checks.ts";
import { AuditTrail } from "../../../../lib/audit/audit_trail.ts";
import { parseSettings } from "../../../../lib/config/config.ts";
import { TallyError } from "../../../../lib/errors.ts";
import { type Clock, systemClock } from "../../../../lib/system/clock.ts";
import { peerPath } from "../../../support/peers.ts";
import { privateAuthority } from "../../../support/private_authority.ts";
import { SmallResourceApi } from "../../../support/resource_api.ts";
import { startS3Server } from "../../../support/s3_server.ts";
import { tally } from "../../../support/tally.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const versitygw = peerPath("versitygw");
const openssl = peerPath("openssl");

/** What each check says: `ok`, `warning`, or the code of the error. */
async function examined(
  flags: Record<string, string>,
  { clock = systemClock, variables = {}, only }: { clock?: Clock; variables?: Record<string, string>; only?: string } =
    {},
): Promise<Record<string, string>> {
  const settings = parseSettings({ flags, environment: () => undefined, file: {} });
  const results: Record<string, string> = {};
  for (const { name, run } of doctorChecks({ settings, clock, environment: (name) => variables[name] })) {
    if (only !== undefined && only !== name) continue;
    results[name] = await run(AbortSignal.timeout(10_000)).then(({ status }) => status, (error) => {
      assert.ok(error instanceof TallyError, `${name}: ${error}`);
      return error.code;
    });
  }
  return results;
}

function hardwareFile(folder: string): Promise<void> {
  const facts = { cpu: "Cortex-A78AE", gpu: "", memory: "30", driveSerial: "0x1234" };
  return Deno.writeTextFile(join(folder, "hardware.json"), JSON.stringify(facts));
}

Deno.test("doctorChecks() find nothing wrong where everything is in its place but Docker", async () => {
  await using api = await SmallResourceApi.start();
  await using folder = await tempFolder();
  await hardwareFile(folder.path);
  await Deno.writeTextFile(join(folder.path, "images.enc"), "x");
  await Deno.mkdir(join(folder.path, "usb"));
  await Deno.writeTextFile(join(folder.path, "cdn.yaml"), `host: file://${folder.path}/usb\n`);
  const flags = {
    "resource-api-url": api.url.href,
    "state-dir": join(folder.path, "state"),
    "model-cache-dir": join(folder.path, "models"),
    "hardware-file": join(folder.path, "hardware.json"),
    "images-path": join(folder.path, "images.enc"),
    "cdn-config": join(folder.path, "cdn.yaml"),
    "docker-host": `unix://${folder.path}/docker.sock`,
  };
  const { Docker, ...rest } = await examined(flags);
  assert.equal(Docker, "docker");
  assert.deepEqual(new Set(Object.values(rest)), new Set(["ok"]), JSON.stringify(rest));
  assert.deepEqual([...Deno.readDirSync(folder.path)].length, 4, "a check has made something");

  const slow: Clock = { now: () => Date.now() - 10 * 60_000, sleep: systemClock.sleep };
  assert.equal((await examined(flags, { clock: slow })).clock, "warning");
});

Deno.test("doctorChecks() name each thing that is not in its place", async () => {
  await using folder = await tempFolder();
  const state = join(folder.path, "state");
  await Deno.mkdir(state, { mode: 0o755 });
  await new AuditTrail(join(state, "audit"), systemClock).record({ action: "load", from: "local", result: "ok" });
  const trail = join(state, "audit/audit-000000000001.jsonl");
  await Deno.writeTextFile(trail, (await Deno.readTextFile(trail)).replace("load", "none"));
  await Deno.writeTextFile(join(folder.path, "models"), "a file");
  await Deno.writeTextFile(join(folder.path, "publisher.key"), "a key", { mode: 0o644 });
  const found = await examined({
    "resource-api-url": "http://127.0.0.1:9",
    "state-dir": state,
    "model-cache-dir": join(folder.path, "models"),
    "hardware-file": join(folder.path, "none.json"),
    "images-path": join(folder.path, "none.enc"),
    "cdn-config": join(folder.path, "none.yaml"),
    "docker-host": `unix://${folder.path}/docker.sock`,
    "jwt-verify": "off",
    "publisher-key-file": join(folder.path, "publisher.key"),
    "log-dir": join(folder.path, "models"),
  });
  assert.deepEqual(found, {
    "pins": "ok",
    "device state": "ok",
    "state folder": "warning",
    "cache folder": "configuration",
    "secret files": "configuration",
    "log folder": "configuration",
    "audit trail": "integrity",
    "TLS": "ok",
    "hardware facts": "configuration",
    "API": "unavailable",
    "clock": "unavailable",
    "token keys": "warning",
    "CDN": "configuration",
    "certificates": "configuration",
    "Docker": "docker",
    "archive": "warning",
  });
});

Deno.test("doctorChecks() name damaged pins and a damaged state of the device", async () => {
  await using folder = await tempFolder();
  const flags = {
    "resource-api-url": "http://127.0.0.1:1/",
    "state-dir": join(folder.path, "state"),
    "model-cache-dir": join(folder.path, "models"),
  };
  for (const name of ["state", "models"]) await Deno.mkdir(join(folder.path, name), { mode: 0o700 });
  for (
    const [file, check] of [["models/.pins.json", "pins"], ["state/floors.json", "device state"], [
      "state/trust.json",
      "device state",
    ]]
  ) {
    const path = join(folder.path, file ?? "");
    await Deno.writeTextFile(path, "{");
    const { pins, "device state": state } = await examined(flags);
    assert.deepEqual({ pins, state }, {
      pins: "ok",
      state: "ok",
      [check === "pins" ? "pins" : "state"]: "configuration",
    });
    await Deno.remove(path);
  }
});

Deno.test({
  name: "doctorChecks() say whether the CDN answers, takes the credentials, and has the bucket",
  ignore: versitygw === undefined,
  async fn() {
    await using s3 = await startS3Server({ program: versitygw ?? "" });
    await using folder = await tempFolder();
    const path = join(folder.path, "cdn.yaml");
    const { downloader } = s3.settings;
    const cases: readonly [what: string, secret: string, bucket: string, host: string, found: string][] = [
      ["all is right", downloader.secret.reveal(), "models", s3.endpoint.origin, "ok"],
      ["another bucket", downloader.secret.reveal(), "nowhere", s3.endpoint.origin, "warning"],
      ["a wrong secret", "wrong-secret-0815", "models", s3.endpoint.origin, "configuration"],
      ["nobody there", downloader.secret.reveal(), "models", "http://127.0.0.1:9", "unavailable"],
    ];
    for (const [what, secret, bucket, host, found] of cases) {
      const lines = [
        `host: ${host}`,
        `downloader_access_key: ${downloader.id.reveal()}`,
        `downloader_access_secret: ${secret}`,
      ];
      await Deno.writeTextFile(path, lines.join("\n"), { mode: 0o600 });
      const { CDN } = await examined({
        "resource-api-url": "http://127.0.0.1:9",
        "state-dir": folder.path,
        "model-cache-dir": folder.path,
        "images-resource": `${bucket}/images`,
        "cdn-config": path,
      }, { only: "CDN" });
      assert.equal(CDN, found, what);
    }
    await Deno.chmod(path, 0o644);
    const flags = { "resource-api-url": "http://127.0.0.1:9", "state-dir": folder.path, "cdn-config": path };
    assert.equal((await examined(flags, { only: "CDN" })).CDN, "configuration", "its keys can be read by others");
  },
});

Deno.test({
  name: "doctorChecks() say when a certificate ends, and that an authority is not trusted or cannot be read",
  ignore: openssl === undefined,
  async fn() {
    await using authority = await privateAuthority(openssl ?? "");
    await using folder = await tempFolder();
    const { cert, key, caFile } = authority;
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
      () => new Response("here"),
    );
    const flags = { "resource-api-url": `https://127.0.0.1:${server.addr.port}`, "state-dir": folder.path };
    const found = async (variables: Record<string, string>) =>
      (await examined(flags, { variables, only: "certificates" })).certificates;
    assert.equal(await found({ SSL_CERT_FILE: caFile }), "warning", "it ends in two days");
    assert.equal(await found({}), "unavailable", "nobody trusts it");
    const broken = join(folder.path, "broken.pem");
    await Deno.writeTextFile(broken, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert.equal(await found({ REQUESTS_CA_BUNDLE: broken }), "configuration");
    assert.equal(
      await found({ SSL_CERT_FILE: caFile, HTTPS_PROXY: "http://127.0.0.1:9" }),
      "warning",
      "the authority's own end",
    );
  },
});

Deno.test("tally doctor tells several faults of one thing in one line", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "tallystick.yaml");
  await Deno.writeTextFile(path, "RESOURCE_API_URL: https://api.example.com\nPORT: many\nMAX_TRANSFERS: none\n");
  const { stdout } = await tally(["--config", path, "doctor"], { cwd: folder.path });
  const [line = ""] = stdout.split("\n");
  assert.match(line, /^FAILED +settings: +.*PORT.*; .*MAX_TRANSFERS/);
});

Deno.test("tally doctor tells faults in the settings as a check that failed, with a hint, and ends with their exit code", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "settings.yaml");
  await Deno.writeTextFile(path, "RESOURCE_API_URL: https://api.example.com\nLOG_DIRECTORY: /var/log\nPORT: many\n");
  const { exitCode, stdout, stderr } = await tally(["--config", path, "doctor", "--json"], { cwd: folder.path });
  assert.equal(exitCode, 2, stderr);
  const { checks } = JSON.parse(stdout);
  assert.equal(checks.length, 1);
  const [{ name, status, says, hint }] = checks;
  assert.deepEqual([name, status, typeof hint], ["settings", "failed", "string"]);
  assert.match(says, /LOG_DIRECTORY in the settings file is not a setting/);
  assert.match(says, /PORT must be a port number/);
});
