import assert from "node:assert/strict";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { openStore } from "../../lib/cdn/open.ts";
import type { ObjectStore } from "../../lib/cdn/store.ts";
import type { S3CdnSettings } from "../../lib/config/cdn_file.ts";
import { NotAllowedError } from "../../lib/errors.ts";
import { cdnSource } from "../../lib/resources/cdn_source.ts";
import { collect } from "../../lib/streams.ts";
import { utf8 } from "../../lib/bytes.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { keystream } from "../support/keystream.ts";
import { BUCKET } from "../support/object_sites.ts";
import { sourceOf } from "../support/object_source.ts";
import { peerPath } from "../support/peers.ts";
import { writeAll } from "../support/raw_http.ts";
import { type S3Server, startS3Server } from "../support/s3_server.ts";

const MIB = 1024 * 1024;
const KEY = "model.big";
const PAIRED = "ab".repeat(32);
const COMPLETE = /^POST \/\S*\?uploadId=/m;
const versitygw = peerPath("versitygw");

const NO_SUCH_UPLOAD =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchUpload</Code><Message>No such upload</Message></Error>';

/**
 * A way to a server on which the first answer to a request that completes an upload is lost: the connection breaks off instead. The repeated
 * request gets what servers say that forget an upload when it is complete; versitygw remembers it.
 */
interface LossyWay extends AsyncDisposable {
  readonly url: URL;
  /** How many requests of that kind came. */
  readonly count: () => number;
}

function lossyWay(target: URL, { onLost = () => Promise.resolve() } = {}): LossyWay {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const talks: Promise<void>[] = [];
  let count = 0;
  const talk = async (client: Deno.TcpConn) => {
    const server = await Deno.connect({ hostname: target.hostname, port: Number(target.port) });
    for (const one of [client, server]) open.add(one);
    let isLost = false;
    const close = () => {
      for (const one of [client, server]) if (open.delete(one)) one.close();
    };
    const out = pump(client, server, async (text) => {
      if (!COMPLETE.test(text)) return;
      if (++count === 1) return void (isLost = true);
      const head =
        `HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\nContent-Length: ${NO_SUCH_UPLOAD.length}`;
      await writeAll(client, utf8(`${head}\r\nConnection: close\r\n\r\n${NO_SUCH_UPLOAD}`));
      throw new Deno.errors.ConnectionReset("answered");
    });
    const back = pump(server, client, async () => {
      if (!isLost) return;
      await onLost();
      throw new Deno.errors.ConnectionReset("lost");
    });
    await Promise.allSettled([out.finally(close), back.finally(close)]);
  };
  const accepting = (async () => {
    for await (const client of listener) talks.push(talk(client));
  })();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}`),
    count: () => count,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const one of open) one.close();
      open.clear();
      await Promise.all([accepting, ...talks]);
    },
  };
}

async function pump(from: Deno.TcpConn, to: Deno.TcpConn, look: (text: string) => Promise<void>): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
    await look(new TextDecoder("latin1").decode(buffer.subarray(0, size)));
    await writeAll(to, buffer.slice(0, size));
  }
}

function through(server: S3Server, { url }: LossyWay): Promise<ObjectStore> {
  return openStore({ ...server.settings, endpoint: url }, { clock: systemClock });
}

async function unfinishedUploads({ root, bucket }: S3Server): Promise<number> {
  return (await root.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads?.length ?? 0;
}

Deno.test({
  name: "S3Store knows that an object was written when only the answer was lost, and tells another one from it",
  ignore: versitygw === undefined,
  fn: async (t) => {
    await using server = await startS3Server({ program: versitygw ?? "" });
    const direct = await openStore(server.settings, { clock: systemClock });
    const bytes = keystream("lost", 9 * MIB);

    await t.step("the object is there, as it was sent", async () => {
      await using way = lossyWay(server.endpoint);
      const facts = await (await through(server, way)).put(BUCKET, KEY, sourceOf(bytes), { pairedWith: PAIRED });
      assert.deepEqual(facts, await direct.head(BUCKET, KEY));
      assert.deepEqual(await collect((await direct.get(BUCKET, KEY)).body, 10 * MIB), bytes);
      assert.ok(way.count() >= 2, `the request went out ${way.count()} times`);
    });

    const others: Record<string, () => Promise<unknown>> = {
      "another publisher's has taken its place": () =>
        direct.put(BUCKET, KEY, sourceOf(keystream("other", 9 * MIB)), { pairedWith: PAIRED }),
      "the same bytes with another small part have": () =>
        direct.put(BUCKET, KEY, sourceOf(bytes), { pairedWith: "cd".repeat(32) }),
      "it was removed": () => direct.delete(BUCKET, KEY),
    };
    for (const [what, replace] of Object.entries(others)) {
      await t.step(`the put fails when ${what}`, async () => {
        const onLost = async () => void await replace();
        await using way = lossyWay(server.endpoint, { onLost });
        const store = await through(server, way);
        await assert.rejects(store.put(BUCKET, KEY, sourceOf(bytes), { pairedWith: PAIRED }), {
          name: "UpstreamError",
          message: /the CDN has forgotten the upload, and what lies there is not what was sent$/,
        });
      });
    }
    assert.equal(await unfinishedUploads(server), 0);
  },
});

/** Settings as a file, with this secret of the reader. */
function fileOf({ endpoint, downloader, uploader }: S3CdnSettings, secret = downloader.secret.reveal()): string {
  return [
    `host: ${endpoint.origin}`,
    `downloader_access_key: ${downloader.id.reveal()}`,
    `downloader_access_secret: ${secret}`,
    `uploader_access_key: ${uploader?.id.reveal()}`,
    `uploader_access_secret: ${uploader?.secret.reveal()}`,
  ].join("\n");
}

Deno.test({
  name: "cdnSource() looks settings up anew when the CDN refuses them, and repeats the call once",
  ignore: versitygw === undefined,
  fn: async () => {
    await using server = await startS3Server({ program: versitygw ?? "" });
    const { parseCdnFile } = await import("../../lib/config/cdn_file.ts");
    let secret = "exchanged-since";
    let reads = 0;
    const cdn = cdnSource({
      readApiResource: () => {
        reads++;
        return Promise.resolve(utf8(fileOf(server.settings, secret)));
      },
      account: () => "ada@example.com",
      configPath: undefined,
      open: async (yaml) => openStore(await parseCdnFile(yaml), { clock: systemClock }),
      clock: systemClock,
    });
    const store = await cdn();
    await store.put(BUCKET, KEY, sourceOf(utf8("content")));
    await assert.rejects(store.head(BUCKET, KEY), NotAllowedError);
    assert.equal(reads, 2, "looked up again, and found the same");

    secret = server.settings.downloader.secret.reveal();
    const calls = [
      () => store.head(BUCKET, KEY),
      async () => await (await store.get(BUCKET, KEY)).body.cancel(),
      () => Array.fromAsync(store.list(BUCKET)),
    ];
    await Promise.all(calls.map((call) => call()));
    assert.equal(reads, 3, "simultaneous calls share one look-up");
    assert.deepEqual(await Array.fromAsync((await cdn()).list(BUCKET)), [{ key: KEY, sizeBytes: 7 }]);
    assert.equal(reads, 3);

    secret = "wrong-again";
    const other = await openStore(await parseCdnFile(fileOf(server.settings, secret)), { clock: systemClock });
    await assert.rejects(other.head(BUCKET, KEY), NotAllowedError);
    assert.notEqual(await store.head(BUCKET, KEY), undefined, "what works is kept");
    assert.equal(reads, 3);
  },
});
