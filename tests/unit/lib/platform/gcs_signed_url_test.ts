import assert from "node:assert/strict";
import { utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { parseServiceAccount, signGcsUrl } from "../../../../lib/platform/gcs_signed_url.ts";

interface SigningTest {
  readonly description: string;
  readonly bucket: string;
  readonly object?: string;
  readonly method: string;
  readonly expiration: number;
  readonly timestamp: string;
  readonly expectedUrl: string;
  readonly headers?: Record<string, string>;
  readonly queryParameters?: Record<string, string>;
  readonly urlStyle?: string;
}

const FIXTURES = new URL("../../../fixtures/gcs/", import.meta.url);
const ACCOUNT = await parseServiceAccount(
  await Deno.readFile(new URL("test_service_account.not-a-test.json", FIXTURES)),
);
const { signingV4Tests }: { signingV4Tests: SigningTest[] } = JSON.parse(
  await Deno.readTextFile(new URL("v4_signatures.json", FIXTURES)),
);

Deno.test("signGcsUrl() gives every URL of Google's conformance tests that has the bucket in its path", async () => {
  const inPath = signingV4Tests.filter(({ urlStyle }) => urlStyle === undefined);
  assert(inPath.length >= 25, `${inPath.length} tests`);
  for (const test of inPath) {
    const url = await signGcsUrl(ACCOUNT, {
      method: test.method,
      bucket: test.bucket,
      object: test.object,
      expiresSeconds: test.expiration,
      nowMs: Date.parse(test.timestamp),
      endpoint: /^https?:\/\/[^/]+/.exec(test.expectedUrl)?.[0] ?? "",
      ...(test.headers === undefined ? {} : { headers: test.headers }),
      ...(test.queryParameters === undefined ? {} : { query: test.queryParameters }),
    });
    assert.equal(url, test.expectedUrl, test.description);
  }
});

Deno.test("parseServiceAccount() refuses what is no key file, and shows nothing of it", async () => {
  for (const text of ["", "{}", '{"type":"authorized_user"}', '{"private_key":"-----BEGIN PRIVATE KEY-----secret"}']) {
    await assert.rejects(parseServiceAccount(utf8(text)), (error) => {
      assert(error instanceof ConfigurationError);
      assert(!Deno.inspect(error).includes("secret"));
      return true;
    });
  }
});
