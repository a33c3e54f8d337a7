import assert from "node:assert/strict";
import { Secret } from "../../../../lib/config/secret.ts";
import { redact, redactValue } from "../../../../lib/redaction/redact.ts";
import { isSecretName } from "../../../../lib/redaction/secret_name.ts";

const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
const PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIA\n-----END PRIVATE KEY-----";

/** A text, and what must be left of it. */
const TEXTS: readonly (readonly [text: string, redacted: string])[] = [
  [`got ${JWT}, and more`, "got ***, and more"],
  [`authorization: Bearer ${JWT}`, "authorization: ***"],
  ['{"Authorization":"Basic YWRhOnh5eg=="}', '{"Authorization":"***"}'],
  ["sent Bearer abcDEF123456", "sent Bearer ***"],
  ["Set-Cookie: _session=abc; Path=/", "Set-Cookie: ***"],
  [
    "GET https://s3.example/b/k?X-Amz-Credential=AKIA%2F2026&X-Amz-Date=2026&X-Amz-Signature=0af1 failed",
    "GET https://s3.example/b/k?X-Amz-Credential=***&X-Amz-Date=2026&X-Amz-Signature=*** failed",
  ],
  ["https://g.example/o?X-Goog-Signature=77&x=1", "https://g.example/o?X-Goog-Signature=***&x=1"],
  ["https://w.example/o?sv=1&sig=Zm9v%3D", "https://w.example/o?sv=1&sig=***"],
  [
    "https://c.example/o?Expires=1&Signature=ab~c_&Key-Pair-Id=K",
    "https://c.example/o?Expires=1&Signature=***&Key-Pair-Id=K",
  ],
  ["http://localhost:1/?code=ab1&state=s", "http://localhost:1/?code=***&state=s"],
  ["grant_type=refresh_token&refresh_token=abc&client_id=d", "grant_type=refresh_token&refresh_token=***&client_id=d"],
  ["proxy http://ada:hunter2@proxy.example:3128/ is away", "proxy http://***@proxy.example:3128/ is away"],
  ["proxy http://ada:hunter@2@proxy.example:3128/ is away", "proxy http://***@proxy.example:3128/ is away"],
  ['sent {"user":"ada","passWord":"hun\\"ter2","n":1}', 'sent {"user":"ada","passWord":"***","n":1}'],
  ['{"text":"{\\"client_secret\\":\\"hunter2\\",\\"n\\":1}"}', '{"text":"{\\"client_secret\\":\\"***\\",\\"n\\":1}"}'],
  [`Unexpected end of JSON input: "{'api_key': 'hunt`, `Unexpected end of JSON input: "{'api_key': '***`],
  ["x-api-key: hunter2", "x-api-key: ***"],
  [`key ${PEM} end`, "key *** end"],
  ["-----BEGIN RSA PRIVATE KEY-----\nMC4CAQ", "***"],
  ["AGE-SECRET-KEY-1QQPQZ", "***"],
];

/** What is no secret, however much it looks like one. */
const INNOCENT: readonly string[] = [
  "The call needs a bearer token",
  "The server asks for Basic authentication.",
  "https://api.example.com/models/yolo.onnx?version=3",
  "ada@example.com may not do this",
  "the sign-in code of the page",
  `Unexpected token '}', "{"name":}" is not valid JSON`,
  "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
];

Deno.test("redact() masks what looks like a secret, and leaves the rest", () => {
  for (const [text, redacted] of TEXTS) assert.equal(redact(text), redacted);
  for (const text of INNOCENT) assert.equal(redact(text), text);
});

Deno.test("redact() takes no longer for a text that was made to be slow", () => {
  const texts = [
    "eyJ",
    "bearer ",
    "://",
    "-----BEGIN PRIVATE KEY-----",
    "authorization",
    "?sig=",
    "eyJaaaaaaaaa.",
    "\\",
    "'token",
    `"token":"`,
  ];
  for (const text of texts) assert.ok(redact(text.repeat(64 * 1024 / text.length)).length > 0, text);
});

Deno.test("isSecretName() knows names in every way of writing", () => {
  const secret = ["password", "userPassword", "PASSWORD", "pass_phrase", "accessToken", "access-token", "Set-Cookie"];
  secret.push(
    "Authorization",
    "X-API-Key",
    "keyFragment",
    "clientSecret",
    "privateKey",
    "X-Amz-Signature",
    "sig",
    "cek",
  );
  secret.push("Proxy-Authorization", "downloader_access_key", "masterKey");
  assert.deepEqual(secret.filter((name) => !isSecretName(name)), []);
  const innocent = [
    "path",
    "status",
    "requestId",
    "design",
    "kid",
    "spin",
    "code",
    "keys",
    "user",
    "signal",
    "version",
  ];
  assert.deepEqual(innocent.filter(isSecretName), []);
});

Deno.test("redactValue() masks by name and by value however deep, in errors, headers, maps and lists", () => {
  const secret = new Secret("battery-staple-77");
  const cause = new Error("the password battery-staple-77 is wrong");
  const redacted = redactValue({
    user: { name: "ada", login: { passWord: "x", hints: ["battery-staple-77", 7, null, true] } },
    headers: new Headers({ authorization: "Bearer x", accept: "*/*" }),
    map: new Map([["api_key", "x"], ["battery-staple-77", "y"]]),
    error: Object.assign(new TypeError("outer", { cause }), { token: "x" }),
    secret,
    key: new Uint8Array(32),
    big: 7n,
    at: new Date(0),
    none: undefined,
  });
  assert.deepEqual(redacted, {
    user: { name: "ada", login: { passWord: "***", hints: ["***", 7, null, true] } },
    headers: { accept: "*/*", authorization: "***" },
    map: { api_key: "***", "***": "y" },
    error: {
      token: "***",
      name: "TypeError",
      message: "outer",
      cause: { name: "Error", message: "the password *** is wrong" },
    },
    secret: "***",
    key: "32 bytes",
    big: "7",
    at: "1970-01-01T00:00:00.000Z",
  });
});

Deno.test("redactValue() has an end: long texts, wide and deep values, circles", () => {
  const circle: Record<string, unknown> = { name: "circle" };
  circle.self = circle;
  const text = JSON.stringify(
    redactValue({ circle, long: "x".repeat(1e6), wide: Array.from({ length: 1000 }, (_, i) => i) }),
  );
  assert.ok(text.length < 10_000, String(text.length));
  const { secret } = { secret: new Secret("s".repeat(40)) };
  const cut = String(redactValue(`${"x".repeat(8 * 1024 - 20)}${secret.reveal()}`));
  assert.ok(!cut.includes("ssss"), "half of a secret was left where the text was cut");
});
