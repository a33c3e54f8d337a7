import assert from "node:assert/strict";
import { parseCdnFile } from "../../../../lib/config/cdn_file.ts";
import { ConfigurationError, InvalidInputError } from "../../../../lib/errors.ts";
import { parseObjectUri, signObjectUrl } from "../../../../lib/platform/signed_url.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

Deno.test("parseObjectUri() takes a bucket and a key, and nothing else", () => {
  assert.deepEqual(parseObjectUri("gs://my-bucket/a/b c.png"), {
    provider: "gs",
    bucket: "my-bucket",
    key: "a/b c.png",
  });
  const wrong = [
    "",
    "gs://",
    "gs://b",
    "gs://bucket",
    "gs://bucket/",
    "http://bucket/key",
    "gs://Bucket/key",
    "s3:/bucket/key",
  ];
  for (const uri of [...wrong, `gs://bucket/${"x".repeat(1025)}`, "gs://bucket/a\nb", "gs://bucket@evil.example/key"]) {
    assert.throws(() => parseObjectUri(uri), InvalidInputError, uri);
  }
});

Deno.test("signObjectUrl() signs for no longer than seven days, and only where somebody can", async () => {
  const uri = "s3://bucket/key";
  for (const expiresSeconds of [0, -1, 1.5, NaN, 604_801]) {
    await assert.rejects(signObjectUrl(uri, {}, { expiresSeconds, nowMs: NOW_MS }), InvalidInputError);
  }
  await assert.rejects(signObjectUrl(uri, {}, { expiresSeconds: 60, nowMs: NOW_MS }), ConfigurationError);
  const settings = await parseCdnFile(
    "host: https://s3.example.com\ndownloader_access_key: reader\ndownloader_access_secret: secret-of-reader\n",
  );
  if (settings.kind !== "s3") throw new TypeError("the settings are of S3");
  const s3 = () => Promise.resolve(settings);
  const url = new URL(await signObjectUrl(uri, { s3 }, { expiresSeconds: 60, nowMs: NOW_MS }));
  assert.equal(url.origin + url.pathname, "https://s3.example.com/bucket/key");
  assert.equal(url.searchParams.get("X-Amz-Date"), "20260102T030405Z");
  assert.equal(url.searchParams.get("X-Amz-Expires"), "60");
  assert(!url.href.includes("secret-of-reader"));
  const writing = { method: "PUT", expiresSeconds: 60, nowMs: NOW_MS } as const;
  await assert.rejects(signObjectUrl(uri, { s3 }, writing), ConfigurationError);
});
