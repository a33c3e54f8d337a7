import assert from "node:assert/strict";
import { join } from "node:path";
import { runAt } from "../../../support/platform_cli.ts";
import { METADATA_SCHEMA, refusal, SmallPlatform, TOKEN } from "../../../support/small_platform.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const ITEM = ["--item", "slides/one.tiff", "--input", "file=https://storage.example/x?a=b", "--input-metadata"];
const GOOD_ITEM = [...ITEM, "file.checksum_base64_crc32c=4waSgw=="];

Deno.test("tally application lists, describes and sorts, as text and as JSON in both spellings", async () => {
  await using platform = new SmallPlatform();
  const list = await runAt(platform.url, ["application", "list", "--verbose"]);
  assert.equal(list.exitCode, 0, list.complained);
  assert.match(list.said, /checksum +1\.10\.0 +RUO +Checksum/);
  assert.match(list.said, /checksum: Adds up/);
  for (const flags of [["--json"], ["--format", "json"], ["--format=json"]]) {
    const json = await runAt(platform.url, ["application", "list", ...flags]);
    assert.equal(JSON.parse(json.said)[0].application_id, "checksum", flags.join(" "));
    assert.equal(json.complained, "");
  }
  const versions = await runAt(platform.url, ["application", "versions", "checksum"]);
  assert.deepEqual(versions.said.match(/^\S+/gm)?.slice(0, 3), ["2.0.0-alpha.1", "2.0.0-alpha", "1.10.0"]);
  const version = await runAt(platform.url, [
    ...["application", "describe", "checksum", "--application-version", "1.9.0"],
  ]);
  assert.match(version.said, /Takes:\n {2}file \(application\/octet-stream\)/);
});

Deno.test("tally application dump-schemata writes the schemas, whatever their names are", async () => {
  await using platform = new SmallPlatform();
  await using folder = await tempFolder();
  platform.intercept = ({ target }, handled) => {
    if (!target.includes("/versions/")) return undefined;
    return handled().json().then((version) => {
      version.input_artifacts[0].name = "../../evil";
      return Response.json(version);
    });
  };
  const destination = join(folder.path, "schemata");
  const args = ["application", "dump-schemata", "checksum", "--application-version", "1.9.0"];
  const { exitCode, complained } = await runAt(platform.url, [...args, "--destination", destination]);
  assert.equal(exitCode, 0, complained);
  const names = [...Deno.readDirSync(destination)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["checksum_1.9.0_input_.._.._evil.json", "checksum_1.9.0_output_checksums.json"]);
  assert.deepEqual(JSON.parse(await Deno.readTextFile(join(destination, names[0] ?? ""))), METADATA_SCHEMA);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["schemata"]);
});

Deno.test("tally run submit posts the items of flags, and shows the run", async () => {
  await using platform = new SmallPlatform();
  const { exitCode, said, complained } = await runAt(platform.url, [
    ...["run", "submit", "checksum", "--application-version", "1.9.0", ...GOOD_ITEM],
    ...["--tags", "a", "b", "--note", "n", "--deadline", "2027-01-01T00:00:00Z", "--callback-context", '{"job":7}'],
    ...["--submission-id", "job-7", "--json"],
  ]);
  assert.equal(exitCode, 0, complained);
  const [run] = platform.runs;
  assert.deepEqual(JSON.parse(said), { event: "submitted", run_id: run?.runId, submission_id: "job-7" });
  const { items, version_number, custom_metadata, scheduling, callback_context } = JSON.parse(
    JSON.stringify(run?.body),
  );
  assert.equal(version_number, "1.9.0");
  assert.deepEqual(items[0].input_artifacts, [{
    name: "file",
    download_url: "https://storage.example/x?a=b",
    metadata: { checksum_base64_crc32c: "4waSgw==" },
  }]);
  assert.deepEqual(custom_metadata.sdk.tags, ["a", "b"]);
  assert.equal(custom_metadata.sdk.submission.interface, "cli");
  assert.deepEqual(scheduling, { deadline: "2027-01-01T00:00:00Z" });
  assert.deepEqual(callback_context, { job: 7 });
});

Deno.test("tally run submit reads items from JSON, CSV and standard input", async () => {
  await using platform = new SmallPlatform();
  await using folder = await tempFolder();
  const item = {
    external_id: "x",
    input_artifacts: [
      { name: "file", download_url: "https://storage.example/x", metadata: { checksum_base64_crc32c: "4waSgw==" } },
    ],
  };
  const files = {
    "list.json": JSON.stringify([item]),
    "body.json": JSON.stringify({ application_id: "checksum", items: [item] }),
    "items.csv":
      "\ufeffexternal_id;input;download_url;checksum_base64_crc32c\r\nx;file;https://storage.example/x;4waSgw==\r\n",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder.path, name);
    await Deno.writeTextFile(path, text);
    const { exitCode, complained } = await runAt(platform.url, ["run", "submit", "checksum", "--items", path]);
    assert.equal(exitCode, 0, complained);
  }
  const stdin = { input: files["list.json"] };
  assert.equal((await runAt(platform.url, ["run", "submit", "checksum", "--items", "-"], stdin)).exitCode, 0);
  assert.equal(platform.runs.length, 4);
  for (const { body } of platform.runs) {
    const [{ custom_metadata: _, ...posted }] = body.items as [Record<string, unknown>];
    assert.deepEqual(posted, item);
  }
});

const USAGE: readonly [args: string[], sentence: RegExp][] = [
  [["run", "submit", "checksum"], /at least one item/],
  [["run", "submit", "checksum", "--input", "a=b"], /--input belongs behind --item/],
  [
    ["run", "submit", "checksum", ...ITEM, "other.x=1"],
    /names "other", which no --input or --input-file before it does/,
  ],
  [["run", "submit", "checksum", ...ITEM, "file.__proto__.x=1"], /is no name/],
  [["run", "submit", "checksum", ...ITEM, "file.checksum_base64_crc32c=short"], /is not valid/],
  [["run", "submit", "checksum", ...GOOD_ITEM, "--callback-context", "[]"], /is not a JSON object/],
  [["run", "list", "--limit", "x"], /"x" of --limit is not a number/],
  [["run", "list", "--query", "$.a", "--tags", "b"], /cannot be given together/],
  [["run", "cancel-by-filter"], /Cannot cancel without a filter/],
  [["run", "metadata", "set", "r", "[]"], /neither a JSON object nor null/],
  [["run", "share", "grant", "r"], /Give one of --user, --email and --organization/],
  [["run", "describe", ".."], /is not an id/],
  [["application", "list", "--format", "yaml"], /Allowed choices are text, json/],
];

for (const [args, sentence] of USAGE) {
  Deno.test(`tally refuses with exit code 2, and writes nothing: ${args.join(" ")}`, async () => {
    await using platform = new SmallPlatform();
    const { exitCode, said, complained } = await runAt(platform.url, [...args, "--json"]);
    assert.equal(exitCode, 2, complained);
    assert.equal(said, "");
    assert.match(JSON.parse(complained).message, sentence);
    assert.ok(platform.requests.every(({ method }) => method === "GET"));
  });
}

const CODES: readonly [status: number, exitCode: number, code: string][] = [
  [401, 3, "not_signed_in"],
  [403, 4, "not_allowed"],
  [404, 5, "not_found"],
  [409, 1, "conflict"],
  [429, 6, "rate_limited"],
  [503, 6, "unavailable"],
];

for (const [status, exitCode, code] of CODES) {
  Deno.test(`tally run exits with ${exitCode} when the platform answers with ${status}, and tells it as JSON`, async () => {
    await using platform = new SmallPlatform();
    platform.intercept = () => refusal(status, "x");
    for (const args of [["list"], ["describe", "r"], ["results", "r"], ["cancel", "r"], ["share", "revoke", "g"]]) {
      const ended = await runAt(platform.url, ["run", ...args, "--format", "json"]);
      assert.equal(ended.exitCode, exitCode, args.join(" "));
      assert.equal(ended.said, "");
      const document = JSON.parse(ended.complained);
      assert.equal(document.code, code);
      assert.equal(document.exitCode, exitCode);
      assert.ok(!ended.complained.includes(TOKEN));
    }
  });
}

Deno.test("tally run list sends its filters, and stops at its limit", async () => {
  await using platform = new SmallPlatform();
  for (let count = 0; count < 12; count++) platform.add({ custom_metadata: { sdk: { tags: ["x"] } } });
  const { said, complained } = await runAt(platform.url, ["run", "list", "--tags", "x", "--limit", "7"]);
  assert.equal(said.trim().split("\n").length, 8);
  assert.match(complained, /7 run\(s\)/);
  await runAt(platform.url, [
    ...["run", "list", "--tags", "x", "--note-regex", "^b", "--note-case-insensitive", "--for-organization", "org_1"],
  ]);
  const query = new URLSearchParams(platform.requests.at(-1)?.target.split("?")[1]);
  assert.equal(query.get("for_organization"), "org_1");
  assert.equal(query.get("sort"), "-submitted_at");
  assert.equal(
    query.get("custom_metadata"),
    '$ ? (exists(@.sdk.tags[*] ? (@ == "x")) && exists(@.sdk.note ? (@ like_regex "^b" flag "i")))',
  );
});

Deno.test("tally run cancel-by-filter says what it would do, does it, and says what it could not do", async () => {
  await using platform = new SmallPlatform();
  const runs = Array.from({ length: 4 }, () => platform.add({ custom_metadata: { sdk: { tags: ["x"] } } }));
  const [ended, stubborn] = runs;
  if (ended !== undefined) ended.state = "TERMINATED";
  const args = ["run", "cancel-by-filter", "--tags", "x", "--json"];
  const dry = JSON.parse((await runAt(platform.url, [...args, "--dry-run"])).said);
  assert.equal(dry.matched.length, 3);
  assert.deepEqual(dry.cancelled, []);
  assert.ok(runs.every(({ terminationReason }) => terminationReason === null));
  platform.intercept = ({ target }) =>
    target.includes(`${stubborn?.runId}/cancel`) ? refusal(403, "Not yours") : undefined;
  const { exitCode, said, complained } = await runAt(platform.url, args);
  assert.equal(exitCode, 1);
  assert.match(complained, /1 of 3 runs could not be cancelled/);
  const result = JSON.parse(said);
  assert.deepEqual(result.failed.map((one: { run_id: string }) => one.run_id), [stubborn?.runId]);
  assert.equal(result.cancelled.length, 2);
  assert.deepEqual(runs.map(({ terminationReason }) => terminationReason), [
    ...[null, null, "CANCELED_BY_USER", "CANCELED_BY_USER"],
  ]);
});

Deno.test("tally run wait shows each change, and ends with 1 when not every item succeeded", async () => {
  await using platform = new SmallPlatform();
  const run = platform.add();
  const states = ["PENDING", "PROCESSING", "TERMINATED"];
  platform.intercept = () => {
    run.state = states.shift() ?? run.state;
    return undefined;
  };
  const { exitCode, said, complained } = await runAt(platform.url, ["run", "wait", run.runId, "--json"]);
  assert.equal(exitCode, 1);
  const seen = said.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(seen.map(({ event, state }) => `${event} ${state}`), [
    ...["state PENDING", "state PROCESSING", "state TERMINATED"],
  ]);
  assert.equal(JSON.parse(complained).code, "partial");
});

Deno.test("tally run wait draws one line on a terminal, clears it, and ends with 130 when it is interrupted", async () => {
  await using platform = new SmallPlatform();
  const run = platform.add();
  const stop = new AbortController();
  platform.intercept = (_, handled) => {
    const answer = handled();
    stop.abort();
    return answer;
  };
  const { exitCode, complained } = await runAt(
    platform.url,
    ["run", "wait", run.runId],
    { isTerminal: true },
    stop.signal,
  );
  assert.equal(exitCode, 130);
  assert.match(complained, /Interrupted/);
  assert.equal(run.state, "PENDING");
});

Deno.test("tally run metadata shows the checksum, and is refused with a stale one", async () => {
  await using platform = new SmallPlatform();
  const run = platform.add({ custom_metadata: { study: "abc" } });
  const show = async (...flags: string[]) =>
    JSON.parse((await runAt(platform.url, ["run", "metadata", "show", run.runId, ...flags])).said);
  assert.deepEqual(await show(), { study: "abc" });
  const { custom_metadata_checksum: checksum } = await show("--show-checksum");
  const set = (json: string) =>
    runAt(platform.url, ["run", "metadata", "set", run.runId, json, "--checksum", checksum, "--json"]);
  assert.equal((await set('{"study":"def"}')).exitCode, 0);
  const late = await set('{"study":"ghi"}');
  assert.equal(late.exitCode, 1);
  assert.match(JSON.parse(late.complained).message, /changed the metadata meanwhile/);
  assert.deepEqual(run.metadata, { study: "def" });
});

Deno.test("tally run takes the share token from its flag or from the environment", async () => {
  await using platform = new SmallPlatform();
  const { runId } = platform.add();
  await runAt(platform.url, ["run", "describe", runId, "--share-token", "a&b"]);
  await runAt(platform.url, ["run", "describe", runId], {
    environment: { AIGNOSTICS_SHARE_TOKEN: "from-environment" },
  });
  const queries = platform.requests.map(({ target }) => target.split("?")[1]);
  assert.deepEqual(queries, ["share_token=a%26b", "share_token=from-environment"]);
});

Deno.test("tally run share token create takes the token back when the run cannot be shared with it", async () => {
  await using platform = new SmallPlatform();
  const token = { share_token_id: "t-1", created_at: "2026-01-01T00:00:00Z", expires_at: null, revoked: false };
  platform.intercept = ({ method, target }) => {
    if (method === "POST" && target.endsWith("/share-tokens")) {
      return Response.json({ ...token, share_token: "the-secret" }, { status: 201 });
    }
    return method === "DELETE" ? new Response(null, { status: 204 }) : refusal(404, "No such run");
  };
  const { exitCode, said } = await runAt(platform.url, ["run", "share", "token", "create", "r"]);
  assert.equal(exitCode, 5);
  assert.ok(!said.includes("the-secret"));
  assert.equal(platform.calls.at(-1), "DELETE /access/share-tokens/t-1");
});

const HEALTH: readonly [what: string, exitCode: number, word: string, environment?: Record<string, string>][] = [
  ["UP", 0, "UP"],
  ["DEGRADED", 1, "DEGRADED"],
  ["DOWN", 1, "DEGRADED"],
  ["DOWN", 6, "DOWN", { AIGNOSTICS_TOKEN: "a-token-that-is-old" }],
  ["UP", 3, "DEGRADED", { AIGNOSTICS_TOKEN: "a-token-that-is-old" }],
];

for (const [status, exitCode, word, environment = {}] of HEALTH) {
  Deno.test(`tally health exits with ${exitCode} when the platform says ${status} and it is ${word}`, async () => {
    await using platform = new SmallPlatform();
    platform.intercept = ({ target }) => target === "/health" ? Response.json({ status, reason: "why" }) : undefined;
    const json = await runAt(platform.url, ["health", "--json"], { environment });
    assert.equal(json.exitCode, exitCode, json.complained);
    assert.equal(JSON.parse(json.said).status, word);
    const text = await runAt(platform.url, ["health"], { environment });
    assert.match(text.said, new RegExp(`platform: +${word}\napi_public: +${status} +\\d+ ms`));
  });
}

Deno.test("tally health asks nobody to sign in, also at a terminal", async () => {
  await using platform = new SmallPlatform();
  await using folder = await tempFolder();
  const environment = { AIGNOSTICS_TOKEN: "", AIGNOSTICS_CACHE_DIR: folder.path, DISPLAY: ":0" };
  const { said, complained } = await runAt(platform.url, ["health"], { environment, isTerminal: true });
  assert.match(said, /api_authenticated: +DOWN/);
  assert.ok(!/code is|browser/i.test(complained), complained);
  assert.deepEqual(platform.calls, ["GET /health"]);
});
