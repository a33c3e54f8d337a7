import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Bytes, toBase64Url, utf8 } from "../../lib/bytes.ts";
import { ConfigurationError, IntegrityError } from "../../lib/errors.ts";
import { trustStore } from "../../lib/split/manifest_signature.ts";
import { openSmallPart } from "../../lib/split/open_small_part.ts";
import { parseSmallPart, SMALL_PART_MEDIA_TYPE } from "../../lib/split/small_part_v2.ts";
import { backupOrigin } from "../../origin/backup.ts";
import { BUSINESS_ERRORS, type BusinessErrorName } from "../../origin/business_error.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { restoreOrigin } from "../../origin/restore.ts";
import { rotateMasterKey } from "../../origin/rotate_master_key.ts";
import { newMasterKey, readMasterKeys, writeMasterKeys } from "../../origin/master_key.ts";
import { enrol, newDeviceKey, type TestDeviceKey } from "../support/enrolled_device.ts";
import { FACTS } from "../support/hardware_facts.ts";
import { filesBelow, OriginSite, type Reply } from "../support/origin_site.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const PATH = `/v2/resources/${V2_RESOURCE.folder}/${V2_RESOURCE.name}`;
const { signal } = new AbortController();

interface Party {
  readonly token: string;
  readonly key: TestDeviceKey;
}

async function device(site: OriginSite, email = "operator@example.com"): Promise<Party> {
  const { token } = await site.user("Operator", email);
  const key = await newDeviceKey();
  const { status, text } = await enrol(site, token, key);
  assert.equal(status, 200, text);
  return { token, key };
}

function ask(
  site: OriginSite,
  { token, key }: Party,
  path = PATH,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return site.call("GET", path, { token, headers: { "x-tally-device": key.kid, ...headers } });
}

async function open(reply: Reply, { jwk }: V2Publisher, { key }: Party) {
  assert.equal(reply.status, 200, reply.text);
  return await openSmallPart(parseSmallPart(reply.bytes), {
    trust: await trustStore([jwk]),
    device: key,
    nowSeconds: Date.now() / 1000,
    seqFloor: 0,
    wanted: V2_RESOURCE,
  });
}

function assertRefused(reply: Reply, name: BusinessErrorName): void {
  assert.equal(reply.status, 409, reply.text);
  assert.equal(reply.json<{ ErrorCode: number }>().ErrorCode, BUSINESS_ERRORS[name], reply.text);
}

Deno.test("origin v2: a published version comes with a grant that opens on the asking device, and is written down", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  const { manifest } = await publisher.publish(utf8("content"));
  const reply = await ask(site, party);
  assert.equal(reply.headers.get("content-type"), SMALL_PART_MEDIA_TYPE);
  assert.equal(reply.headers.get("cache-control"), "no-store");
  assert.deepEqual((await open(reply, publisher, party)).manifest.big, manifest.big);
  const grants = await ORIGIN_COMMANDS["grants list"]({ dataDir: site.dataDir });
  assert.deepEqual(grants.map(({ email, kid, name, version }) => ({ email, kid, name, version })), [
    { email: "operator@example.com", kid: party.key.kid, name: V2_RESOURCE.name, version: "1.1" },
  ]);
  assert.deepEqual(await ORIGIN_COMMANDS["grants list"]({ dataDir: site.dataDir, email: "nobody@example.com" }), []);
});

Deno.test("origin v2: If-None-Match saves the small part, and no revoked device", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  await publisher.publish(utf8("content"));
  const etag = (await ask(site, party)).headers.get("etag") ?? "";
  const again = await ask(site, party, PATH, { "if-none-match": etag });
  assert.equal(again.status, 304);
  assert.equal(again.bytes.byteLength, 0);
  const other = await device(site, "other@example.com");
  assert.equal((await ask(site, other, PATH, { "if-none-match": etag })).status, 200, "a grant is for one device");
  await publisher.publish(utf8("newer"), { seq: 2 });
  assert.equal((await ask(site, party, PATH, { "if-none-match": etag })).status, 200, "another version");
  await ORIGIN_COMMANDS["device decide"]({ dataDir: site.dataDir, kid: party.key.kid, state: "revoked" });
  assert.equal((await ask(site, party, PATH, { "if-none-match": etag })).status, 403);
});

Deno.test("origin v2: a device that is unknown, waits or was revoked gets 403, and nothing is written down", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await publisher.publish(utf8("content"));
  const party = await device(site);
  const stolen = await newDeviceKey();
  assert.equal((await ask(site, { ...party, key: stolen })).status, 403, "unknown");
  assert.equal((await site.call("GET", PATH, { token: party.token })).status, 403, "none named");
  await enrol(site, party.token, stolen, { ...FACTS, cpu: "another" });
  assert.equal((await ask(site, { ...party, key: stolen })).status, 403, "waiting");
  await ORIGIN_COMMANDS["device decide"]({ dataDir: site.dataDir, kid: party.key.kid, state: "revoked" });
  assert.equal((await ask(site, party)).status, 403, "revoked");
  assert.deepEqual(await ORIGIN_COMMANDS["grants list"]({ dataDir: site.dataDir }), []);
});

Deno.test("origin v2: of grants that are asked for at once each is written down, and a refused one does not stop the others", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await publisher.publish(utf8("content"));
  const party = await device(site);
  const revoked = await device(site, "revoked@example.com");
  await ORIGIN_COMMANDS["device decide"]({ dataDir: site.dataDir, kid: revoked.key.kid, state: "revoked" });
  const asking = Array.from({ length: 12 }, (_, index) => ask(site, index % 4 === 3 ? revoked : party));
  const statuses = (await Promise.all(asking)).map(({ status }) => status);
  assert.deepEqual(statuses.filter((status) => status === 403).length, 3);
  assert.deepEqual(statuses.filter((status) => status === 200).length, 9);
  const grants = await ORIGIN_COMMANDS["grants list"]({ dataDir: site.dataDir });
  assert.deepEqual(grants.map(({ kid }) => kid), Array(9).fill(party.key.kid));
});

Deno.test("origin v2: takes manifests of trusted publishers only, for the resource of the path, with their content key", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const stranger = await V2Publisher.at(site);
  const { kid } = (await ORIGIN_COMMANDS["publisher list"]({ dataDir: site.dataDir }))
    .find(({ publicX }) => publicX === stranger.jwk.x) ?? { kid: "" };
  await ORIGIN_COMMANDS["publisher remove"]({ dataDir: site.dataDir, kid });
  const good = await publisher.seal(utf8("content"));
  const foreign = await stranger.seal(utf8("content"));
  const [head, body, signature] = good.jws.split(".");
  const expired = await publisher.seal(utf8("content"), { iat: 1, exp: 2 });
  const cases: [status: number, what: string, jws: string, contentKey: Bytes][] = [
    [403, "a stranger's", foreign.jws, foreign.contentKey],
    [403, "a changed signature", `${head}.${body}.${signature?.slice(0, -2)}AA`, good.contentKey],
    [403, "another payload", `${head}.${foreign.jws.split(".")[1]}.${signature}`, good.contentKey],
    [422, "nothing", "", good.contentKey],
    [422, "an expired one", expired.jws, expired.contentKey],
    [422, "another content key", good.jws, foreign.contentKey],
    [422, "a short content key", good.jws, good.contentKey.slice(1)],
  ];
  for (const [status, what, jws, contentKey] of cases) {
    const reply = await publisher.send({ jws, contentKey });
    assert.ok(reply.status === status || what === "nothing" && reply.status === 403, `${what}: ${reply.text}`);
  }
  const elsewhere = await publisher.send(good, { ...V2_RESOURCE, name: "other.onnx" });
  assert.equal(elsewhere.status, 422, elsewhere.text);
  assert.deepEqual(await ORIGIN_COMMANDS["version list"]({ dataDir: site.dataDir }), []);
  assert.equal((await publisher.send(good)).status, 201);
});

Deno.test("origin v2: seq only grows, a version never changes, and a repeated call is no error", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const first = await publisher.publish(utf8("first"), { seq: 5 });
  assert.equal((await publisher.send(first)).status, 200, "once more");
  for (const seq of [4, 5]) {
    assertRefused(await publisher.send(await publisher.seal(utf8("x"), { seq, version: "9" })), "SequenceNotNewer");
  }
  assertRefused(await publisher.send(await publisher.seal(utf8("x"), { seq: 6, version: "1.5" })), "VersionExists");
  assert.equal((await ORIGIN_COMMANDS["version list"]({ dataDir: site.dataDir })).length, 1);
});

Deno.test("origin v2: versions are named, listed, pinned and withdrawn", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  for (const seq of [1, 2, 3]) await publisher.publish(utf8(`content ${seq}`), { seq });
  const given = async (path = PATH) => (await open(await ask(site, party, path), publisher, party)).manifest.version;
  const { token } = publisher;
  assert.equal(await given(), "1.3");
  assert.equal(await given(`${PATH}@1.1`), "1.1");
  assert.equal((await ask(site, party, `${PATH}@9`)).status, 404);
  assert.equal((await site.call("POST", `${PATH}/versions/1.2/pin`, { token })).status, 200);
  assert.equal(await given(), "1.2");
  assert.equal((await site.call("POST", `${PATH}/versions/1.2/withdraw`, { token })).status, 200);
  assert.equal(await given(), "1.3", "a withdrawn version is pinned no more");
  assert.equal((await ask(site, party, `${PATH}@1.2`)).status, 404);
  assert.equal((await site.call("POST", `${PATH}/versions/1.2/pin`, { token })).status, 404);
  await site.call("POST", `${PATH}/versions/1.1/pin`, { token });
  await site.call("DELETE", `${PATH}/pin`, { token });
  assert.equal(await given(), "1.3");
  const list = await site.call("GET", `${PATH}/versions`, { token: party.token });
  assert.deepEqual(
    list.json<{ version: string; seq: number; withdrawnMs: number | null }[]>().map((version) => [
      version.version,
      version.seq,
      version.withdrawnMs !== null,
    ]),
    [["1.3", 3, false], ["1.2", 2, true], ["1.1", 1, false]],
  );
  assert.ok(!/cek|wrapped|manifest/.test(list.text));
});

Deno.test("origin v2: a copy of the database, objects and backup opens nothing of the content", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  const { contentKey } = await publisher.publish(utf8("content"));
  const copy = join(folder.path, "copy");
  const out = join(folder.path, "backup.tar");
  await backupOrigin({ dataDir: site.dataDir, out, signal });
  const [master] = await readMasterKeys({ text: undefined, path: join(site.dataDir, "master.key") });
  assert.ok(master);
  for (const secret of [contentKey, master.raw]) await assertNowhere(site.dataDir, out, secret);

  await restoreOrigin({ from: out, dataDir: copy, signal });
  assert.ok(!(await filesBelow(copy)).includes("master.key"));
  const original = site.dataDir;
  await site.stop();
  Object.assign(site, { dataDir: copy });
  await site.serve();
  assert.equal((await ask(site, party)).status, 500, "whoever has the copy alone");
  assert.equal((await publisher.send(await publisher.seal(utf8("new"), { seq: 2 }))).status, 500);
  assert.ok(!(await filesBelow(copy)).includes("master.key"), "no new master key in the place of the missing one");
  await Deno.copyFile(join(original, "master.key"), join(copy, "master.key"));
  await open(await ask(site, party), publisher, party);
});

/** Neither raw, nor in hex, nor in base64. */
async function assertNowhere(dataDir: string, backup: string, secret: Bytes): Promise<void> {
  const paths = (await filesBelow(dataDir)).filter((path) => path !== "master.key").map((path) => join(dataDir, path));
  for (const path of [...paths, backup]) {
    const file = (await Deno.readFile(path)).toHex();
    const forms = [secret, utf8(secret.toHex()), utf8(toBase64Url(secret)), utf8(secret.toBase64())];
    for (const form of forms) assert.ok(!file.includes(form.toHex()), path);
  }
}

Deno.test("origin v2: a content key that was moved to another version of the database opens no longer", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  for (const seq of [1, 2]) await publisher.publish(utf8(`content ${seq}`), { seq });
  using database = new DatabaseSync(join(site.dataDir, "origin.db"));
  database.exec(`UPDATE resource_versions SET wrapped_cek =
    (SELECT wrapped_cek FROM resource_versions WHERE version = '1.1') WHERE version = '1.2'`);
  assert.equal((await ask(site, party)).status, 500);
  assert.equal((await ask(site, party, `${PATH}@1.1`)).status, 200);
});

Deno.test("origin v2: the master key is rotated while the origin serves, and every content key opens before and after", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  for (const seq of [1, 2, 3]) await publisher.publish(utf8(`content ${seq}`), { seq });
  const { dataDir } = site;
  const path = join(dataDir, "master.key");
  const before = await readMasterKeys({ text: undefined, path });
  const { id, rewrapped } = await ORIGIN_COMMANDS["rotate-master-key"]({ dataDir });
  assert.equal(rewrapped, 3);
  const after = await readMasterKeys({ text: undefined, path });
  assert.deepEqual(after.map((key) => key.id), [id]);
  assert.notEqual(before[0]?.id, id);
  for (const seq of [1, 2, 3]) await open(await ask(site, party, `${PATH}@1.${seq}`), publisher, party);
  await publisher.publish(utf8("content 4"), { seq: 4 });
  await open(await ask(site, party), publisher, party);
});

Deno.test("origin v2: a rotation that was killed anywhere leaves all content keys openable, and ends when it is run again", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  for (const seq of [1, 2]) await publisher.publish(utf8(`content ${seq}`), { seq });
  const { dataDir } = site;
  const source = { text: undefined, path: join(dataDir, "master.key") };
  const [old] = await readMasterKeys(source);
  assert.ok(old);
  const next = await newMasterKey();
  const openAll = async (moment: string) => {
    for (const seq of [1, 2]) assert.equal((await ask(site, party, `${PATH}@1.${seq}`)).status, 200, moment);
  };
  await writeMasterKeys(source.path, [next, old]);
  await openAll("after the new key joined the file");
  using database = new DatabaseSync(join(dataDir, "origin.db"));
  database.exec("UPDATE master_keys SET current = NULL");
  database.prepare("INSERT INTO master_keys (id, created_ms, current) VALUES (?, 0, 1)").run(next.id);
  await openAll("after the new key wraps");
  await publisher.publish(utf8("content 3"), { seq: 3 });
  assert.deepEqual(await rotateMasterKey({ dataDir, source }), { id: next.id, rewrapped: 2 });
  assert.deepEqual((await readMasterKeys(source)).map(({ id }) => id), [next.id]);
  await openAll("after the second run");
  await writeMasterKeys(source.path, [next, old]);
  assert.deepEqual(await rotateMasterKey({ dataDir, source }), { id: next.id, rewrapped: 0 }, "killed at the very end");
});

Deno.test("origin v2: a master key in the environment is rotated by putting the new one in front", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const party = await device(site);
  await publisher.publish(utf8("content"));
  const { dataDir } = site;
  const path = join(dataDir, "master.key");
  const text = (await Deno.readTextFile(path)).trim();
  const next = toBase64Url((await newMasterKey()).raw);
  await assert.rejects(rotateMasterKey({ dataDir, source: { text, path } }), ConfigurationError);
  assert.equal((await rotateMasterKey({ dataDir, source: { text: `${next},${text}`, path } })).rewrapped, 1);
  assert.equal((await Deno.readTextFile(path)).trim(), text, "the file is not touched");
  assert.equal((await ask(site, party)).status, 500, "the old key opens nothing any more");
  await Deno.writeTextFile(path, next);
  await open(await ask(site, party), publisher, party);
});

Deno.test("origin v2: another device's small part opens nothing, and a grant nothing but its manifest", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const [one, two] = [await device(site), await device(site, "two@example.com")];
  await publisher.publish(utf8("content 1"));
  const first = await ask(site, one);
  await assert.rejects(open(first, publisher, two), { name: "IntegrityError", step: "grant-device" });
  await publisher.publish(utf8("content 2"), { seq: 2 });
  const second = await ask(site, one);
  const mixed = utf8(JSON.stringify({ ...JSON.parse(second.text), grant: JSON.parse(first.text).grant }));
  await assert.rejects(
    open({ ...second, bytes: mixed }, publisher, one),
    (error) => error instanceof IntegrityError && error.step === "grant-open",
  );
});
