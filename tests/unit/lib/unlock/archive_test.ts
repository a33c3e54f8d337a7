import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../../../lib/bytes.ts";
import { scratchArchive } from "../../../../lib/docker/scratch_archive.ts";
import { tarEnd, tarHeader, tarPadding } from "../../../../lib/docker/tar.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { type ByteStream, byteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { checkedArchive } from "../../../../lib/unlock/archive.ts";
import { keystream } from "../../../support/keystream.ts";

const IMAGE = "azaion/a:1";
const SCRATCH = await collect(
  scratchArchive({ references: [IMAGE, "azaion/b:1"], architecture: "arm64", payloadBytes: 2000 }),
  100_000,
);

function file(name: string, content: Bytes): Bytes {
  return concat(tarHeader(name, content.byteLength), content, tarPadding(content.byteLength));
}

function manifest(...tags: string[]): Bytes {
  return file("manifest.json", utf8(JSON.stringify([{ RepoTags: tags }])));
}

/** `bytes` in chunks that end at `cuts`. */
function chunked(bytes: Bytes, cuts: readonly number[]): ByteStream {
  const borders = [0, ...[...cuts].sort((a, b) => a - b), bytes.byteLength];
  return streamOf(...borders.slice(1).map((end, index) => bytes.slice(borders[index], end)));
}

/** What leaves, and why it ended where it ended badly. */
async function passed(archive: ByteStream): Promise<{ bytes: Bytes; error: unknown }> {
  const chunks: Bytes[] = [];
  try {
    for await (const chunk of archive) chunks.push(chunk);
    return { bytes: concat(...chunks), error: undefined };
  } catch (error) {
    return { bytes: concat(...chunks), error };
  }
}

async function refusal(bytes: Bytes, expected = [IMAGE]): Promise<string> {
  const { bytes: left, error } = await passed(checkedArchive(streamOf(bytes), expected));
  assert.ok(error instanceof IntegrityError, `${error}`);
  assert.ok(left.byteLength < bytes.byteLength || bytes.byteLength === 0, "something must have been held back");
  return error.message;
}

Deno.test("checkedArchive() lets a whole archive through unchanged, however it is cut", async () => {
  const cuts = fc.array(fc.nat({ max: SCRATCH.byteLength }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(cuts, async (cuts) => {
      const { bytes, error } = await passed(checkedArchive(chunked(SCRATCH, cuts), [IMAGE]));
      assert.equal(error, undefined);
      assert.deepEqual(bytes, SCRATCH);
    }),
    { numRuns: 50 },
  );
});

Deno.test("checkedArchive() lets a whole archive through byte by byte", async () => {
  const small = concat(file("x", utf8("content")), manifest(IMAGE), tarEnd());
  const cuts = Array.from({ length: small.byteLength }, (_, index) => index);
  assert.deepEqual(await collect(checkedArchive(chunked(small, cuts), [IMAGE]), 10_000), small);
});

for (const name of ["gnu", "pax", "ustar", "python_pax"]) {
  Deno.test(`checkedArchive() reads the ${name} archive of another program`, async () => {
    const archive = await Deno.readFile(new URL(`../../../fixtures/tar/${name}.tar`, import.meta.url));
    assert.deepEqual(await collect(checkedArchive(streamOf(archive), [IMAGE]), 100_000), archive);
    assert.match(await refusal(archive, ["azaion/z:1"]), /does not hold "azaion\/z:1"/);
  });
}

Deno.test("checkedArchive() reads the OCI layout of a newer docker save", async () => {
  const archive = concat(
    file("blobs/sha256/" + "a".repeat(64), keystream("blob", 5000)),
    file("index.json", utf8("{}")),
    manifest(IMAGE, "docker.io/azaion/b:1"),
    file("oci-layout", utf8('{"imageLayoutVersion": "1.0.0"}')),
    tarEnd(),
  );
  assert.deepEqual(await collect(checkedArchive(streamOf(archive), [IMAGE, "azaion/b:1"]), 100_000), archive);
});

/** A file of an OCI image layout, and how others name it. */
function blob(document: unknown): { digest: string; path: string; entry: Bytes } {
  const content = utf8(JSON.stringify(document));
  const hex = createHash("sha256").update(content).digest("hex");
  const path = `blobs/sha256/${hex}`;
  return { digest: `sha256:${hex}`, path, entry: file(path, content) };
}

function ociImage(architecture: string) {
  const config = blob({ architecture, rootfs: { type: "layers" } });
  const layer = blob(`layer for ${architecture}`);
  const { digest, entry } = blob({
    schemaVersion: 2,
    config: { digest: config.digest },
    layers: [{ digest: layer.digest }],
  });
  const listed = { Config: config.path, Layers: [layer.path] };
  return { digest, listed, entries: concat(config.entry, layer.entry, entry), platform: { os: "linux", architecture } };
}

function ociArchive(index: unknown, ...entries: Bytes[]): Bytes {
  const layout = file("./oci-layout", utf8('{"imageLayoutVersion":"1.0.0"}'));
  return concat(layout, file("./index.json", utf8(JSON.stringify(index))), ...entries, tarEnd());
}

/** The list that is added to an archive whose own end is `tarEnd()`. */
async function addedList(archive: Bytes, expected = [IMAGE]): Promise<unknown> {
  const whole = await collect(checkedArchive(streamOf(archive), expected), 1_000_000);
  const before = archive.byteLength - tarEnd().byteLength;
  assert.deepEqual(whole.slice(0, before), archive.slice(0, before));
  const list = JSON.parse(new TextDecoder().decode(whole.slice(before + 512)).replace(/\0+$/, ""));
  assert.deepEqual(whole.slice(before), concat(file("manifest.json", utf8(JSON.stringify(list))), tarEnd()));
  return list;
}

const HOST = ociImage(Deno.build.arch === "aarch64" ? "arm64" : "amd64");
const OTHER = ociImage("riscv64");
const NAMED = { annotations: { "org.opencontainers.image.ref.name": IMAGE } };

Deno.test("checkedArchive() adds the list of docker save to an OCI image layout", async () => {
  const { digest, listed, entries } = HOST;
  const containerd = { "io.containerd.image.name": `docker.io/${IMAGE}`, "org.opencontainers.image.ref.name": "1" };
  const second = { "org.opencontainers.image.ref.name": "registry.example:5000/azaion/b:1" };
  const manifests = [{ digest, annotations: containerd }, { digest: OTHER.digest, annotations: second }];
  assert.deepEqual(await addedList(ociArchive({ manifests }, entries, OTHER.entries)), [
    { Config: listed.Config, RepoTags: [`docker.io/${IMAGE}`], Layers: listed.Layers },
    { Config: OTHER.listed.Config, RepoTags: ["registry.example:5000/azaion/b:1"], Layers: OTHER.listed.Layers },
  ]);
});

Deno.test("checkedArchive() takes the image of this machine where a name stands for several platforms", async () => {
  const attestation = { digest: `sha256:${"a".repeat(64)}`, platform: { os: "unknown", architecture: "unknown" } };
  const choices = [
    { images: [OTHER, HOST], chosen: HOST },
    { images: [HOST], chosen: HOST },
    { images: [OTHER], chosen: OTHER }, // the only one: the engine may know how to run it
  ];
  for (const { images, chosen } of choices) {
    const manifests = [attestation, ...images.map(({ digest, platform }) => ({ digest, platform }))];
    const nested = blob({ manifests });
    const archive = ociArchive(
      { manifests: [{ digest: nested.digest, ...NAMED }] },
      ...[nested.entry, HOST.entries, OTHER.entries],
    );
    const [listed] = await addedList(archive) as { Config: string }[];
    assert.equal(listed?.Config, chosen.listed.Config);
  }
});

Deno.test("checkedArchive() does not take an OCI image without a name, manifest or right digest for one", async () => {
  const { digest, entries, platform } = HOST;
  const forged = file(`blobs/sha256/${digest.slice(7)}`, utf8('{"config":{"digest":"sha256:x"},"layers":[]}'));
  const two = [{ digest: OTHER.digest, platform: OTHER.platform }, {
    digest,
    platform: { ...platform, architecture: "s390x" },
  }];
  const wrong = [
    ociArchive({ manifests: [{ digest }] }, entries),
    ociArchive({ manifests: [{ digest, annotations: { "org.opencontainers.image.ref.name": "1" } }] }, entries),
    ociArchive({ manifests: [{ digest, ...NAMED }] }),
    ociArchive({ manifests: [{ digest, ...NAMED }] }, forged),
    ociArchive({ manifests: two.map((one) => ({ ...one, ...NAMED })) }, entries, OTHER.entries),
  ];
  for (const archive of wrong) assert.match(await refusal(archive), /does not hold "azaion\/a:1"/);
});

Deno.test("checkedArchive() bounds what it keeps of an OCI image layout", async () => {
  const layers = Array.from({ length: 2000 }, () => ({ digest: HOST.digest }));
  const many = Array.from({ length: 30 }, (_, index) => blob({ config: { digest: HOST.digest }, layers, index }).entry);
  assert.match(await refusal(ociArchive({ manifests: [] }, ...many)), /is damaged/);
});

Deno.test("checkedArchive() refuses what is not an archive before anything leaves", async () => {
  for (const garbage of [keystream("garbage", 100_000), keystream("short", 512), utf8("x".repeat(10_000))]) {
    const { bytes, error } = await passed(checkedArchive(chunked(garbage, [100, 511]), [IMAGE]));
    assert.match(String(error), /wrong key fragment, or not an image archive/);
    assert.ok(bytes.byteLength <= 511);
  }
});

Deno.test("checkedArchive() refuses an archive that was cut off anywhere, and holds its end back", async () => {
  const ends = fc.integer({ min: 0, max: SCRATCH.byteLength - 1 });
  await fc.assert(
    fc.asyncProperty(ends, async (end) => {
      const { bytes, error } = await passed(checkedArchive(streamOf(SCRATCH.slice(0, end)), [IMAGE]));
      assert.ok(error instanceof IntegrityError, `cut at ${end}: ${error}`);
      assert.ok(bytes.byteLength < SCRATCH.byteLength - tarEnd().byteLength / 2);
    }),
    { numRuns: 100 },
  );
});

Deno.test("checkedArchive() holds the end back when the source fails after it", async () => {
  const source = streamOf(SCRATCH).getReader();
  const failing = byteStream(async () => {
    const { value, done } = await source.read();
    if (done) throw new IntegrityError("wrong padding");
    return value;
  });
  const { bytes, error } = await passed(checkedArchive(failing, [IMAGE]));
  assert.match(String(error), /wrong padding/);
  assert.equal(bytes.byteLength, SCRATCH.byteLength - tarEnd().byteLength);
});

Deno.test("checkedArchive() refuses an archive of other images and names what is missing", async () => {
  assert.match(
    await refusal(SCRATCH, [IMAGE, "azaion/c:1"]),
    /^The archive is another one: it does not hold "azaion\/c:1"$/,
  );
  assert.match(await refusal(SCRATCH, ["azaion/a:2", "c:1", "d:1"]), /does not hold "azaion\/a:2", "c:1" and "d:1"/);
});

Deno.test("checkedArchive() refuses an archive without a manifest that can be read", async () => {
  const wrong = [
    tarEnd(),
    concat(file("x", utf8("x")), tarEnd()),
    concat(file("a/manifest.json", utf8(`[{"RepoTags":["${IMAGE}"]}]`)), tarEnd()),
    concat(file("manifest.json", utf8("not json")), tarEnd()),
    concat(file("manifest.json", utf8(`{"RepoTags":["${IMAGE}"]}`)), tarEnd()),
  ];
  for (const archive of wrong) assert.match(await refusal(archive), /no manifest\.json that can be read/);
});

Deno.test("checkedArchive() refuses a manifest that is too large, and content behind the end", async () => {
  assert.match(await refusal(file("manifest.json", new Uint8Array(1024 * 1024 + 1))), /not an image archive|damaged/);
  const whole = concat(manifest(IMAGE), tarEnd());
  assert.match(await refusal(concat(whole, utf8("x"))), /damaged/);
  assert.match(await refusal(concat(whole, manifest(IMAGE), tarEnd())), /damaged/);
  assert.match(await refusal(concat(whole, new Uint8Array(1024 * 1024))), /damaged/);
});

Deno.test("checkedArchive() refuses a header that is damaged in the middle", async () => {
  assert.match(await refusal(concat(file("x", utf8("x")), keystream("damage", 512), tarEnd())), /is damaged/);
});

Deno.test("checkedArchive() tells its source when it fails or is given up", async () => {
  const reasons: unknown[] = [];
  const endless = () =>
    byteStream(() => Promise.resolve(keystream("endless", 4096)), (reason) => void reasons.push(reason));
  const { error } = await passed(checkedArchive(endless(), [IMAGE]));
  await checkedArchive(endless(), [IMAGE]).cancel("given up");
  assert.deepEqual(reasons, [error, "given up"]);
});

/** An entry with another type, and pax records or a GNU long name before it. */
function typed(type: string, name: string, content: Bytes, sizeBytes = content.byteLength): Bytes {
  const header = tarHeader(name, sizeBytes);
  header.set(utf8(type), 156);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(utf8(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return concat(header, content, tarPadding(content.byteLength));
}

function pax(name: string, value: string): Bytes {
  const rest = ` ${name}=${value}\n`;
  const length = [2, 3].map((digits) => rest.length + digits).find((sum) => String(sum).length + rest.length === sum);
  return typed("x", "pax", utf8(`${length}${rest}`));
}

Deno.test("checkedArchive() reads the entries that an engine reads, whatever pax records say of a folder's size", async () => {
  const hidden = manifest("azaion/evil:1"); // an engine takes a folder for empty, and this for the next entry
  const archive = concat(manifest(IMAGE), pax("size", String(hidden.byteLength)), typed("5", "x", hidden, 0), tarEnd());
  assert.match(await refusal(archive), /does not hold "azaion\/a:1"/, "the second list is the one that counts");
});

Deno.test("checkedArchive() goes by the name that an engine goes by", async () => {
  const evil = utf8(JSON.stringify([{ RepoTags: ["azaion/evil:1"] }]));
  const long = typed("L", "././@LongLink", utf8("manifest.json\0"));
  const names = [concat(long, pax("path", "x"), file("y", evil)), concat(pax("path", "x"), long, file("y", evil))];
  for (const spelling of ["/manifest.json", ".//./manifest.json", "//manifest.json"]) names.push(file(spelling, evil));
  for (const second of names) assert.match(await refusal(concat(manifest(IMAGE), second, tarEnd())), /does not hold/);
  const upwards = concat(manifest(IMAGE), file("x/../manifest.json", evil), tarEnd());
  assert.match(await refusal(upwards), /is damaged/);
});

Deno.test("checkedArchive() bounds the list that a small OCI index stands for", async () => {
  const layers = Array.from({ length: 2000 }, () => ({ digest: HOST.digest }));
  const large = blob({ config: { digest: HOST.digest }, layers });
  const named = (index: number) => ({
    digest: large.digest,
    annotations: { "io.containerd.image.name": `azaion/x${index}:1` },
  });
  const manifests = Array.from({ length: 5000 }, (_, index) => named(index)); // would be a list of a gigabyte
  assert.match(await refusal(ociArchive({ manifests }, large.entry)), /describes too many images/);
});

Deno.test("checkedArchive() does not follow indexes of indexes without end", async () => {
  let nested = blob({ manifests: [{ digest: HOST.digest, platform: HOST.platform }] });
  const entries = [nested.entry, HOST.entries];
  for (let level = 0; level < 15_000; level++) {
    nested = blob({ manifests: [{ digest: nested.digest }] });
    entries.push(nested.entry);
  }
  const archive = ociArchive({ manifests: [{ digest: nested.digest, ...NAMED }] }, ...entries);
  assert.match(await refusal(archive), /does not hold "azaion\/a:1"/);
});

Deno.test("checkedArchive() steps over sizes that no disk has, and keeps nothing of headers without end", async () => {
  const faultOf = async (bytes: Bytes) => String((await passed(checkedArchive(streamOf(bytes), [IMAGE]))).error);
  const huge = concat(tarHeader("x", Number.MAX_SAFE_INTEGER), keystream("huge", 10_000));
  assert.match(await faultOf(huge), /was cut off/);
  assert.match(
    await faultOf(concat(pax("size", "999999999999999"), file("x", utf8("x")), manifest(IMAGE))),
    /was cut off/,
  );
  assert.match(
    await faultOf(concat(typed("L", "x", new Uint8Array(0), 2 ** 40), tarEnd())),
    /is damaged|not an image archive/,
  );
  const sparse = concat(typed("S", "x", new Uint8Array(512)), keystream("extension", 512), manifest(IMAGE), tarEnd());
  assert.match(await faultOf(sparse), /is damaged/, "an extension of a sparse header is no header");
  const records = concat(...Array.from({ length: 1_000 }, () => pax("path", "deep/".repeat(100))));
  const end = concat(file("named by the records", utf8("y")), manifest(IMAGE), tarEnd());
  const parts = [...Array.from({ length: 10 }, () => records.slice()), end];
  const expectedBytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let passedBytes = 0;
  const many = byteStream(() => Promise.resolve(parts.shift()));
  for await (const chunk of checkedArchive(many, [IMAGE])) passedBytes += chunk.byteLength;
  assert.equal(passedBytes, expectedBytes);
});
