import assert from "node:assert/strict";
import { S3Store } from "../../../../lib/cdn/s3.ts";
import { checksumBytes, fromBase64Crc } from "../../../../lib/cdn/s3_upload.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { testClock } from "../../../support/test_clock.ts";

const key = { id: new Secret("id"), secret: new Secret("secret") };

Deno.test("S3Store.head() refuses checksums that are none", async () => {
  let checksum = "3q2+7w==";
  const headers = () => ({ "etag": '"e"', "x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-crc32": checksum });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("content", { headers: headers() }),
  );
  const endpoint = new URL(`http://127.0.0.1:${server.addr.port}`);
  const settings = { kind: "s3", endpoint, region: "r", downloader: key } as const;
  const store = await S3Store.open(settings, { http: httpClient("CDN"), clock: testClock() });
  assert.equal((await store.head("bucket", "key"))?.digests.crc32, 0xdeadbeef);
  for (checksum of ["no", "3q2+7w", "3q2+7w==3q2+7w==", "AAAAAA=", "!"]) {
    await assert.rejects(store.head("bucket", "key"), { name: "UpstreamError" }, checksum);
  }
});

Deno.test("checksumBytes() and fromBase64Crc() take base64 of the right size in its one form", () => {
  assert.equal(fromBase64Crc("AAAAAQ=="), 1);
  assert.equal(checksumBytes("AAAAAQ==", 4).byteLength, 4);
  for (const text of ["", "AAAA", "AAAAAR==", " AAAAAQ==", "AAAAAQ"]) {
    assert.throws(() => fromBase64Crc(text), { name: "UpstreamError" }, text);
  }
});
