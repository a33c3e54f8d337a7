import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import type { IntegrityStep } from "../../lib/errors.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { State } from "../../origin/state.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite } from "../support/origin_site.ts";
import { V2Device, type V2DeviceOptions } from "../support/v2_device.ts";
import { V2_RESOURCE, V2Publisher, type V2Version } from "../support/v2_publisher.ts";

const { folder, name } = V2_RESOURCE;
const MIB = 1024 * 1024;
const PLAIN = keystream("attacked", 3 * MIB + 5);

/** An origin, a publisher, and a device on which an Operator is signed in. */
class Round implements AsyncDisposable {
  readonly site: OriginSite;
  readonly publisher: V2Publisher;
  readonly email: string;
  device: V2Device;

  private constructor(site: OriginSite, publisher: V2Publisher, email: string, device: V2Device) {
    this.site = site;
    this.publisher = publisher;
    this.email = email;
    this.device = device;
  }

  static async start(options: V2DeviceOptions = {}): Promise<Round> {
    const site = await OriginSite.start();
    const publisher = await V2Publisher.at(site);
    const device = await V2Device.start(site, options);
    const { email } = await site.user("Operator");
    await device.signIn(email);
    return new Round(site, publisher, email, device);
  }

  /** What stands in the CDN in the place of a big part. */
  async replaceBigPart({ manifest }: V2Version, bytes: Bytes): Promise<void> {
    const { writer: token } = await this.site.objectTokens();
    const { status } = await this.site.call("PUT", `/objects/${folder}/${manifest.big.key}`, { token, body: bytes });
    assert.ok(status < 300);
  }

  /** The bytes that left the device over HTTP, and whether it was all that was announced. */
  async loadByHttp(): Promise<{ status: number; received: number; whole: boolean }> {
    const answer = await fetch(`${this.device.url}/resources/${folder}/${name}`);
    let received = 0;
    try {
      for await (const chunk of answer.body ?? []) received += chunk.byteLength;
    } catch {
      return { status: answer.status, received, whole: false };
    }
    return { status: answer.status, received, whole: answer.status === 200 };
  }

  async restart(options: V2DeviceOptions = {}): Promise<void> {
    await this.device.stop();
    this.device = await V2Device.start(this.site, options, this.device);
    await this.device.signIn(this.email);
  }

  async refused(step: IntegrityStep): Promise<void> {
    await assert.rejects(this.device.load(folder, name), { name: "IntegrityError", step });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device[Symbol.asyncDispose]();
    await this.site[Symbol.asyncDispose]();
  }
}

function flipped(bytes: Bytes, offset: number): Bytes {
  const copy = bytes.slice();
  copy[offset] = (copy[offset] ?? 0) ^ 1;
  return copy;
}

Deno.test("v2: a segment that is flipped, dropped, doubled, swapped or cut off at the CDN is refused before its bytes leave", async () => {
  await using round = await Round.start();
  const version = await round.publisher.publish(PLAIN);
  const { big } = version;
  const unit = 16 * (64 * 1024 + 16);
  const [first, second, third, rest] = [0, 1, 2, 3].map((index) => {
    const start = index === 0 ? 0 : 16 + index * unit;
    return big.slice(start, index === 3 ? undefined : 16 + (index + 1) * unit);
  }) as [Bytes, Bytes, Bytes, Bytes];
  const plainUnit = 16 * 64 * 1024;
  const cases: [what: string, bytes: Bytes, mayLeave: number][] = [
    ["flipped in the first", flipped(big, 100), 0],
    ["flipped in the second", flipped(big, unit + 500), plainUnit],
    ["dropped", concat(first, third, rest), plainUnit],
    ["swapped", concat(first, third, second, rest), plainUnit],
    ["doubled", concat(first, second, second, third, rest), 2 * plainUnit],
    ["cut off at a border", concat(first, second), 2 * plainUnit],
  ];
  for (const [what, bytes, mayLeave] of cases) {
    await Deno.remove(round.device.cachePath(folder, ""), { recursive: true }).catch(() => undefined); // right units stay there
    await round.replaceBigPart(version, bytes);
    const { whole, received } = await round.loadByHttp();
    assert.ok(!whole && received <= mayLeave, `${what}: ${received} bytes left, whole: ${whole}`);
  }
  await round.replaceBigPart(version, big);
  assert.deepEqual(await round.device.load(folder, name), PLAIN, "and the next load goes on where it was right");
});

Deno.test("v2: a damaged segment of the cache is fetched again alone, and mended", async () => {
  await using round = await Round.start();
  const { manifest, big } = await round.publisher.publish(PLAIN);
  await round.device.load(folder, name);
  await round.restart();
  const path = round.device.cachePath(folder, manifest.big.key);
  await Deno.writeFile(path, flipped(big, 2 * MIB));
  const { body, source } = await round.device.services.load(V2_RESOURCE);
  assert.equal(source, "cache");
  assert.deepEqual(new Uint8Array(await new Response(body).arrayBuffer()), PLAIN);
  assert.ok(round.device.logLines.some((line) => /unit_wrong/.test(line) && /"index":1/.test(line)));
  await round.restart();
  assert.deepEqual(await Deno.readFile(path), big);
});

Deno.test("v2: a load that was broken off is gone on with after a restart, and fetches no segment twice", async () => {
  await using round = await Round.start();
  const plain = keystream("broken off", 12 * MIB);
  const { manifest, big } = await round.publisher.publish(plain);
  const { body } = await round.device.services.load(V2_RESOURCE);
  const reader = body.getReader();
  for (let count = 0; count < 4; count++) await reader.read();
  await reader.cancel();
  await round.restart();
  const part = round.device.cachePath(folder, `.${manifest.big.key}.part`);
  const { size } = await Deno.stat(part);
  assert.ok(size >= 4 * MIB && size < big.byteLength, `${size} bytes came before`);
  await round.replaceBigPart({ manifest } as V2Version, concat(new Uint8Array(4 * MIB), big.slice(4 * MIB)));
  assert.deepEqual(await round.device.load(folder, name), plain, "the beginning came from the disk");
});

Deno.test("v2: an older version replayed by the API is refused, also after a restart, unless an administrator says so", async () => {
  await using round = await Round.start();
  const { site, publisher } = round;
  await publisher.publish(utf8("old"), { seq: 1 });
  await publisher.publish(utf8("new"), { seq: 2 });
  assert.deepEqual(await round.device.load(folder, name), utf8("new"));
  await ORIGIN_COMMANDS["version change"]({
    ...{ dataDir: site.dataDir, resource: V2_RESOURCE, version: "1.1", change: "pin" },
  });
  await round.refused("sequence");
  await round.restart();
  await round.refused("sequence");
  const { services } = round.device;
  const found = await services.find({ ...V2_RESOURCE, allowDowngrade: true });
  assert.equal(await new Response((await found.open()).body).text(), "old");
  assert.ok(round.device.logLines.some((line) => /downgrade_allowed/.test(line)));
  await round.refused("sequence");
});

Deno.test("v2: what was used in v2 is taken in no other format when the API has it no longer", async () => {
  await using round = await Round.start();
  await round.publisher.publish(utf8("content"));
  await round.device.load(folder, name);
  const { dataDir } = round.site;
  await ORIGIN_COMMANDS["version change"]({ dataDir, resource: V2_RESOURCE, version: "1.1", change: "withdraw" });
  await round.refused("sequence");
  await assert.rejects(round.device.load(folder, "never.onnx"), { code: "not_found" });
});

Deno.test("v2: the manifest of one resource opens nothing of another, whoever signed both", async () => {
  await using round = await Round.start();
  const { publisher } = round;
  const one = await publisher.publish(PLAIN, { seq: 1 });
  const two = await publisher.publish(keystream("another", PLAIN.byteLength), { seq: 2 });
  await round.replaceBigPart(two, one.big);
  await round.refused("unit-hash");
  using state = await State.open(round.site.dataDir, 0);
  const elsewhere = await publisher.seal(PLAIN, { name: "other.onnx", seq: 3 });
  state.run(
    "UPDATE resource_versions SET manifest = ?, payload_sha256 = 'another' WHERE version = ?",
    elsewhere.jws,
    "1.2",
  );
  await round.refused("resource");
});

Deno.test("v2: publishers are pinned: a key that the origin trusts later is believed only when a person says so", async () => {
  await using round = await Round.start();
  await round.publisher.publish(utf8("pinned"), { seq: 1 });
  await round.device.load(folder, name);
  const intruder = await V2Publisher.at(round.site);
  await intruder.publish(utf8("by the intruder"), { seq: 2 });
  await round.refused("signature");
  const { publishersDiffer, publishers } = await round.device.services.enrolment.enroll();
  assert.ok(publishersDiffer);
  assert.equal(publishers.length, 1);
  await round.refused("signature");
  await round.device.services.enrolment.enroll({ trustPublishers: true });
  assert.deepEqual(await round.device.load(folder, name), utf8("by the intruder"));
});

Deno.test("v2: a revoked device gets nothing more, and one that waits gets in when it is approved", async () => {
  await using round = await Round.start();
  await round.publisher.publish(utf8("content"));
  await round.device.load(folder, name);
  const { dataDir } = round.site;
  const { kid } = await round.device.services.enrolment.key();
  await ORIGIN_COMMANDS["device decide"]({ dataDir, kid, state: "revoked" });
  await assert.rejects(round.device.load(folder, name), { code: "not_allowed", message: /revoked/ });
  await ORIGIN_COMMANDS["device decide"]({ dataDir, kid, state: "approved" });
  assert.deepEqual(await round.device.load(folder, name), utf8("content"));

  await round.site.stop();
  Object.assign(round.site.options, { enrolment: "approval" });
  await round.site.serve();
  await using waiting = await V2Device.start(round.site);
  await waiting.signIn(round.email);
  await assert.rejects(waiting.load(folder, name), { code: "not_allowed", message: /waits for the approval/ });
  const own = (await waiting.services.enrolment.key()).kid;
  await ORIGIN_COMMANDS["device decide"]({ dataDir, kid: own, state: "approved" });
  assert.deepEqual(await waiting.load(folder, name), utf8("content"));
});

Deno.test("v2: a version that has expired is refused, also by a device whose clock was set back", async () => {
  await using round = await Round.start();
  const nowSeconds = Math.floor(Date.now() / 1000);
  await round.publisher.publish(utf8("content"), { iat: nowSeconds, exp: nowSeconds + 600 });
  const at = (seconds: number): V2DeviceOptions => ({
    clock: { ...systemClock, now: () => Date.now() + seconds * 1000 },
    flags: { "jwt-verify": "off" },
  });
  await round.restart(at(500));
  assert.deepEqual(await round.device.load(folder, name), utf8("content"));
  await round.publisher.publish(utf8("newer"), { seq: 2, name: "b.onnx", iat: nowSeconds, exp: nowSeconds + 7200 });
  await round.restart(at(3600));
  await round.refused("expiry");
  await round.device.load(folder, "b.onnx");
  await round.restart(at(0));
  await round.refused("expiry");
});

Deno.test("v2: GET /resources takes ranges, and fetches and opens only the segments that hold them", async () => {
  await using round = await Round.start();
  const plain = keystream("ranges", 5 * MIB + 3);
  const version = await round.publisher.publish(plain);
  const url = `${round.device.url}/resources/${folder}/${name}`;
  const get = async (headers: Record<string, string>) => {
    const answer = await fetch(url, { headers });
    return { answer, bytes: new Uint8Array(await answer.arrayBuffer()) };
  };
  await round.replaceBigPart(
    version,
    concat(version.big.slice(0, 3 * MIB), new Uint8Array(version.big.length - 3 * MIB)),
  );
  const head = await get({ range: "bytes=100-2097151" });
  assert.equal(head.answer.status, 206, "the rest of the big part is damaged, and nobody looked");
  assert.deepEqual(head.bytes, plain.slice(100, 2 * MIB));
  await round.replaceBigPart(version, version.big);
  const size = plain.byteLength;
  const etag = head.answer.headers.get("etag") ?? "";
  const cases: [headers: Record<string, string>, status: number, start: number, end: number][] = [
    [{ range: "bytes=0-0" }, 206, 0, 1],
    [{ range: "bytes=1048570-1048590" }, 206, 1048570, 1048591],
    [{ range: "bytes=-500" }, 206, size - 500, size],
    [{ range: `bytes=${size - 1}-` }, 206, size - 1, size],
    [{ range: "bytes=5-9", "if-range": etag }, 206, 5, 10],
    [{ range: "bytes=5-9", "if-range": '"another"' }, 200, 0, size],
    [{ range: "bytes=0-1,4-5" }, 200, 0, size],
    [{ range: "lines=0-1" }, 200, 0, size],
    [{}, 200, 0, size],
  ];
  for (const [headers, status, start, end] of cases) {
    const { answer, bytes } = await get(headers);
    assert.equal(answer.status, status, JSON.stringify(headers));
    assert.deepEqual(bytes, plain.slice(start, end), JSON.stringify(headers));
    const range = status === 206 ? `bytes ${start}-${end - 1}/${size}` : null;
    assert.equal(answer.headers.get("content-range"), range);
  }
  const past = await get({ range: `bytes=${size}-` });
  assert.deepEqual([past.answer.status, past.answer.headers.get("content-range")], [416, `bytes */${size}`]);
  assert.equal((await get({ "if-none-match": etag })).answer.status, 304);
  const pinned = await fetch(`${url}?version=1.1`, { headers: { range: "bytes=0-9" } });
  assert.deepEqual(new Uint8Array(await pinned.arrayBuffer()), plain.slice(0, 10));
  assert.equal((await fetch(`${url}?version=..%2F`).then(drop)).status, 422);
  assert.equal((await fetch(`${url}?version=9`).then(drop)).status, 404);
  await round.device.services.session.signOut();
  assert.equal((await fetch(url).then(drop)).status, 401);
});

async function drop(answer: Response): Promise<Response> {
  await answer.body?.cancel();
  return answer;
}
