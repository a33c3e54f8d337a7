import assert from "node:assert/strict";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { DigestCheck, matchesDigests } from "../../lib/cdn/digest.ts";
import { openStore } from "../../lib/cdn/open.ts";
import { S3Store } from "../../lib/cdn/s3.ts";
import { partSize } from "../../lib/cdn/s3_upload.ts";
import type { ObjectStore } from "../../lib/cdn/store.ts";
import type { S3CdnSettings } from "../../lib/config/cdn_file.ts";
import { Secret } from "../../lib/config/secret.ts";
import {
  IntegrityError,
  NotAllowedError,
  UnavailableError,
  UpstreamError,
  UpstreamTimeoutError,
} from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { byteReader, type ByteStream, streamOf } from "../../lib/streams.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { runChild } from "../../lib/system/process.ts";
import { keystream } from "../support/keystream.ts";
import { sourceOf } from "../support/object_source.ts";
import { BUCKET } from "../support/object_sites.ts";
import { peerPath } from "../support/peers.ts";
import { type S3Server, startS3Server } from "../support/s3_server.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { testClock } from "../support/test_clock.ts";

const MIB = 1024 * 1024;
const STALL_MS = 300;
const CHILD = new URL("../support/s3_child.ts", import.meta.url).pathname;

const versitygw = peerPath("versitygw");
const openssl = peerPath("openssl");

/** A test against a real S3 server. */
function s3Test(name: string, check: (server: S3Server, store: ObjectStore) => Promise<void>): void {
  Deno.test({
    name: `S3Store ${name}`,
    ignore: versitygw === undefined,
    fn: async () => {
      await using server = await startS3Server({ program: versitygw ?? "" });
      await check(server, await openStore(server.settings, { clock: systemClock }));
    },
  });
}

function withKey(settings: S3CdnSettings, id: string, secret: string): S3CdnSettings {
  return { ...settings, downloader: { id: new Secret(id), secret: new Secret(secret) } };
}

async function drain(stream: ByteStream): Promise<number> {
  const reader = byteReader(stream);
  let sizeBytes = 0;
  for (let piece = await reader.read(MIB); piece.byteLength > 0; piece = await reader.read(MIB)) {
    sizeBytes += piece.byteLength;
  }
  return sizeBytes;
}

s3Test("tells wrong keys and secrets from missing objects, on HEAD too, and shows neither", async ({ settings }) => {
  for (const [id, secret] of [["reader", "wrong-hush"], ["nobody-hush", "readersecret1"]] as const) {
    const store = await openStore(withKey(settings, id, secret), { clock: systemClock });
    const calls = [
      () => store.head(BUCKET, "a.big"),
      () => store.get(BUCKET, "a.big"),
      () => Array.fromAsync(store.list(BUCKET)),
    ];
    for (const call of calls) {
      await assert.rejects(call, (error) => {
        assert(error instanceof NotAllowedError);
        assert(
          !/hush|signature=|[0-9a-f]{64}/i.test(Deno.inspect(error, { depth: 9 })),
          Deno.inspect(error, { depth: 9 }),
        );
        return true;
      });
    }
  }
});

s3Test("writes nothing without an uploader", async ({ settings: { uploader: _, ...settings } }) => {
  const store = await openStore(settings, { clock: systemClock });
  await assert.rejects(store.put(BUCKET, "a.big", sourceOf(new Uint8Array(1))), NotAllowedError);
  await assert.rejects(store.delete(BUCKET, "a.big"), NotAllowedError);
});

s3Test("works on a device whose clock is an hour off", async (_, store) => {
  using _clock = shiftedClock(-3_600_000);
  const bytes = keystream("skew", 1000);
  await store.put(BUCKET, "skew.big", sourceOf(bytes));
  assert.equal((await store.head(BUCKET, "skew.big"))?.sizeBytes, 1000);
  assert.equal(await drain((await store.get(BUCKET, "skew.big")).body), 1000);
});

s3Test("fails a body, and never ends it early, when the server is killed", async (server, store) => {
  await store.put(BUCKET, "killed.big", sourceOf(keystream("killed", 48 * MIB)));
  const { body } = await store.get(BUCKET, "killed.big");
  const reader = byteReader(body);
  await reader.read(10);
  server.signal("SIGKILL");
  await assert.rejects(async () => {
    while ((await reader.read(MIB)).byteLength > 0);
  }, UnavailableError);
});

s3Test("fails a body that stalls", async (server, store) => {
  await store.put(BUCKET, "stalled.big", sourceOf(keystream("stalled", 48 * MIB)));
  const impatient = await S3Store.open(server.settings, {
    http: httpClient("CDN"),
    clock: systemClock,
    stallMs: STALL_MS,
  });
  const reader = byteReader((await impatient.get(BUCKET, "stalled.big")).body);
  await reader.read(10);
  server.signal("SIGSTOP");
  await assert.rejects(async () => {
    while ((await reader.read(MIB)).byteLength > 0);
  }, UpstreamTimeoutError);
});

s3Test("repeats a refused connection before it gives up", async (server) => {
  server.signal("SIGKILL");
  const clock = testClock();
  const store = await openStore(server.settings, { clock });
  await assert.rejects(store.head(BUCKET, "a.big"), UnavailableError);
  assert.equal(clock.sleeps.length, 2);
  await assert.rejects(store.put(BUCKET, "a.big", sourceOf(keystream("refused", 9 * MIB))), UnavailableError);
});

s3Test("looks nothing up in the environment, in files or in the system", async (server, store) => {
  await store.put(BUCKET, "alone.big", sourceOf(keystream("alone", 1000)));
  const rights = [`--allow-net=${server.endpoint.host}`, "--ignore-env", "--no-prompt"];
  assert.equal(await runReader(server.endpoint, ["reader", "readersecret1", "alone.big"], rights), "1000");
});

s3Test("gives digests by which a byte that changed on the server is noticed", async (server, store) => {
  for (const sizeBytes of [1000, 17 * MIB]) {
    await store.put(BUCKET, "changed.big", sourceOf(keystream("changed", sizeBytes)));
    await changeByte(join(server.dataDir, BUCKET, "changed.big"), sizeBytes / 2);
    const facts = await store.head(BUCKET, "changed.big");
    const check = new DigestCheck(facts?.digests ?? {}, sizeBytes);
    for await (const chunk of (await store.get(BUCKET, "changed.big")).body) check.update(chunk);
    assert(check.hasDigest);
    assert.throws(() => check.verify(), IntegrityError);
  }
});

s3Test("computes the ETag of an upload in parts that somebody else made", async ({ root }, store) => {
  const target = { Bucket: BUCKET, Key: "parts.big" };
  const bytes = keystream("parts", 5 * MIB + 5 * MIB + 3);
  const { UploadId } = await root.send(new CreateMultipartUploadCommand(target));
  const Parts = [];
  for (const [index, start] of [0, 5 * MIB, 10 * MIB].entries()) {
    const part = { PartNumber: index + 1, Body: bytes.slice(start, start + 5 * MIB) };
    const { ETag } = await root.send(new UploadPartCommand({ ...target, UploadId, ...part }));
    Parts.push({ ETag, PartNumber: part.PartNumber });
  }
  await root.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  const facts = await store.head(BUCKET, "parts.big");
  assert.equal(facts?.digests.multipartMd5?.partSizeBytes, 5 * MIB);
  assert.equal(await matchesDigests(streamOf(bytes), facts.digests, bytes.byteLength), "equal");
  bytes[7 * MIB] = (bytes[7 * MIB] ?? 0) ^ 1;
  assert.equal(await matchesDigests(streamOf(bytes), facts.digests, bytes.byteLength), "different");
});

s3Test("leaves no half upload behind", async ({ root }, store) => {
  const abort = new AbortController();
  const disk = new Error("the disk cannot be read");
  const bytes = keystream("half", 30 * MIB);
  const faults = [
    { sizeBytes: bytes.byteLength + 1 },
    { onPiece: (offset: number) => void (offset > 20 * MIB && abort.abort()) },
    {
      onPiece: (offset: number) => {
        if (offset > 20 * MIB) throw disk;
      },
    },
  ];
  for (const fault of faults) {
    await assert.rejects(store.put(BUCKET, "half.big", sourceOf(bytes, fault), { signal: abort.signal }));
  }
  const { Uploads } = await root.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  assert.deepEqual(Uploads ?? [], []);
});

s3Test("lists more keys than one page holds", async (server, store) => {
  const count = 1_050;
  for (let index = 0; index < count; index++) {
    await Deno.writeTextFile(join(server.dataDir, BUCKET, `page-${String(index).padStart(4, "0")}.big`), "x");
  }
  const keys = (await Array.fromAsync(store.list(BUCKET))).map(({ key }) => key);
  assert.equal(keys.length, count);
  assert.deepEqual(keys, keys.toSorted());
});

Deno.test({
  name: "S3Store trusts the certificates that the program is started with, and no others",
  ignore: versitygw === undefined || openssl === undefined,
  fn: async () => {
    await using folder = await tempFolder();
    const { caFile, certFile, keyFile } = await makeCertificate(folder.path);
    const tls = { certFile, keyFile };
    await using server = await startS3Server({ program: versitygw ?? "", tls });
    const root = ["root", "rootsecret1", "a.big"];
    assert.equal(await runReader(server.endpoint, root, ["-A", `--cert=${caFile}`]), "none");
    assert.equal(await runReader(server.endpoint, root, ["-A"]), "UnavailableError");
  },
});

Deno.test("S3Store waits and repeats when the server is too busy, and gives up in the end", async () => {
  let calls = 0;
  await using server = serveS3(() => {
    calls++;
    return calls === 3 ? new Response(null, { headers: objectHeaders({}) }) : new Response(SLOW_DOWN, { status: 503 });
  });
  const clock = testClock();
  const store = await openStore(server.settings, { clock });
  assert.equal((await store.head(BUCKET, "a.big"))?.sizeBytes, 3);
  assert.equal(clock.sleeps.length, 2);
  await assert.rejects(store.get(BUCKET, "a.big"), UnavailableError);
  assert.equal(calls, 6);
});

Deno.test("S3Store takes an ETag or checksum for a digest only where it is one", async () => {
  const md5 = "0cc175b9c0f1b6a831c399e269772661";
  const cases: [headers: Record<string, string>, digests: unknown][] = [
    [{}, { md5 }],
    [{ "x-amz-server-side-encryption": "AES256" }, { md5 }],
    [{ "x-amz-server-side-encryption": "aws:kms" }, {}],
    [{ "x-amz-server-side-encryption": "aws:kms:dsse" }, {}],
    [{ "x-amz-server-side-encryption-customer-algorithm": "AES256" }, {}],
    [{ etag: '"something-else"' }, {}],
    [{ "x-amz-checksum-crc32": "y/Q5Jg==", "x-amz-checksum-type": "FULL_OBJECT" }, { crc32: 0xcbf43926 }],
    [{ "x-amz-checksum-crc32": "y/Q5Jg==" }, { crc32: 0xcbf43926 }],
    [{ "x-amz-checksum-crc32": "y/Q5Jg==-3", "x-amz-checksum-type": "COMPOSITE" }, { md5 }],
    [{ etag: `"${md5}-2"`, "x-amz-checksum-crc32": "y/Q5Jg==-2" }, { multipartMd5: { hex: md5, partSizeBytes: 3 } }],
    [{ "x-amz-checksum-sha256": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" }, {
      sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }],
  ];
  for (const [headers, digests] of cases) {
    await using server = serveS3(() =>
      new Response(null, { headers: objectHeaders({ etag: `"${md5}"`, ...headers }) })
    );
    const store = await openStore(server.settings, { clock: systemClock });
    assert.deepEqual((await store.head(BUCKET, "a.big"))?.digests, digests, JSON.stringify(headers));
  }
});

Deno.test("S3Store refuses answers that are not S3's", async () => {
  await using server = serveS3(() => new Response("<html>Sign in to the hotel's network</html>"));
  const store = await openStore(server.settings, { clock: systemClock });
  await assert.rejects(store.head(BUCKET, "a.big"), UpstreamError);
  await assert.rejects(store.get(BUCKET, "a.big"), UpstreamError);
  await assert.rejects(Array.fromAsync(store.list(BUCKET)), UpstreamError);
});

Deno.test("partSize() keeps within 10,000 parts of at least 5 MiB", () => {
  assert.equal(partSize(6 * MIB), 5 * MIB);
  assert.equal(partSize(50_000 * MIB), 5 * MIB);
  assert.equal(partSize(50_000 * MIB + 1), 6 * MIB);
  assert(Math.ceil(5 * 1024 ** 4 / partSize(5 * 1024 ** 4)) <= 10_000);
});

const SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/** A server that answers like S3 in the cases that no real one can be brought to. */
function serveS3(handler: () => Response): { settings: S3CdnSettings } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const endpoint = new URL(`http://127.0.0.1:${server.addr.port}`);
  const downloader = { id: new Secret("reader"), secret: new Secret("readersecret1") };
  const settings = { kind: "s3", endpoint, region: "us-east-1", downloader } as const;
  return { settings, [Symbol.asyncDispose]: () => server.shutdown() };
}

function objectHeaders(headers: Record<string, string>): Record<string, string> {
  return { "content-length": "3", "etag": '"0cc175b9c0f1b6a831c399e269772661"', ...headers };
}

/** Sets the clock of this process as that of a device without a battery may be. */
function shiftedClock(offsetMs: number): Disposable {
  const now = Date.now;
  Date.now = () => now.call(Date) + offsetMs;
  return { [Symbol.dispose]: () => void (Date.now = now) };
}

async function changeByte(path: string, offset: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  const byte = new Uint8Array(1);
  await file.read(byte);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(byte.map((value) => value ^ 1));
}

async function runReader(endpoint: URL, args: readonly string[], rights: readonly string[]): Promise<string> {
  const options = { args: ["run", ...rights, CHILD, endpoint.origin, ...args], env: Deno.env.toObject() };
  const { stdout, stderr } = await runChild(Deno.execPath(), options);
  return new TextDecoder().decode(stdout).trim() || stderr;
}

/** A certificate for this machine's loopback address, and that of the authority that signed it. */
async function makeCertificate(folder: string): Promise<{ caFile: string; certFile: string; keyFile: string }> {
  const [caFile, caKeyFile] = [join(folder, "ca.pem"), join(folder, "ca.key")];
  const [certFile, keyFile] = [join(folder, "s3.pem"), join(folder, "s3.key")];
  const create = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  await runOpenssl([...create, "-subj", "/CN=Test authority", "-out", caFile, "-keyout", caKeyFile]);
  const server = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const signed = ["-CA", caFile, "-CAkey", caKeyFile, "-addext", "basicConstraints=critical,CA:FALSE"];
  await runOpenssl([...create, ...server, ...signed, "-out", certFile, "-keyout", keyFile]);
  return { caFile, certFile, keyFile };
}

async function runOpenssl(args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runChild(openssl ?? "", { args, env: {} });
  assert.equal(exitCode, 0, stderr);
}
