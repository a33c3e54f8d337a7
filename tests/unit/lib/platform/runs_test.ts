import assert from "node:assert/strict";
import { ConflictError, InvalidInputError, TallyError, UpstreamTimeoutError } from "../../../../lib/errors.ts";
import type { Client } from "../../../../lib/platform/client.ts";
import type { RunSubmission } from "../../../../lib/platform/submission.ts";
import { clientOf } from "../../../support/platform_client.ts";
import { refusal, type SeenRequest, SmallPlatform } from "../../../support/small_platform.ts";
import { testClock } from "../../../support/test_clock.ts";

const ARTIFACT = {
  name: "file",
  download_url: "https://storage.example/in?signature=s3cret",
  metadata: { checksum_base64_crc32c: "4waSgw==" },
};
const SUBMISSION = {
  applicationId: "checksum",
  applicationVersion: "1.10.0",
  items: [{ external_id: "slides/one.tiff", input_artifacts: [ARTIFACT] }],
} satisfies RunSubmission;

function posts(platform: SmallPlatform): SeenRequest[] {
  return platform.requests.filter(({ method, target }) => method === "POST" && target.endsWith("/runs"));
}

Deno.test("Runs.submit() posts what the platform expects, with the metadata that other clients read", async () => {
  await using platform = new SmallPlatform();
  const client = clientOf(platform, { via: "cli" });
  const run = await client.runs.submit({
    ...SUBMISSION,
    customMetadata: { study: "abc" },
    tags: ["a", "b", "a"],
    note: "a note",
    scheduling: { due_date: "2026-03-04T23:59:59Z", deadline: "2026-03-05T23:59:59Z" },
    callbackContext: { job: 7 },
  });
  assert.equal(run.runId, platform.runs[0]?.runId);
  const [post] = posts(platform);
  const body = JSON.parse(post?.body ?? "");
  assert.equal(body.version_number, "1.10.0");
  assert.deepEqual(body.scheduling, { due_date: "2026-03-04T23:59:59Z", deadline: "2026-03-05T23:59:59Z" });
  assert.deepEqual(body.callback_context, { job: 7 });
  const { study, sdk, tallystick } = body.custom_metadata;
  assert.equal(study, "abc");
  assert.equal(tallystick.submission_id, post?.headers.get("idempotency-key"));
  assert.equal(sdk.schema_version, "0.0.6");
  assert.deepEqual(sdk.tags, ["a", "b"]);
  assert.equal(sdk.note, "a note");
  assert.equal(sdk.submission.interface, "cli");
  assert.equal(sdk.submission.initiator, "user");
  assert.deepEqual(sdk.user, {
    ...{ organization_id: "org_1", organization_name: "acme", user_email: "ada@example.com", user_id: "auth0|1" },
  });
  assert.equal(body.items[0].custom_metadata.sdk.schema_version, "0.0.3");
  assert.deepEqual(body.items[0].input_artifacts, [ARTIFACT]);
});

Deno.test("Runs.submit() takes the highest version when none is named, and says which workflow it runs in", async () => {
  await using platform = new SmallPlatform();
  const variables: Record<string, string> = { GITHUB_ACTIONS: "true", GITHUB_SHA: "abc123", GITHUB_RUN_ID: "9" };
  const client = clientOf(platform, { environment: (name) => variables[name] });
  await client.runs.create({ applicationId: "checksum", items: SUBMISSION.items });
  const body = JSON.parse(posts(platform)[0]?.body ?? "");
  assert.equal(body.version_number, "2.0.0-alpha.1");
  assert.deepEqual(body.custom_metadata.sdk.ci, { github: { sha: "abc123", run_id: "9" } });
});

const WRONG: Readonly<Record<string, [change: Partial<RunSubmission>, sentence: RegExp]>> = {
  "no item": [{ items: [] }, /at least one item/],
  "an external id twice": [{ items: [...SUBMISSION.items, ...SUBMISSION.items] }, /"slides\/one.tiff" is there twice/],
  "an empty external id": [{ items: [{ external_id: "", input_artifacts: [ARTIFACT] }] }, /1 to 255 characters/],
  "no input": [{ items: [{ external_id: "x", input_artifacts: [] }] }, /lacks "file"/],
  "an unknown input": [
    { items: [{ external_id: "x", input_artifacts: [ARTIFACT, { ...ARTIFACT, name: "other" }] }] },
    /has "other", which the version does not know/,
  ],
  "an input twice": [{ items: [{ external_id: "x", input_artifacts: [ARTIFACT, ARTIFACT] }] }, /an input twice/],
  "no address": [
    { items: [{ external_id: "x", input_artifacts: [{ ...ARTIFACT, download_url: "one.tiff" }] }] },
    /has no address/,
  ],
  "metadata without what the schema requires": [
    { items: [{ external_id: "x", input_artifacts: [{ ...ARTIFACT, metadata: {} }] }] },
    /metadata of the input "file" of "x" is not valid: it must have required property 'checksum_base64_crc32c'/,
  ],
  "metadata of a wrong format": [
    {
      items: [{
        external_id: "x",
        input_artifacts: [{ ...ARTIFACT, metadata: { ...ARTIFACT.metadata, taken: "yesterday" } }],
      }],
    },
    /taken must match format "date"/,
  ],
  "metadata that nobody knows": [
    { items: [{ external_id: "x", input_artifacts: [{ ...ARTIFACT, metadata: { ...ARTIFACT.metadata, z: 1 } }] }] },
    /additional properties \("z"\)/,
  ],
  "a large callback context": [{ callbackContext: { text: "é".repeat(600) } }, /more than the 1024/],
  "a due date after the deadline": [
    { scheduling: { due_date: "2026-03-06T00:00:00Z", deadline: "2026-03-05T00:00:00Z" } },
    /comes after the deadline/,
  ],
  "a deadline that is no instant": [{ scheduling: { deadline: "tomorrow" } }, /deadline "tomorrow" is not an instant/],
};

for (const [what, [change, sentence]] of Object.entries(WRONG)) {
  Deno.test(`Runs.submit() refuses ${what} before anything is posted`, async () => {
    await using platform = new SmallPlatform();
    const error = await clientOf(platform).runs.submit({ ...SUBMISSION, ...change }).catch((reason) => reason);
    assert.ok(error instanceof InvalidInputError, String(error));
    assert.match(error.message, sentence);
    assert.ok(!error.message.includes("s3cret"));
    assert.deepEqual(posts(platform), []);
  });
}

/** The platform makes the run, and then the answer is lost, `count` times. */
function losesAnswers(platform: SmallPlatform, count: number): void {
  platform.intercept = ({ method, target }, handled) => {
    if (method !== "POST" || !target.endsWith("/runs") || count-- <= 0) return undefined;
    handled();
    return refusal(504, "Gateway timeout");
  };
}

for (const knowsIdempotencyKey of [true, false]) {
  const kind = knowsIdempotencyKey ? "knows" : "ignores";
  Deno.test(`Runs.submit() makes one run although its answer is lost, at a server that ${kind} Idempotency-Key`, async () => {
    await using platform = new SmallPlatform();
    platform.knowsIdempotencyKey = knowsIdempotencyKey;
    losesAnswers(platform, 9);
    const run = await clientOf(platform).runs.submit(SUBMISSION);
    assert.equal(platform.runs.length, 1);
    assert.equal(run.runId, platform.runs[0]?.runId);
    assert.equal(posts(platform).length, 1);
  });
}

Deno.test("Runs.submit() finds a run that appears in the list only after a while", async () => {
  await using platform = new SmallPlatform();
  platform.knowsIdempotencyKey = false;
  let looks = 0;
  platform.intercept = ({ method, target }, handled) => {
    if (method === "POST" && target.endsWith("/runs")) {
      handled();
      return refusal(502, "lost");
    }
    return target.includes("/runs?") && ++looks < 4 ? Response.json([]) : undefined;
  };
  await clientOf(platform).runs.submit(SUBMISSION);
  assert.equal(platform.runs.length, 1);
  assert.equal(looks, 4);
});

Deno.test("Runs.submit() repeats a call that made no run, under the same id and with the same body", async () => {
  await using platform = new SmallPlatform();
  let refused = 0;
  platform.intercept = ({ method, target }) =>
    method === "POST" && target.endsWith("/runs") && refused++ < 2
      ? refusal(refused === 1 ? 503 : 429, "x")
      : undefined;
  await clientOf(platform).runs.submit(SUBMISSION);
  const all = posts(platform);
  assert.equal(all.length, 3);
  assert.equal(new Set(all.map(({ body }) => body)).size, 1);
  assert.equal(new Set(all.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
  assert.equal(platform.runs.length, 1);
});

Deno.test("Runs.submit() cancels the second run of a platform that shows the first one too late", async () => {
  await using platform = new SmallPlatform();
  platform.knowsIdempotencyKey = false;
  let postCount = 0;
  platform.intercept = ({ method, target }, handled) => {
    if (method === "POST" && target.endsWith("/runs") && ++postCount === 1) {
      handled();
      return refusal(504, "lost");
    }
    return target.includes("/runs?") && postCount < 2 ? Response.json([]) : undefined;
  };
  const run = await clientOf(platform).runs.submit(SUBMISSION);
  assert.equal(postCount, 2);
  assert.equal(run.runId, platform.runs[0]?.runId);
  assert.deepEqual(platform.runs.map(({ terminationReason }) => terminationReason), [null, "CANCELED_BY_USER"]);
});

Deno.test("Runs.submit() does not repeat what the platform refuses", async () => {
  await using platform = new SmallPlatform();
  platform.intercept = ({ method }) => method === "POST" ? refusal(400, "Bad metadata") : undefined;
  await assert.rejects(clientOf(platform).runs.submit(SUBMISSION), InvalidInputError);
  assert.equal(posts(platform).length, 1);
});

Deno.test("Runs.submit() under an id that was used gives that run, and posts nothing", async () => {
  await using platform = new SmallPlatform();
  platform.knowsIdempotencyKey = false;
  const submission = { ...SUBMISSION, submissionId: "job-7" };
  const first = await clientOf(platform).runs.submit(submission);
  const second = await clientOf(platform).runs.submit(submission);
  assert.equal(second.runId, first.runId);
  assert.equal(posts(platform).length, 1);
});

Deno.test("Runs.submit() takes no id that a header could not carry, and asks nobody", async () => {
  await using platform = new SmallPlatform();
  for (const submissionId of ["", "a b", "a\r\nx-evil: 1", "é", "x".repeat(256)]) {
    await assert.rejects(clientOf(platform).runs.submit({ ...SUBMISSION, submissionId }), InvalidInputError);
  }
  assert.deepEqual(platform.requests, []);
});

Deno.test("Runs.listData() walks through all pages with the filter of the wire", async () => {
  await using platform = new SmallPlatform();
  for (let count = 0; count < 23; count++) platform.add();
  const client = clientOf(platform);
  const ids = (await Array.fromAsync(client.runs.list({ pageSize: 10 }))).map(({ runId }) => runId);
  assert.deepEqual(ids, platform.runs.map(({ runId }) => runId));
  assert.equal(platform.requests.length, 3);
  await Array.fromAsync(client.runs.listData({
    ...{ applicationId: "a&b", applicationVersion: "1.0.0", externalId: "x/y", customMetadata: '$.a ? (@ == "é&")' },
    ...{ submittedBy: "me", organizationId: "my_org", forOrganization: "org_1", sort: ["-submitted_at", "run_id"] },
  }));
  const query = new URLSearchParams(platform.requests.at(-1)?.target.split("?")[1]);
  assert.deepEqual([...query].filter(([name]) => !name.startsWith("page")), [
    ...[["application_id", "a&b"], ["application_version", "1.0.0"], ["external_id", "x/y"]],
    ...[["custom_metadata", '$.a ? (@ == "é&")'], ["submitted_by", "me"], ["organization_id", "my_org"]],
    ...[["for_organization", "org_1"], ["sort", "-submitted_at"], ["sort", "run_id"]],
  ]);
});

Deno.test("Runs.listData() refuses a filter that is longer than the platform takes", async () => {
  await using platform = new SmallPlatform();
  const customMetadata = `$.a ? (@ == "${"x".repeat(1000)}")`;
  assert.throws(() => clientOf(platform).runs.listData({ customMetadata }), InvalidInputError);
});

function started(client: Client, platform: SmallPlatform) {
  const small = platform.add();
  return { small, run: client.run(small.runId) };
}

Deno.test("Run.wait() looks until the run has ended, and tells of each change once", async () => {
  await using platform = new SmallPlatform();
  const states = ["PENDING", "PENDING", "PROCESSING", "PENDING", "PENDING", "TERMINATED"];
  const { small, run } = started(clientOf(platform), platform);
  platform.intercept = () => {
    small.state = states.shift() ?? "TERMINATED";
    return undefined;
  };
  const seen: string[] = [];
  const ended = await run.wait({ onChange: ({ state }) => void seen.push(state) });
  assert.equal(ended.state, "TERMINATED");
  assert.deepEqual(seen, ["PENDING", "PROCESSING", "PENDING", "TERMINATED"]);
});

Deno.test("Run.wait() does not take an unknown state for the end, and gives up after its time", async () => {
  await using platform = new SmallPlatform();
  const clock = testClock();
  const { small, run } = started(clientOf(platform, { clock }), platform);
  small.state = "PAUSED_BY_TOMORROW";
  await assert.rejects(run.wait({ timeoutMs: 10_000 }), UpstreamTimeoutError);
  assert.equal(clock.sleeps.length, 5);
});

Deno.test("Run.updateCustomMetadata() is refused when somebody else was faster, and touches only its own date", async () => {
  await using platform = new SmallPlatform();
  const { small, run } = started(clientOf(platform), platform);
  const { custom_metadata_checksum: checksum } = await run.details();
  const metadata = { study: "é", deep: { list: [1, null] }, sdk: { tags: ["a"], updated_at: "2020-01-01T00:00:00Z" } };
  const next = await run.updateCustomMetadata(metadata, { checksum: checksum ?? "" });
  assert.notEqual(next, checksum);
  assert.deepEqual(small.metadata, { ...metadata, sdk: { tags: ["a"], updated_at: "2030-01-01T00:00:00.000Z" } });
  const error = await run.updateCustomMetadata({ study: "late" }, { checksum: checksum ?? "" }).catch((reason) =>
    reason
  );
  assert.ok(error instanceof ConflictError);
  assert.equal(error.reason, "stale_checksum");
  assert.deepEqual((small.metadata as { study: string }).study, "é");
  await run.updateCustomMetadata(metadata, { verbatim: true });
  assert.deepEqual(small.metadata, metadata);
});

Deno.test("Run.cancel() of a run that has ended is a conflict", async () => {
  await using platform = new SmallPlatform();
  const { run } = started(clientOf(platform), platform);
  await run.cancel();
  const error = await run.cancel().catch((reason) => reason);
  assert.ok(error instanceof TallyError);
  assert.equal(error.code, "conflict");
});
