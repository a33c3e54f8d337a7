import assert from "node:assert/strict";
import { join } from "node:path";
import { docker, importBaseImage } from "../support/base_image.ts";
import { startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { eventually } from "../support/eventually.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { PlatformUser, type ShownItem } from "../support/platform_site.ts";
import { tally } from "../support/tally.ts";

const dockerd = peerPath("dockerd");
const CHILD = join(import.meta.dirname ?? "", "../support/origin_child.ts");
const PROGRAMS = ["/bin/sh", "/bin/cat", "/bin/sleep", "/bin/ln", "/bin/mktemp", "/bin/rmdir"];

/** Forty of them make a path that cannot be named as a whole. */
const LONG_NAME = "d".repeat(200);

/** What the application does is said by the first line of its input. */
const SCRIPT = `
read -r mode < /inputs/text
case "$mode" in
  copy) cat /inputs/text > /outputs/copy ;;
  job) cat /inputs/item.json > /outputs/copy ;;
  rights) { cat /proc/self/status /proc/net/dev; echo x > /root.txt || echo no-root; echo x > /inputs/text || echo no-inputs; } \\
    > /outputs/copy 2> /dev/null ;;
  refuse) echo "the text is too short" >&2; exit 65 ;;
  fail) echo "out of luck" >&2; exit 3 ;;
  sleep) sleep 60 ;;
  nothing) ;;
  link) ln -s /etc/passwd /outputs/copy ;;
  big) while :; do cat /inputs/text /inputs/text /inputs/text /inputs/text > /outputs/$$-$((n = n + 1)) || :; done ;;
  deep) cd /outputs && while [ $((n = n + 1)) -le 40 ]; do d=$(mktemp -d ${LONG_NAME}XXXXXX) && cd -P "$d" || exit; done; sleep 2 ;;
  churn) while [ $((n = n + 1)) -le 12 ]; do mktemp -d /outputs/dXXX > /dev/null; mktemp -d /outputs/dXXX > /dev/null; rmdir /outputs/d*; done; echo ok > /outputs/copy ;;
  memory) x=0123456789; while :; do x="$x$x"; done ;;
esac
`;

const MANIFEST = {
  application_id: "copier",
  name: "Copier",
  version: "1.0.0-rc.1",
  command: ["/bin/sh", "-c", SCRIPT],
  limits: { memory_mib: 32, cpus: 0.5, pids: 16, seconds: 12, output_mib: 4 },
  input_artifacts: [{
    name: "text",
    mime_type: "text/plain",
    metadata_schema: { type: "object", required: ["language"] },
  }],
  output_artifacts: [{ name: "copy", mime_type: "text/plain" }],
  documents: [{ file: "notes.md", mime_type: "text/markdown" }],
};

async function addCopier(site: OriginSite, image: string, version: string): Promise<void> {
  const manifest = join(site.dataDir, "..", "copier.json");
  await Deno.writeTextFile(join(site.dataDir, "..", "notes.md"), "# Notes");
  await Deno.writeTextFile(manifest, JSON.stringify(MANIFEST));
  const folder = ["--data-dir", site.dataDir, "--json"];
  const args = [
    "origin",
    "application",
    "add",
    "--manifest",
    manifest,
    "--image",
    image,
    "--application-version",
    version,
    ...folder,
  ];
  const { exitCode, stdout, stderr } = await tally(args);
  assert.equal(exitCode, 0, stderr);
  assert.equal(JSON.parse(stdout).versions[0].number, version);
}

async function submit(user: PlatformUser, modes: readonly string[]): Promise<string> {
  const items = await Promise.all(modes.map(async (mode) => ({
    external_id: mode,
    input_artifacts: [
      {
        name: "text",
        download_url: await user.upload(mode === "big" ? `${mode}\n${"x".repeat(1024 ** 2)}` : `${mode}\n`),
        metadata: { language: "en" },
      },
    ],
  })));
  return await user.submit(items, { application_id: "copier" });
}

async function resultsOf(user: PlatformUser, runId: string): Promise<ReadonlyMap<string, ShownItem>> {
  await user.ended(runId, 120_000);
  return new Map((await user.items(runId)).map((item) => [item.external_id, item]));
}

async function textOf(user: PlatformUser, runId: string, item: ShownItem | undefined): Promise<string> {
  const [output] = item?.output_artifacts ?? [];
  assert.ok(output !== undefined);
  return await (await fetch(await user.fileUrl(runId, output))).text();
}

Deno.test({
  name: "a container application reads its inputs, has no rights, and its ends are told apart",
  ignore: dockerd === undefined,
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    const image = await importBaseImage(engine.dockerHost, Deno.build.arch, PROGRAMS);
    await using site = await OriginSite.start({ dockerHost: engine.dockerHost });
    await addCopier(site, image, "1.0.0");
    const user = await PlatformUser.administrator(site);
    const runId = await submit(user, [
      ...["copy", "job", "rights", "refuse", "fail", "sleep", "nothing", "link", "big", "deep", "churn", "memory"],
    ]);
    const results = await resultsOf(user, runId);
    const end = (mode: string) => [results.get(mode)?.termination_reason, results.get(mode)?.error_code];
    assert.deepEqual(end("copy"), ["SUCCEEDED", null]);
    assert.equal(await textOf(user, runId, results.get("copy")), "copy\n");
    const job = JSON.parse(await textOf(user, runId, results.get("job")));
    assert.deepEqual(job.inputs, [{ name: "text", path: "/inputs/text", metadata: { language: "en" } }]);
    assert.deepEqual(end("refuse"), ["USER_ERROR", "APPLICATION.INPUT_REFUSED"]);
    assert.match(results.get("refuse")?.error_message ?? "", /the text is too short/);
    assert.deepEqual(end("fail"), ["SYSTEM_ERROR", "APPLICATION.FAILED"]);
    assert.deepEqual(end("sleep"), ["SYSTEM_ERROR", "APPLICATION.TIME_LIMIT"]);
    assert.deepEqual(end("nothing"), ["SYSTEM_ERROR", "APPLICATION.OUTPUT_MISSING"]);
    assert.deepEqual(end("link"), ["SYSTEM_ERROR", "APPLICATION.OUTPUT_MISSING"], "a link is no output");
    assert.deepEqual(end("big"), ["SYSTEM_ERROR", "APPLICATION.OUTPUT_TOO_LARGE"]);
    assert.deepEqual(end("deep"), ["SYSTEM_ERROR", "APPLICATION.OUTPUT_UNREADABLE"], "no path reaches its bottom");
    assert.deepEqual(end("churn"), ["SUCCEEDED", null], "what goes while it is looked at is no fault");
    assert.deepEqual(end("memory"), ["SYSTEM_ERROR", "APPLICATION.OUT_OF_MEMORY"]);
    checkRights(await textOf(user, runId, results.get("rights")));
    await checkNothingLeft(engine, site);
  },
});

function checkRights(said: string): void {
  assert.match(said, /^Uid:\t65532\t65532/m);
  assert.match(said, /^Cap(Prm|Eff|Bnd):\t0+$/m);
  assert.match(said, /^NoNewPrivs:\t1$/m);
  const networks = [...said.matchAll(/^ *(\w+):(?= +\d)/gm)].map(([, name]) => name);
  assert.deepEqual(networks, ["lo"]);
  assert.match(said, /^no-root$/m);
  assert.match(said, /^no-inputs$/m);
}

async function containersOf({ dockerHost }: TestEngine): Promise<string[]> {
  const ids = await docker(dockerHost, ["ps", "--all", "--quiet"]);
  return ids.split("\n").filter((id) => id !== "");
}

async function checkNothingLeft(engine: TestEngine, site: OriginSite): Promise<void> {
  assert.deepEqual(await containersOf(engine), []);
  assert.deepEqual((await filesBelow(site.dataDir)).filter((path) => path.startsWith("work.partial/")), []);
}

Deno.test({
  name: "a container that is at work ends when its run is cancelled or the origin stops, and is then run again",
  ignore: dockerd === undefined,
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    const image = await importBaseImage(engine.dockerHost, Deno.build.arch, PROGRAMS);
    await using site = await OriginSite.start({ dockerHost: engine.dockerHost });
    await addCopier(site, image, "1.0.0");
    const user = await PlatformUser.administrator(site);
    const cancelled = await submit(user, ["sleep"]);
    await user.until(cancelled, "PROCESSING");
    assert.equal((await user.call("POST", `/runs/${cancelled}/cancel`)).status, 202);
    assert.equal((await user.ended(cancelled)).termination_reason, "CANCELED_BY_USER");
    const kept = await submit(user, ["sleep"]);
    await user.until(kept, "PROCESSING");
    await site.stop();
    await checkNothingLeft(engine, site);
    await site.serve();
    const again = await PlatformUser.administrator(site);
    const item = (await resultsOf(again, kept)).get("sleep");
    assert.deepEqual([item?.termination_reason, item?.error_code], ["SYSTEM_ERROR", "APPLICATION.TIME_LIMIT"]);
    await checkNothingLeft(engine, site);
  },
});

Deno.test({
  name: "a container that a killed origin has left ends at the next start, and its item is run again",
  ignore: dockerd === undefined,
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    const image = await importBaseImage(engine.dockerHost, Deno.build.arch, PROGRAMS);
    await using site = await OriginSite.start();
    await addCopier(site, image, "1.0.0");
    await site.stop();
    const args = ["run", "-A", CHILD, site.dataDir, engine.dockerHost];
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
    const reader = child.stdout.getReader();
    site.url = new TextDecoder().decode((await reader.read()).value).trim();
    const user = await PlatformUser.administrator(site);
    const runId = await submit(user, ["sleep"]);
    await eventually("the container is at work", async () => (await containersOf(engine)).length === 1);
    const [left] = await containersOf(engine);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assert.deepEqual(await containersOf(engine), [left], "nobody has ended it");
    site.options = { dockerHost: engine.dockerHost };
    await site.serve();
    await eventually("it is gone", async () => !(await containersOf(engine)).includes(left ?? ""));
    const item = (await resultsOf(await PlatformUser.administrator(site), runId)).get("sleep");
    assert.deepEqual([item?.termination_reason, item?.error_code], ["SYSTEM_ERROR", "APPLICATION.TIME_LIMIT"]);
    await checkNothingLeft(engine, site);
  },
});

Deno.test({
  name: "an application whose image or engine is away fails, and says so without details",
  async fn() {
    await using site = await OriginSite.start({ dockerHost: "unix:///nowhere/docker.sock" });
    await addCopier(site, "nothing:1", "1.0.0");
    const user = await PlatformUser.administrator(site);
    const item = (await resultsOf(user, await submit(user, ["copy"]))).get("copy");
    assert.deepEqual([item?.termination_reason, item?.error_code], ["SYSTEM_ERROR", "SYSTEM.ENGINE"]);
    assert.equal(item?.error_message, "The application could not be started");
    assert.equal((await user.call("POST", "/runs", { json: missingMetadata() })).status, 400);
    const document = await user.call("GET", "/applications/copier/versions/1.0.0/documents/notes.md/content");
    const answer = await fetch(document.headers.get("location") ?? "");
    assert.deepEqual([answer.headers.get("content-type"), await answer.text()], ["text/markdown", "# Notes"]);
  },
});

function missingMetadata() {
  const input = { name: "text", download_url: "https://example.com/a", metadata: {} };
  return { application_id: "copier", items: [{ external_id: "a", input_artifacts: [input] }] };
}

Deno.test("tally origin application add, list and remove keep the catalogue", async () => {
  await using site = await OriginSite.start();
  await addCopier(site, "copier:1", "1.0.0");
  await addCopier(site, "copier:2", "2.0.0-beta.1");
  const user = await PlatformUser.administrator(site);
  const { versions } = await user.json<{ versions: { number: string }[] }>("GET", "/applications/copier");
  assert.deepEqual(versions.map(({ number }) => number), ["2.0.0-beta.1", "1.0.0"]);
  const folder = ["--data-dir", site.dataDir];
  const { stdout } = await tally(["origin", "application", "list", ...folder]);
  assert.match(stdout, /checksum +1\.0\.0 +\(built in\)/);
  const manifest = join(site.dataDir, "..", "copier.json");
  const add = ["origin", "application", "add", "--manifest", manifest, ...folder];
  assert.equal(
    (await tally([...add, "--image", "copier:1", "--application-version", "1.0.0"])).exitCode,
    1,
    "it is there",
  );
  assert.notEqual((await tally([...add, "--application-version", "3.0.0"])).exitCode, 0, "no image");
  assert.notEqual(
    (await tally([...add, "--image", "copier:1", "--application-version", "3"])).exitCode,
    0,
    "no version",
  );
  const remove = ["origin", "application", "remove", "copier", ...folder];
  for (const version of ["1.0.0", "2.0.0-beta.1"]) {
    assert.equal((await tally([...remove, "--application-version", version])).exitCode, 0);
  }
  assert.equal((await tally([...remove, "--application-version", "1.0.0"])).exitCode, 5);
  assert.equal((await user.call("GET", "/applications/copier")).status, 404);
});
