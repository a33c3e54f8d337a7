import assert from "node:assert/strict";
import { join } from "node:path";
import { ConflictError, InvalidInputError, NotAllowedError, NotFoundError, TallyError } from "../../lib/errors.ts";
import { noteFilter, tagsFilter } from "../../lib/platform/metadata_filter.ts";
import type { Client } from "../../lib/platform/client.ts";
import type { RunData } from "../../lib/platform/run_wire.ts";
import { OriginSite } from "../support/origin_site.ts";
import { clientAt, itemWith } from "../support/platform_origin.ts";
import { SmallPlatform, TOKEN } from "../support/small_platform.ts";
import { startTally, tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";

/** An address that nobody answers: a run of it waits, or fails, and gives nothing. */
const NOWHERE = "https://storage.invalid/x";
const waiting = (externalId: string) => ({
  external_id: externalId,
  input_artifacts: [{ name: "file", download_url: NOWHERE, metadata: {} }],
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof TallyError, `expected a TallyError, got ${error}`);
  return error.code;
}

async function idsOf(runs: AsyncIterable<RunData>): Promise<string[]> {
  return (await Array.fromAsync(runs)).map(({ run_id }) => run_id);
}

Deno.test("Client runs an application of a real origin from the list to the results", async () => {
  await using site = await OriginSite.start();
  const { client, user } = await clientAt(site, "ada@example.com");
  const applications = await Array.fromAsync(client.applications.list());
  assert.ok(applications.some(({ application_id }) => application_id === "checksum"));
  const latest = await client.versions.latest("checksum");
  assert.equal((await client.versions.details("checksum")).version_number, latest?.number);
  const me = await client.me();

  const items = [await itemWith(user, "folder/a b&c#+.bin", "123456789"), await itemWith(user, "второй", "")];
  const run = await client.runs.submit({ applicationId: "checksum", items, tags: ["trial"], note: "Night run" });
  const states: string[] = [];
  const ended = await run.wait({ pollMs: 50, onChange: ({ state }) => void states.push(state) });
  assert.equal(ended.termination_reason, "ALL_ITEMS_PROCESSED");
  assert.equal(ended.statistics.item_succeeded_count, 2);
  assert.equal(states.at(-1), "TERMINATED");
  assert.equal(ended.submitted_by, me.user.id);
  assert.deepEqual(await run.itemStatus(), new Map([["folder/a b&c#+.bin", "SUCCEEDED"], ["второй", "SUCCEEDED"]]));

  const [item] = await Array.fromAsync(run.results({ externalIds: ["folder/a b&c#+.bin"] }));
  assert.equal(item?.item_id, (await run.item("folder/a b&c#+.bin")).item_id);
  assert.deepEqual(await Array.fromAsync(run.results({ terminationReason: "SYSTEM_ERROR" })), []);
  const url = await run.artifactUrl(item?.output_artifacts[0]?.output_artifact_id ?? "");
  const document = await (await fetch(url)).json();
  assert.equal(document.crc32c, "4waSgw==");

  await run.delete();
  assert.equal(await codeOf(run.artifactUrl(item?.output_artifacts[0]?.output_artifact_id ?? "")), "not_found");
});

Deno.test("Client finds runs of a real origin by tag, note, JSONPath, item and application, page by page", async () => {
  await using site = await OriginSite.start();
  const { client } = await clientAt(site, "ada@example.com");
  const submitted: string[] = [];
  for (let number = 0; number < 12; number++) {
    const { runId } = await client.runs.submit({
      applicationId: "checksum",
      items: [waiting(`item/${number}`)],
      tags: [number % 2 === 0 ? "even" : 'od"d'],
      note: `Run ${number}`,
      customMetadata: { score: number / 10 },
    });
    submitted.push(runId);
  }
  const list = (filter: Parameters<Client["runs"]["listData"]>[0]) => idsOf(client.runs.listData(filter));
  assert.deepEqual(await list({ pageSize: 5, sort: "submitted_at" }), submitted);
  assert.deepEqual(await list({ pageSize: 5, sort: "-submitted_at" }), submitted.toReversed());
  const odd = submitted.filter((_, number) => number % 2 === 1);
  assert.deepEqual(await list({ customMetadata: tagsFilter(['od"d', "none"]), sort: "submitted_at" }), odd);
  const note = noteFilter("^run 1", { ignoreCase: true });
  assert.deepEqual((await list({ customMetadata: note })).toSorted(), [1, 10, 11].map((n) => submitted[n]).toSorted());
  assert.equal((await list({ customMetadata: "$.score ? (@ > 0.75)" })).length, 4);
  assert.deepEqual(await list({ externalId: "item/7" }), [submitted[7]]);
  assert.deepEqual(await list({ applicationVersion: "99.0.0" }).catch(() => []), []);
  assert.equal(await codeOf(list({ customMetadata: "$.(" })), "invalid_input");
});

Deno.test("Client submits once at a real origin, however often it is asked under one id", async () => {
  await using site = await OriginSite.start();
  const { client } = await clientAt(site, "ada@example.com");
  const submission = { applicationId: "checksum", items: [waiting("x")], submissionId: "job 7".replace(" ", "-") };
  const runs = [await client.runs.submit(submission), await client.runs.submit(submission)];
  assert.equal(new Set(runs.map(({ runId }) => runId)).size, 1);
  assert.equal((await idsOf(client.runs.listData({ nocache: true }))).length, 1);
});

Deno.test("Client replaces metadata of a real origin by its checksum, and is told when it is stale", async () => {
  await using site = await OriginSite.start();
  const { client } = await clientAt(site, "ada@example.com");
  const run = await client.runs.submit({ applicationId: "checksum", items: [waiting("a/b")] });
  const { custom_metadata_checksum: checksum } = await run.details();
  const next = await run.updateCustomMetadata({ "ключ": [null, { deep: true }] }, { checksum: checksum ?? "" });
  const error = await run.updateCustomMetadata({ late: true }, { checksum: checksum ?? "" }).catch((reason) => reason);
  assert.ok(error instanceof ConflictError);
  assert.equal(error.reason, "stale_checksum");
  const now = await run.details();
  assert.deepEqual(now.custom_metadata, { "ключ": [null, { deep: true }] });
  assert.equal(now.custom_metadata_checksum, next);
  const item = await run.item("a/b");
  await run.updateItemCustomMetadata("a/b", { mine: 1 }, { checksum: item.custom_metadata_checksum ?? "" });
  assert.deepEqual((await run.item("a/b")).custom_metadata, { mine: 1 });
  assert.equal(await codeOf(run.updateItemCustomMetadata("a/b", {}, { checksum: "stale" })), "conflict");
});

Deno.test("Client shares a run of a real origin by name and by token, and takes it back", async () => {
  await using site = await OriginSite.start();
  const { client: ada } = await clientAt(site, "ada@example.com");
  const { client: bob } = await clientAt(site, "bob@example.com");
  const run = await ada.runs.submit({ applicationId: "checksum", items: [waiting("x")] });
  const isHidden = async (promise: Promise<unknown>) => ["not_found", "not_allowed"].includes(await codeOf(promise));
  const { user } = await bob.me();
  const seen = () => bob.runs.get(run.runId).details({ nocache: true });
  assert.ok(await isHidden(bob.run(run.runId).item("x")));

  const grant = await run.grantAccess({ subjectType: "user", subjectId: user.id });
  assert.equal((await seen()).run_id, run.runId);
  assert.ok(await isHidden(bob.run(run.runId).cancel()));
  assert.deepEqual((await Array.fromAsync(run.listShareGrants())).map(({ grant_id }) => grant_id), [grant.grant_id]);
  await ada.grants.revoke(grant.grant_id);
  assert.equal(await codeOf(ada.grants.revoke(grant.grant_id)), "conflict");
  assert.ok(await isHidden(bob.run(run.runId).item("x")));

  const token = await ada.shareTokens.create({ expiresAt: "2099-01-01T00:00:00Z" });
  await run.grantAccess({ subjectType: "share_token", subjectId: token.share_token_id });
  const shared = bob.run(run.runId, { shareToken: token.share_token });
  assert.equal((await shared.details()).run_id, run.runId);
  assert.equal((await Array.fromAsync(shared.results())).length, 1);
  const listed = await Array.fromAsync(ada.shareTokens.list({ runId: run.runId }));
  assert.deepEqual(listed.map(({ share_token_id }) => share_token_id), [token.share_token_id]);
  assert.ok(!JSON.stringify(listed).includes(token.share_token));
  await ada.shareTokens.revoke(token.share_token_id);
  assert.ok(await isHidden(bob.run(run.runId, { shareToken: token.share_token }).item("x")));
});

Deno.test("Client is told by a real origin what is not there, not allowed and not valid", async () => {
  await using site = await OriginSite.start();
  const { client } = await clientAt(site, "ada@example.com");
  await assert.rejects(client.application("nothing"), NotFoundError);
  await assert.rejects(client.versions.details("checksum", "99.0.0"), NotFoundError);
  await assert.rejects(client.runs.submit({ applicationId: "checksum", items: [] }), InvalidInputError);
  const foreign = Array.fromAsync(client.runs.listData({ forOrganization: "org_of_others" }));
  await assert.rejects(foreign, (error) => error instanceof NotAllowedError || error instanceof NotFoundError);
  assert.equal((await client.health()).status, "UP");
});

Deno.test("tally submits, waits, lists, cancels by filter and reads documents at a real origin, as a process", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const { user } = await clientAt(site, "ada@example.com");
  const env = { AIGNOSTICS_API_ROOT: site.url, AIGNOSTICS_TOKEN: user.token };
  const at = (...args: string[]) => tally([...args, "--json"], { env, cwd: folder.path });

  await Deno.writeTextFile(join(folder.path, "items.json"), JSON.stringify([await itemWith(user, "x", "123456789")]));
  const submitted = await at("run", "submit", "checksum", "--items", "items.json", "--wait");
  assert.equal(submitted.exitCode, 0, submitted.stderr);
  const events = submitted.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(events[0].event, "submitted");
  assert.equal(events.at(-1).state, "TERMINATED");
  const [{ output_artifacts: [artifact] }] = JSON.parse((await at("run", "results", events[0].run_id)).stdout);
  assert.equal(artifact.output, "AVAILABLE");

  await Deno.writeTextFile(join(folder.path, "local.bin"), "123456789");
  const local = ["--item", "local.bin", "--input-file", "file=local.bin"];
  const sent = await at("run", "submit", "checksum", ...local, "--wait");
  assert.equal(sent.exitCode, 0, sent.stderr);
  const [item] = JSON.parse((await at("run", "results", JSON.parse(sent.stdout.split("\n")[0] ?? "").run_id)).stdout);
  assert.equal(item.input_artifacts[0].metadata.checksum_base64_crc32c, "4waSgw==");
  const missing = await at("run", "submit", "checksum", "--item", "x", "--input-file", "file=nothing");
  assert.equal(missing.exitCode, 5);

  const documents = JSON.parse((await at("application", "documents", "list", "checksum")).stdout);
  const name = documents[0].name;
  const fetched = await at("application", "documents", "download", "checksum", name, "-o", "document");
  assert.equal(fetched.exitCode, 0, fetched.stderr);
  assert.ok((await Deno.stat(join(folder.path, "document"))).size > 0);

  const waitingItems = ["--item", "a", "--input", `file=${NOWHERE}`];
  assert.equal((await at("run", "submit", "checksum", ...waitingItems, "--tags", "stop me")).exitCode, 0);
  const cancelled = await at("run", "cancel-by-filter", "--tags", "stop me", "--dry-run");
  assert.equal(cancelled.exitCode, 0, cancelled.stderr);
  assert.deepEqual(JSON.parse(cancelled.stdout).cancelled, []);

  const refused = await tally(["run", "list", "--json"], {
    env: { ...env, AIGNOSTICS_TOKEN: "a.b.c" },
    cwd: folder.path,
  });
  assert.equal(refused.exitCode, 3);
  assert.equal(refused.stdout, "");
  assert.equal(JSON.parse(refused.stderr).code, "not_signed_in");
});

Deno.test("tally run wait ends with 130 when it is interrupted, says so in one line, and leaves the run as it is", async () => {
  await using platform = new SmallPlatform();
  const run = platform.add();
  const asked = Promise.withResolvers<void>();
  let looks = 0;
  platform.intercept = () => void (++looks === 2 && asked.resolve());
  const env = { AIGNOSTICS_API_ROOT: platform.url.href, AIGNOSTICS_TOKEN: TOKEN };
  const running = startTally(["run", "wait", run.runId, "--json"], { env });
  await running.stdin.close();
  await asked.promise;
  running.signal("SIGINT");
  const { exitCode, stdout, stderr } = await running.ended;
  assert.equal(exitCode, 130, stderr);
  assert.equal(JSON.parse(stdout).state, "PENDING");
  assert.equal(JSON.parse(stderr).code, "interrupted");
  assert.equal(run.state, "PENDING");
});
