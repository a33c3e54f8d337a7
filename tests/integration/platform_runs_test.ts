import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Crc32c } from "../../lib/crc32c.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { readPicture } from "../../origin/platform/builtin/picture.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser, type ShownItem, type ShownRun } from "../support/platform_site.ts";

Deno.test("a submitted run is processed, and its artifacts are read by URLs that need no token", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.create(site, "user@example.com");
  const bytes = keystream("input", 300_000);
  const runId = await user.submit(
    [
      checksumItem("folder/a b&c#+.bin", await user.upload(bytes)),
      checksumItem("second", await user.upload("123456789")),
    ],
    { custom_metadata: { "ключ": [null, { deep: "ü\u0000" }] } },
  );
  const run = await user.ended(runId);
  assert.deepEqual([run.output, run.termination_reason, run.error_code], ["FULL", "ALL_ITEMS_PROCESSED", null]);
  assert.deepEqual(run.statistics, {
    item_count: 2,
    item_pending_count: 0,
    item_processing_count: 0,
    item_user_error_count: 0,
    item_system_error_count: 0,
    item_skipped_count: 0,
    item_succeeded_count: 2,
  });
  assert.deepEqual(run.custom_metadata, { "ключ": [null, { deep: "ü\u0000" }] });
  const item = await user.json<
    { output_artifacts: [{ output_artifact_id: string; name: string; metadata: never; output: "" }] }
  >(
    "GET",
    `/runs/${runId}/items/${encodeURIComponent("folder/a b&c#+.bin")}`,
  );
  const url = await user.fileUrl(runId, item.output_artifacts[0]);
  const answer = await fetch(url);
  const text = await answer.text();
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(answer.headers.get("content-length"), String(text.length));
  assert.deepEqual(JSON.parse(text).sha256, createHash("sha256").update(bytes).digest("hex"));
  const part = await fetch(url, { headers: { range: "bytes=1-4", "if-range": answer.headers.get("etag") ?? "" } });
  assert.deepEqual([part.status, await part.text()], [206, text.slice(1, 5)]);
});

/** A server whose answers come when the test says so: items that read from it stay at work until then. */
class SlowServer implements AsyncDisposable {
  readonly #release = Promise.withResolvers<void>();
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async () => {
    await this.#release.promise;
    return new Response("content");
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  release(): void {
    this.#release.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.#server.shutdown();
  }
}

/** Works on one item at a time, and reads inputs of this machine. */
const ONE_AT_A_TIME = { parallelism: 1, allowPrivateInputs: true };

function slowItems(server: SlowServer, ...externalIds: string[]) {
  return externalIds.map((externalId) => checksumItem(externalId, server.url));
}

Deno.test("a cancelled run ends at once: what was done stays, what was not is skipped", async () => {
  await using server = new SlowServer();
  await using site = await OriginSite.start({ platform: ONE_AT_A_TIME });
  const user = await PlatformUser.administrator(site);
  const done = await user.upload("done");
  const runId = await user.submit([checksumItem("done", done), ...slowItems(server, "at work", "waiting")]);
  await eventually("one item is at work", async () => {
    const { statistics } = await user.run(runId);
    return statistics.item_succeeded_count === 1 && statistics.item_processing_count === 1;
  });
  assert.equal((await user.run(runId)).state, "PROCESSING");
  assert.equal((await user.call("DELETE", `/runs/${runId}/artifacts`)).status, 409, "it has not ended");
  assert.equal((await user.call("POST", `/runs/${runId}/cancel`)).status, 202);
  const run = await user.run(runId);
  assert.deepEqual([run.state, run.termination_reason, run.output], ["TERMINATED", "CANCELED_BY_USER", "PARTIAL"]);
  assert.deepEqual([run.statistics.item_skipped_count, run.statistics.item_succeeded_count], [2, 1]);
  assert.equal((await user.call("POST", `/runs/${runId}/cancel`)).status, 409);
  server.release();
  const next = await user.ended(await user.submit([checksumItem("next", done)]));
  assert.equal(next.output, "FULL", "the worker goes on");
  const outputs = (await user.items(runId)).map((item) => [item.external_id, item.termination_reason, item.output]);
  assert.deepEqual(outputs, [["done", "SUCCEEDED", "FULL"], ["at work", "SKIPPED", "NONE"], [
    "waiting",
    "SKIPPED",
    "NONE",
  ]]);
});

Deno.test("a run is cancelled by the system when its deadline passes", async () => {
  await using server = new SlowServer();
  await using site = await OriginSite.start({ platform: ONE_AT_A_TIME });
  const user = await PlatformUser.administrator(site);
  const soon = new Date(systemClock.now() + 300).toISOString();
  const runId = await user.submit(slowItems(server, "a", "b"), { scheduling: { deadline: soon } });
  const run = await user.ended(runId);
  assert.deepEqual([run.termination_reason, run.error_code], ["CANCELED_BY_SYSTEM", "SCHEDULER.DEADLINE_EXCEEDED"]);
  assert.equal(run.statistics.item_skipped_count, 2);
});

Deno.test("a run is cancelled by the system when too many of its items fail", async () => {
  await using site = await OriginSite.start({ platform: { parallelism: 1, allowPrivateInputs: false } });
  const user = await PlatformUser.administrator(site);
  const items = Array.from({ length: 20 }, (_, index) => checksumItem(`item ${index}`, "http://127.0.0.1:1/"));
  const run = await user.ended(await user.submit(items));
  assert.deepEqual(
    [run.termination_reason, run.error_code, run.output],
    ["CANCELED_BY_SYSTEM", "SCHEDULER.ITEMS_WITH_ERROR_THRESHOLD_REACHED", "NONE"],
  );
  assert.deepEqual([run.statistics.item_user_error_count, run.statistics.item_skipped_count], [11, 9]);
});

Deno.test("earlier due dates go first, and everybody sees where they stand", async () => {
  await using server = new SlowServer();
  await using site = await OriginSite.start({ platform: ONE_AT_A_TIME });
  const user = await PlatformUser.administrator(site);
  const busy = await user.submit(slowItems(server, "busy"));
  await user.until(busy, "PROCESSING");
  const dueAt = (day: number) => ({ scheduling: { due_date: `2040-01-0${day}T00:00:00Z` } });
  const [whenever, later, sooner] = [
    await user.submit(slowItems(server, "a", "b")),
    await user.submit(slowItems(server, "c"), dueAt(2)),
    await user.submit(slowItems(server, "d"), dueAt(1)),
  ];
  const before = async (runId: string) => (await user.run(runId)).num_preceding_items_platform;
  assert.deepEqual([await before(sooner), await before(later), await before(whenever)], [0, 1, 2]);
  const positions = (await user.items(whenever)).map((item) => item.queue_position_platform);
  assert.deepEqual(positions, [3, 4]);
  assert.equal(await before(busy), null);
  server.release();
  const ends = await Promise.all([sooner, later, whenever].map(async (runId) => {
    await user.ended(runId);
    return await user.json<{ terminated_at: string }>("GET", `/runs/${runId}`);
  }));
  const times = ends.map(({ terminated_at }) => terminated_at);
  assert.deepEqual(times, times.toSorted());
});

Deno.test("the same submission with the same key makes one run, also after a restart", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const items = [checksumItem("a", await user.upload("content"))];
  const submit = (key: string, json: unknown, as = user) =>
    as.call("POST", "/runs", { json, headers: { "idempotency-key": key } });
  const body = { application_id: "checksum", items, custom_metadata: { a: 1, b: 2 } };
  const first = (await submit("key-1", body)).json<{ run_id: string }>();
  const reordered = { custom_metadata: { b: 2, a: 1 }, items, application_id: "checksum" };
  const answers = await Promise.all(Array.from({ length: 5 }, () => submit("key-1", reordered)));
  for (const answer of answers) assert.deepEqual([answer.status, answer.json()], [201, first]);
  assert.equal((await submit("key-1", { ...body, custom_metadata: {} })).status, 422, "another submission");
  assert.equal((await submit("not a key", body)).status, 422);
  await site.stop();
  await site.serve();
  const again = await PlatformUser.administrator(site);
  assert.deepEqual((await submit("key-1", body, again)).json(), first);
  assert.notDeepEqual((await submit("key-2", body, again)).json(), first);
  const other = await PlatformUser.create(site, "other@example.com");
  assert.notDeepEqual((await submit("key-1", body, other)).json(), first, "a key belongs to its user");
  assert.equal((await again.json<unknown[]>("GET", "/runs")).length, 2);
});

Deno.test("custom metadata are replaced only in the state that the caller has read", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const item = { ...checksumItem("a/b", await user.upload("content")), custom_metadata: { tag: "x" } };
  const runId = await user.submit([item], { custom_metadata: { tag: "x" } });
  for (const path of [`/runs/${runId}`, `/runs/${runId}/items/a%2Fb`]) {
    const shown = () => user.json<Pick<ShownRun, "custom_metadata" | "custom_metadata_checksum">>("GET", path);
    const put = (json: unknown) => user.call("PUT", `${path}/custom-metadata`, { json });
    const { custom_metadata_checksum: read } = await shown();
    const changed = await put({ custom_metadata: { tag: "y" }, custom_metadata_checksum: read });
    assert.equal(changed.status, 200, changed.text);
    assert.deepEqual(await shown(), {
      ...await shown(),
      custom_metadata: { tag: "y" },
      ...changed.json<Record<string, string>>(),
    });
    assert.equal((await put({ custom_metadata: { tag: "z" }, custom_metadata_checksum: read })).status, 412);
    assert.deepEqual((await shown()).custom_metadata, { tag: "y" });
    assert.equal((await put({ custom_metadata: { tag: "z" } })).status, 200, "without a checksum it is not looked at");
    assert.deepEqual((await put({ custom_metadata: null })).json(), { custom_metadata_checksum: null });
    assert.equal((await put({ custom_metadata: [] })).status, 422);
  }
});

Deno.test("lists are filtered, sorted and paged", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const url = await user.upload("content");
  const runIds: string[] = [];
  for (let index = 0; index < 12; index++) {
    const items = [checksumItem(`run ${index}`, url)];
    const runId = await user.submit(items, { custom_metadata: { index, tags: [index % 2 === 0 ? "even" : "odd"] } });
    await user.ended(runId);
    runIds.push(runId);
  }
  const list = async (query: Record<string, string>) =>
    (await user.json<ShownRun[]>("GET", `/runs?${new URLSearchParams(query)}`)).map(({ run_id }) =>
      runIds.indexOf(run_id)
    );
  assert.deepEqual(await list({ sort: "submitted_at" }), [...runIds.keys()]);
  assert.deepEqual(await list({}), [...runIds.keys()].reverse(), "the newest first");
  assert.deepEqual(await list({ sort: "submitted_at", page_size: "5", page: "3" }), [10, 11]);
  assert.deepEqual(await list({ page: "4", page_size: "5" }), []);
  assert.deepEqual(await list({ page: "99999999999999999999" }), []);
  const even = { custom_metadata: '$.tags[*] ? (@ == "even")', sort: "+submitted_at" };
  assert.deepEqual(await list(even), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(await list({ ...even, page_size: "5", page: "2" }), [10]);
  assert.deepEqual(await list({ custom_metadata: "$.index ? (@ > 9)" }), [11, 10]);
  assert.deepEqual(await list({ external_id: "run 3" }), [3]);
  assert.deepEqual(await list({ application_id: "thumbnail" }), []);
  assert.deepEqual(
    await list({ application_id: "checksum", application_version: "1.0.0", page_size: "100" }).then((all) =>
      all.length
    ),
    12,
  );
  const wrong = [
    "page=0",
    "page=x",
    "page_size=4",
    "page_size=101",
    "sort=nothing",
    "sort=-",
    "custom_metadata=%24.%3F",
    "custom_metadata=%24.a%20%3F%20(%40%20like_regex%20%22(%22)",
  ];
  for (const query of wrong) {
    const reply = await user.call("GET", `/runs?${query}`);
    const { detail } = reply.json<{ detail: { loc: string[]; msg: string; type: string }[] }>();
    assert.deepEqual([reply.status, detail[0]?.loc], [422, ["query", query.split("=")[0]]], query);
  }
});

Deno.test("items are found by id, external id, state and reason", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const url = await user.upload("content");
  const strange = ["a/b", "a b", "ä&b=c#d+e", "%2F", "..", "."];
  const runId = await user.submit([
    ...strange.map((id) => checksumItem(id, url)),
    checksumItem("bad", "http://127.0.0.1:1/"),
  ]);
  await user.ended(runId);
  for (const id of strange.slice(0, 4)) {
    const item = await user.json<ShownItem>("GET", `/runs/${runId}/items/${encodeURIComponent(id)}`);
    assert.equal(item.external_id, id);
  }
  const list = async (query: string) =>
    (await user.json<ShownItem[]>("GET", `/runs/${runId}/items?${query}`)).map(({ external_id }) => external_id);
  assert.deepEqual(await list(""), [...strange, "bad"]);
  assert.deepEqual(await list("termination_reason=USER_ERROR"), ["bad"]);
  assert.deepEqual(await list("state=PENDING"), []);
  assert.deepEqual(await list(`external_id__in=${encodeURIComponent("ä&b=c#d+e")}&external_id__in=..`), [
    "ä&b=c#d+e",
    "..",
  ]);
  const [first] = await user.items(runId);
  assert.deepEqual(await list(`item_id__in=${first?.item_id}`), ["a/b"]);
  assert.deepEqual(await list("sort=-external_id&page_size=5"), ["ä&b=c#d+e", "bad", "a/b", "a b", ".."]);
  for (const query of ["state=DONE", "item_id__in=x", "termination_reason=x"]) {
    assert.equal((await user.call("GET", `/runs/${runId}/items?${query}`)).status, 422, query);
  }
});

Deno.test("POST /runs refuses what does not fit, and makes nothing", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const item = checksumItem("a", "https://example.com/a");
  const nested = JSON.parse("[".repeat(300) + "]".repeat(300));
  const cases: readonly (readonly [string, number, unknown])[] = [
    ["no such application", 404, { application_id: "none", items: [item] }],
    ["no such version", 404, { application_id: "checksum", version_number: "9.9.9", items: [item] }],
    ["no items", 422, { application_id: "checksum", items: [] }],
    ["two items of one id", 400, { application_id: "checksum", items: [item, item] }],
    ["no input", 400, { application_id: "checksum", items: [{ external_id: "a", input_artifacts: [] }] }],
    ["another input", 400, { application_id: "thumbnail", items: [item] }],
    ["wrong metadata", 400, {
      application_id: "checksum",
      items: [checksumItem("a", "https://example.com/a", { checksum_base64_crc32c: "x" })],
    }],
    ["no URL", 422, { application_id: "checksum", items: [checksumItem("a", "nothing")] }],
    ["a long id", 422, { application_id: "checksum", items: [checksumItem("a".repeat(256), "https://example.com/a")] }],
    ["metadata that are no object", 422, { application_id: "checksum", items: [item], custom_metadata: [] }],
    ["a deep nest", 422, { application_id: "checksum", items: [item], custom_metadata: { nested } }],
    ["a large context", 422, { application_id: "checksum", items: [item], callback_context: { a: "x".repeat(1024) } }],
    ["no date", 422, { application_id: "checksum", items: [item], scheduling: { due_date: "tomorrow" } }],
  ];
  for (const [what, status, json] of cases) {
    const reply = await user.call("POST", "/runs", { json });
    assert.equal(reply.status, status, `${what}: ${reply.text}`);
    const { detail } = reply.json<{ detail: unknown }>();
    assert.equal(Array.isArray(detail), status === 422, what);
  }
  for (const [body, type] of [["{", "application/json"], ["{}", "text/plain"]]) {
    const reply = await user.call("POST", "/runs", { body: body ?? "", headers: { "content-type": type ?? "" } });
    assert.equal(reply.status, 422);
  }
  assert.deepEqual(await user.json("GET", "/runs"), []);
});

Deno.test("deleted artifacts are gone, and their bytes with them", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const runId = await user.submit([checksumItem("a", await user.upload("content"))]);
  await user.ended(runId);
  const artifact = (await user.items(runId))[0]?.output_artifacts[0];
  assert.ok(artifact !== undefined);
  const url = await user.fileUrl(runId, artifact);
  const stored = (await filesBelow(site.dataDir)).filter((path) => path.startsWith("objects/"));
  assert.equal((await user.call("DELETE", `/runs/${runId}/artifacts`)).status, 200);
  const shown = (await user.items(runId))[0]?.output_artifacts[0];
  assert.deepEqual([shown?.output, shown?.metadata], ["DELETED_BY_USER", null]);
  const path = `/runs/${runId}/artifacts/${artifact.output_artifact_id}/file`;
  assert.equal((await user.call("GET", path)).status, 410);
  assert.equal((await fetch(url).then(discard)).status, 404);
  assert.equal((await user.call("DELETE", `/runs/${runId}/artifacts`)).status, 410);
  const left = (await filesBelow(site.dataDir)).filter((path) => path.startsWith("objects/"));
  assert.equal(left.length, stored.length - 1);
});

Deno.test("the thumbnail of a picture is a small picture", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const items = await Promise.all(["baseline.jpeg", "gray.png", "README.md"].map(async (name) => ({
    external_id: name,
    input_artifacts: [
      {
        name: "picture",
        download_url: await user.upload(await Deno.readFile(`tests/fixtures/pictures/${name}`)),
        metadata: {},
      },
    ],
  })));
  const runId = await user.submit(items, { application_id: "thumbnail" });
  const run = await user.ended(runId);
  assert.deepEqual([run.output, run.statistics.item_user_error_count], ["PARTIAL", 1]);
  const [jpeg, , text] = await user.items(runId);
  assert.equal(text?.error_code, "INPUT.UNREADABLE");
  const thumbnail = jpeg?.output_artifacts[0];
  assert.ok(thumbnail !== undefined);
  const { width_px, height_px, media_type } = thumbnail.metadata ?? {};
  assert.deepEqual([width_px, height_px, media_type], [150, 103, "image/png"]);
  const bytes = new Uint8Array(await (await fetch(await user.fileUrl(runId, thumbnail))).arrayBuffer());
  const checksum = new Crc32c();
  checksum.update(bytes);
  assert.equal(checksum.base64(), thumbnail.metadata?.checksum_base64_crc32c);
  assert.equal((await readPicture(bytes)).width, 150);
});

Deno.test("signed URLs open what they were made for, and nothing else", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const url = await user.upload("content");
  assert.equal(await (await fetch(url)).text(), "content");
  const changes = [
    url.replace(/expires=(\d+)/, "expires=9$1"),
    url.replace("octet-stream", "html"),
    `${url}&name=x.html`,
    url.replace(/[0-9a-f]{36}/, crypto.randomUUID()).replace(/_inputs\/[^?]+/, `_inputs/${crypto.randomUUID()}`),
    url.replace("_inputs", "_outputs"),
    url.replace(/&signature=.*/, ""),
  ];
  for (const changed of changes) assert.equal((await fetch(changed).then(discard)).status, 401, changed);
  assert.equal(
    (await fetch(url, { method: "PUT", body: "other" }).then(discard)).status,
    401,
    "reading is not writing",
  );
  for (const path of ["/objects/_inputs", `/objects/_inputs/${new URL(url).pathname.split("/").at(-1)}`]) {
    const { writer: token } = await site.objectTokens();
    assert.equal(
      (await site.call("GET", path, { token })).status,
      422,
      "the object store's tokens reach nothing of the platform",
    );
  }
});

async function discard(answer: Response): Promise<Response> {
  await answer.body?.cancel();
  return answer;
}
