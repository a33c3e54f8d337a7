import assert from "node:assert/strict";
import { join } from "node:path";
import { collectHardware } from "../../lib/hardware/collect.ts";
import { bundle } from "../../tools/ship/bundle.ts";
import { grantedRights } from "../../tools/ship/flags.ts";
import { launcherFlags } from "../../tools/ship/launcher.ts";
import type { Program } from "../../tools/ship/programs.ts";
import { type Site, withVariable } from "../../tools/ship/site.ts";
import { NETWORK_VARIABLES } from "../../tools/ship/variables.ts";
import { expect, post, useDevice } from "../support/device_round.ts";
import { PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { type S3Server, startS3Server } from "../support/s3_server.ts";
import { type RunningService, runningService, ShippedSite, type SiteCdn } from "../support/shipped_site.ts";

const versitygw = peerPath("versitygw");

/** Plain HTTP on this machine asks for some of the network's variables only; what lies beside an archive is of format v2. */
function isUnasked(grant: string): boolean {
  return NETWORK_VARIABLES.includes(grant) || /\.enc\.(small|hashes)$/.test(grant);
}

/** One line of what Deno writes about each access. */
interface Access {
  readonly permission: string;
  readonly value: string;
}

/** A Docker engine that has no images. */
function emptyEngine(path: string): Deno.HttpServer {
  return Deno.serve({ path, onListen: () => {} }, ({ url }) => {
    if (url.endsWith("/version")) return Response.json({ Version: "27.0" });
    if (url.endsWith("/images/json")) return Response.json([]);
    return Response.json({ message: "No such image: x" }, { status: 404 });
  });
}

function cdnOf({ endpoint, settings: { downloader, uploader } }: S3Server): SiteCdn {
  const lines = [
    `host: ${endpoint.origin}`,
    `downloader_access_key: ${downloader.id.reveal()}`,
    `downloader_access_secret: ${downloader.secret.reveal()}`,
    `uploader_access_key: ${uploader?.id.reveal()}`,
    `uploader_access_secret: ${uploader?.secret.reveal()}`,
  ];
  return { host: endpoint.host, yaml: lines.join("\n") };
}

/** The bundle with the flags that the launcher gives it, on this Deno, which writes down every access. */
async function auditedCommand(
  { program, site, folder }: { program: Program; site: Site; folder: string },
  args: readonly string[],
): Promise<Deno.Command> {
  const main = join(folder, "main.js");
  await Deno.writeFile(main, await bundle("main.js"));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...launcherFlags(program, site, folder), main, ...args],
    clearEnv: true,
    env: { ...site.variables, DENO_DIR: join(folder, "deno"), DENO_AUDIT_PERMISSIONS: auditPath(folder) },
    stdout: "piped",
    stderr: "piped",
  });
}

function auditPath(folder: string): string {
  return join(folder, "audit.jsonl");
}

/** Which of the granted values an access needed; none when it was outside of all of them. */
function grantOf({ permission, value }: Access, granted: readonly string[]): string | undefined {
  if (permission !== "net" || !/^https?:/.test(value)) {
    return granted.find((grant) => value === grant || (permission !== "env" && value.startsWith(`${grant}/`)));
  }
  const { host, port } = new URL(value);
  return granted.find((grant) => grant === host || (port === "" && grant === `${host}:80`));
}

/** Asserts that a program has used each of its rights, and has asked for nothing else. */
async function assertUsedIsGranted(program: Program, site: Site, folder: string): Promise<void> {
  const lines = (await Deno.readTextFile(auditPath(folder))).trim().split("\n");
  const accesses = lines.map((line): Access => JSON.parse(line));
  const rights = grantedRights(program, site);
  for (const [right, granted] of rights) {
    const used = accesses.filter(({ permission }) => permission === right).map((access) => grantOf(access, granted));
    const asked = used.filter((grant) => grant !== undefined && !isUnasked(grant));
    assert.deepEqual(new Set(asked), new Set(granted.filter((grant) => !isUnasked(grant))), right);
  }
  const outside = accesses.filter((access) =>
    access.permission !== "env" && grantOf(access, rights.get(access.permission as "net") ?? []) === undefined
  );
  assert.deepEqual(outside, [], "variables that are not granted read as not set; nothing else may be asked for");
}

/** Asserts that a program keeps its log in files as well, for its owner only. */
async function assertLogged(logDir: string, program: Program): Promise<void> {
  const [name, ...others] = (await Array.fromAsync(Deno.readDir(logDir))).map(({ name }) => name);
  assert.match(name ?? "", new RegExp(`^${program}-\\d{4}-\\d{2}-\\d{2}\\.0\\.jsonl$`));
  const path = join(logDir, name ?? "");
  assert.deepEqual([others, (await Deno.stat(path)).mode], [[], 0o100600]);
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.ok(lines.some(({ message }) => message === "request"), "no request stands in it");
}

Deno.test({
  name: "device: what it is granted is what it uses, with an S3 server as its CDN",
  ignore: versitygw === undefined,
  async fn() {
    await using s3 = await startS3Server({ program: versitygw ?? "" });
    await using shipped = await ShippedSite.open({ cdn: cdnOf(s3) });
    const { folder, origin } = shipped;
    await using _engine = emptyEngine(join(folder, "docker.sock"));
    const hardwareFile = join(folder, "hardware.json");
    await collectHardware("/", hardwareFile);
    const logDir = join(folder, "log");
    const site = withVariable(withVariable(shipped.site, "HARDWARE_FILE", hardwareFile), "LOG_DIR", logDir);
    const command = await auditedCommand({ program: "device", site, folder }, ["device", "--json"]);
    await using device = await runningService(command);
    await useDevice(origin, device.url);
    const account = JSON.stringify({ email: "operator@example.com", password: PASSWORD });
    await expect(404, post(`${device.url}/unlock`, account));
    await assertUsedIsGranted("device", site, folder);
    await assertLogged(logDir, "device");
  },
});

Deno.test("origin: what it is granted is what it uses", async () => {
  await using shipped = await ShippedSite.open();
  const { folder } = shipped;
  const logDir = join(folder, "log");
  const site = { ...shipped.site, origin: { ...shipped.site.origin, logDir } };
  const { dataDir, port } = site.origin;
  const init = await auditedCommand({ program: "origin", site, folder }, [
    "origin",
    "init",
    "--data-dir",
    dataDir,
    "--json",
  ]);
  const { stdout, stderr } = await init.output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  const serve = ["origin", "serve", "--data-dir", dataDir, "--log-dir", logDir, "--port", String(port), "--json"];
  await using served: RunningService = await runningService(
    await auditedCommand({ program: "origin", site, folder }, serve),
  );
  await expect(200, post(`${served.url}/login`, text));
  await assertUsedIsGranted("origin", site, folder);
  await assertLogged(logDir, "origin");
});
