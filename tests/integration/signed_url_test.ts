import assert from "node:assert/strict";
import { signObjectUrl } from "../../lib/platform/signed_url.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { peerPath } from "../support/peers.ts";
import { startS3Server } from "../support/s3_server.ts";

const versitygw = peerPath("versitygw");

Deno.test({
  name: "signObjectUrl() makes addresses that a real S3 server accepts, and refuses when anything in them was changed",
  ignore: versitygw === undefined,
  fn: async () => {
    await using server = await startS3Server({ program: versitygw ?? "" });
    const s3 = () => Promise.resolve(server.settings);
    const sign = (method: "GET" | "PUT", key: string, nowMs = systemClock.now()) =>
      signObjectUrl(`s3://${server.bucket}/${key}`, { s3 }, { method, expiresSeconds: 60, nowMs });
    const statusOf = async (url: string, init: RequestInit = {}) => {
      const answer = await fetch(url, init);
      await answer.body?.cancel();
      return answer.status;
    };

    for (const key of ["plain.big", "folder/with space+plus&more(1).big", "äöü~%41.big"]) {
      assert.equal(await statusOf(await sign("PUT", key), { method: "PUT", body: `content of ${key}` }), 200, key);
      const answer = await fetch(await sign("GET", key));
      assert.equal(await answer.text(), `content of ${key}`);
    }

    const good = await sign("GET", "plain.big");
    const changed = (change: (url: URL) => void) => {
      const url = new URL(good);
      change(url);
      return url.href;
    };
    assert.equal(await statusOf(changed((url) => url.pathname = `/${server.bucket}/other.big`)), 403);
    assert.equal(await statusOf(changed((url) => url.searchParams.set("X-Amz-Expires", "3600"))), 403);
    assert.equal(await statusOf(changed((url) => url.searchParams.set("X-Amz-Signature", "0".repeat(64)))), 403);
    assert.equal(await statusOf(good, { method: "PUT", body: "x" }), 403);
    assert.equal(await statusOf(await sign("GET", "plain.big", systemClock.now() - 120_000)), 403, "expired");
  },
});
