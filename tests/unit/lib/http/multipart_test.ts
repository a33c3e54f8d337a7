import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../../../lib/bytes.ts";
import { MalformedError, TooLargeError } from "../../../../lib/errors.ts";
import { multipartBoundary, multipartParts } from "../../../../lib/http/multipart.ts";
import { type ByteStream, byteStream, collect } from "../../../../lib/streams.ts";

const LIMIT = 10 * 1024 * 1024;

function inChunks(bytes: Bytes, sizes: readonly number[]): ByteStream {
  let offset = 0;
  let turn = 0;
  return byteStream(() => {
    const chunk = bytes.slice(offset, offset + (sizes[turn++ % sizes.length] ?? 1));
    offset += chunk.byteLength;
    return Promise.resolve(chunk.byteLength > 0 ? chunk : undefined);
  });
}

async function readAll(
  stream: ByteStream,
  boundary = "XX",
): Promise<{ name: string; filename: string | undefined; body: Bytes }[]> {
  const parts = [];
  for await (const { name, filename, body } of multipartParts(stream, boundary)) {
    parts.push({ name, filename, body: await collect(body, LIMIT) });
  }
  return parts;
}

/** What another implementation makes of the fields. */
async function encoded(fields: readonly { name: string; filename?: string; body: Bytes }[]): Promise<[Bytes, string]> {
  const form = new FormData();
  for (const { name, filename, body } of fields) {
    if (filename === undefined) form.append(name, new TextDecoder().decode(body));
    else form.append(name, new File([body], filename));
  }
  const response = new Response(form);
  return [await response.bytes(), multipartBoundary(response.headers.get("content-type") ?? "") ?? ""];
}

Deno.test("multipartParts() reads what FormData wrote, in chunks of any size", async () => {
  const file = fc.uint8Array({ maxLength: 400 }).map((bytes) => new Uint8Array(bytes));
  const nearDelimiter = fc.array(fc.constantFrom("\r\n", "--", "\r", "\n", "-", "XX", "\r\n--"), { maxLength: 30 }).map(
    (s) => utf8(s.join("")),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          name: fc.constantFrom("data", "folder", "a b"),
          filename: fc.constantFrom("f", "x.bin"),
          body: fc.oneof(file, nearDelimiter),
        }, { noNullPrototype: true }),
        { minLength: 1, maxLength: 4 },
      ),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 5 }),
      async (fields, sizes) => {
        const [bytes, boundary] = await encoded(fields);
        assert.deepEqual(await readAll(inChunks(bytes, sizes), boundary), fields);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("multipartParts() keeps a body that looks like its delimiter", async () => {
  const near = "\r\n--X\r\n--XY\r\n-\r\r\n--";
  const form = `--XX\r\nContent-Disposition: form-data; name="data"; filename="f"\r\n\r\n${near}\r\n--XX--\r\n`;
  for (let size = 1; size < form.length; size++) {
    assert.deepEqual(
      await readAll(inChunks(utf8(form), [size])),
      [{ name: "data", filename: "f", body: utf8(near) }],
      `chunks of ${size}`,
    );
  }
});

Deno.test("multipartParts() finds a boundary that resembles itself, behind bodies made of its pieces", async () => {
  const signs = (maxLength: number) =>
    fc.array(fc.constantFrom("-", "a"), { minLength: 1, maxLength }).map((list) => list.join(""));
  await fc.assert(fc.asyncProperty(signs(70), fc.array(fc.nat(80)), fc.integer({ min: 1, max: 50 }), async (
    boundary,
    cuts,
    chunkBytes,
  ) => {
    const delimiter = `\r\n--${boundary}`;
    const body = cuts.map((cut) => delimiter.slice(0, cut)).join("|");
    fc.pre(!body.includes(delimiter));
    const head = 'Content-Disposition: form-data; name="data"; filename="f"';
    const form = utf8(`--${boundary}\r\n${head}\r\n\r\n${body}${delimiter}--\r\n`);
    const parts = await readAll(inChunks(form, [chunkBytes]), boundary);
    assert.deepEqual(parts, [{ name: "data", filename: "f", body: utf8(body) }]);
  }));
});

Deno.test("multipartParts() reads large bodies whose size is no multiple of anything", async () => {
  const body = new Uint8Array(1_000_003).map((_, index) => index * 31 % 251);
  const [bytes, boundary] = await encoded([{ name: "data", filename: "f", body }, {
    name: "folder",
    body: utf8("models"),
  }]);
  const parts = await readAll(inChunks(bytes, [65_536, 1, 4_099]), boundary);
  assert.deepEqual(parts.map((part) => [part.name, part.filename, part.body.byteLength]), [["data", "f", 1_000_003], [
    "folder",
    undefined,
    6,
  ]]);
  assert.deepEqual(parts[0]?.body, body);
});

Deno.test("multipartParts() refuses every cut before the closing delimiter", async () => {
  const [bytes, boundary] = await encoded([{ name: "data", filename: "f", body: utf8("some bytes") }]);
  const closing = bytes.byteLength - 4; // of the last "--\r\n" two bytes close the form
  for (let size = 0; size < closing + 2; size++) {
    await assert.rejects(readAll(inChunks(bytes.slice(0, size), [7]), boundary), MalformedError, `cut to ${size}`);
  }
});

Deno.test("multipartParts() refuses what is no form, or is made to fill memory", async () => {
  const part = (head: string) => utf8(`--XX\r\n${head}\r\n\r\nx\r\n--XX--\r\n`);
  const cases: [string, Bytes, typeof MalformedError | typeof TooLargeError][] = [
    ["no delimiter", utf8("hello"), MalformedError],
    ["no name", part("Content-Type: text/plain"), MalformedError],
    ["empty name", part('Content-Disposition: form-data; name=""'), MalformedError],
    ["not form-data", part('Content-Disposition: attachment; name="data"'), MalformedError],
    ["endless head", concat(utf8("--XX\r\n"), new Uint8Array(400_000).fill(0x61)), TooLargeError],
    ["endless preamble", new Uint8Array(400_000).fill(0x61), TooLargeError],
  ];
  for (const [what, bytes, error] of cases) await assert.rejects(readAll(inChunks(bytes, [10_000])), error, what);
});

Deno.test("multipartParts() gives its source back when its reader stops early", async () => {
  let cancelled = false;
  const [bytes, boundary] = await encoded([{ name: "data", filename: "f", body: new Uint8Array(500_000) }]);
  const reader = inChunks(bytes, [1_000]).getReader();
  const source = byteStream(async () => (await reader.read()).value, () => void (cancelled = true));
  for await (const { body } of multipartParts(source, boundary)) {
    await body.cancel();
    break;
  }
  assert.equal(cancelled, true);
});

Deno.test("multipartBoundary() reads the content types that clients send", () => {
  const cases: [string, string | undefined][] = [
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b;c"', "a b;c"],
    ["multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxk", "----WebKitFormBoundary7MA4YWxk"],
    ["multipart/form-data", undefined],
    ["multipart/form-data; boundary=", undefined],
    [`multipart/form-data; boundary=${"x".repeat(71)}`, undefined],
    ["multipart/mixed; boundary=abc", undefined],
    ["application/json", undefined],
  ];
  for (const [contentType, boundary] of cases) assert.equal(multipartBoundary(contentType), boundary, contentType);
});
