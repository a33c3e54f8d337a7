import fc from "fast-check";
import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../../../lib/bytes.ts";
import { type ByteStream, byteStream, collect } from "../../../../lib/streams.ts";
import { readForm } from "../../../../lib/http/form.ts";

const BOUNDARY = "----boundary";
const LIMIT_BYTES = 64 * 1024 * 1024;

function field(name: string, value: string): Bytes {
  return utf8(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
}

function file(name: string, data: Bytes, filename = "x.bin"): Bytes {
  const head =
    `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream`;
  return concat(utf8(`--${BOUNDARY}\r\n${head}\r\n\r\n`), data, utf8("\r\n"));
}

function form(...parts: readonly Bytes[]): Bytes {
  return concat(...parts, utf8(`--${BOUNDARY}--\r\n`));
}

const CONTENT_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

function inPieces(bytes: Bytes, sizeBytes: number): ByteStream {
  let offset = 0;
  return byteStream(() => {
    const piece = bytes.slice(offset, offset += sizeBytes);
    return Promise.resolve(piece.byteLength === 0 ? undefined : piece);
  });
}

/** Reads a form and keeps the file; says whether the receiver has settled. */
function reading(bytes: Bytes, pieceBytes = 64 * 1024) {
  const state = { begun: 0, settled: 0 };
  const result = readForm(inPieces(bytes, pieceBytes), CONTENT_TYPE, {
    fileField: "data",
    receive: async (data) => {
      state.begun++;
      try {
        return await collect(data, LIMIT_BYTES);
      } finally {
        state.settled++;
      }
    },
  });
  return { result, state };
}

Deno.test("readForm() gives file and fields, in either order and in any pieces", async () => {
  const noise = fc.uint8Array({ maxLength: 3000 }).map((bytes) => new Uint8Array(bytes));
  const traps = fc.constantFrom("", "\r\n", `\r\n--${BOUNDARY}`.slice(0, -1) + "!", `x--${BOUNDARY}`, "\r\n--\r\n--");
  const data = fc.tuple(noise, traps, noise).map(([head, trap, tail]) => concat(head, utf8(trap), tail));
  await fc.assert(
    fc.asyncProperty(data, fc.integer({ min: 1, max: 700 }), fc.boolean(), async (bytes, pieceBytes, folderFirst) => {
      const parts = [field("folder", "models"), file("data", bytes)];
      const { result } = reading(form(...(folderFirst ? parts : parts.reverse())), pieceBytes);
      const read = await result;
      assert.deepEqual(read.file, bytes);
      assert.deepEqual([...read.fields], [["folder", "models"]]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("readForm() tells the receiver which fields came before the file", async () => {
  for (
    const [parts, known] of [
      [[field("folder", "a"), file("data", utf8("x"))], ["folder"]],
      [[file("data", utf8("x")), field("folder", "a")], []],
    ] as const
  ) {
    const body = inPieces(form(...parts), 10);
    const read = await readForm(body, CONTENT_TYPE, {
      fileField: "data",
      receive: async (data, _filename, fields) => {
        await collect(data, 10);
        return [...fields.keys()];
      },
    });
    assert.deepEqual(read.file, known);
  }
});

Deno.test("readForm() refuses a form that is cut anywhere, after the receiver has settled", async () => {
  const whole = form(field("folder", "models"), file("data", utf8("0123456789".repeat(20))));
  const end = whole.byteLength - "\r\n".length; // the last line break may be missing
  for (let cut = 0; cut < end; cut += 7) {
    const { result, state } = reading(whole.slice(0, cut), 64);
    await assert.rejects(result, { code: "malformed" }, `cut at ${cut}`);
    assert.equal(state.settled, state.begun, `cut at ${cut}`);
  }
});

Deno.test("readForm() refuses a form whose body breaks off with an error", async () => {
  const start = form(file("data", utf8("x".repeat(1000)))).slice(0, 500);
  let calls = 0;
  const body = byteStream(() => calls++ === 0 ? Promise.resolve(start) : Promise.reject(new Error("reset")));
  let begun = 0;
  let settled = 0;
  const receive = (data: ByteStream) => {
    begun++;
    return collect(data, LIMIT_BYTES).finally(() => settled++);
  };
  await assert.rejects(readForm(body, CONTENT_TYPE, { fileField: "data", receive }), { code: "malformed" });
  assert.equal(settled, begun);
});

const WRONG_FORMS: readonly [string, Bytes, string][] = [
  ["a file in another field", form(file("other", utf8("x"))), "invalid_input"],
  ["two files", form(file("data", utf8("x")), file("data", utf8("y"))), "invalid_input"],
  ["a second file in another field", form(file("data", utf8("x")), file("more", utf8("y"))), "invalid_input"],
  ["a field twice", form(field("folder", "a"), field("folder", "b"), file("data", utf8("x"))), "invalid_input"],
  ["a large field", form(field("folder", "x".repeat(1025)), file("data", utf8("x"))), "too_large"],
  [
    "many fields",
    form(...Array.from({ length: 9 }, (_, i) => field(`f${i}`, "")), file("data", utf8("x"))),
    "too_large",
  ],
  ["no form at all", utf8('{"folder":"models"}'), "malformed"],
  ["another boundary", utf8("--other\r\n\r\n\r\n--other--\r\n"), "malformed"],
];
for (const [what, bytes, code] of WRONG_FORMS) {
  Deno.test(`readForm() refuses ${what}`, async () => {
    const { result, state } = reading(bytes);
    await assert.rejects(result, { code });
    assert.equal(state.settled, state.begun);
  });
}

Deno.test("readForm() gives no file where there is none", async () => {
  for (const bytes of [form(), form(field("folder", "models")), form(field("data", "x"))]) {
    assert.equal((await reading(bytes).result).file, undefined);
  }
});

Deno.test("readForm() refuses a file over its limit", async () => {
  const rules = { fileField: "data", fileLimitBytes: 1000, receive: (data: ByteStream) => collect(data, LIMIT_BYTES) };
  const bodyOf = (sizeBytes: number) => inPieces(form(file("data", new Uint8Array(sizeBytes))), 64);
  assert.equal((await readForm(bodyOf(1000), CONTENT_TYPE, rules)).file?.byteLength, 1000);
  await assert.rejects(readForm(bodyOf(1001), CONTENT_TYPE, rules), { code: "too_large" });
});

Deno.test("readForm() shows a hostile file name whole", async () => {
  let seen: string | undefined;
  const receive = (data: ByteStream, filename: string) => {
    seen = filename;
    return collect(data, LIMIT_BYTES);
  };
  await readForm(inPieces(form(file("data", utf8("x"), "../../etc/passwd")), 9), CONTENT_TYPE, {
    fileField: "data",
    receive,
  });
  assert.equal(seen, "../../etc/passwd");
});

Deno.test("readForm() refuses other content types", async () => {
  const types = [
    ["application/json", "unsupported_media_type"],
    ["multipart/mixed; boundary=x", "unsupported_media_type"],
    ["multipart/form-data", "malformed"],
  ] as const;
  for (const [type, code] of types) {
    await assert.rejects(
      readForm(inPieces(form(), 10), type, { fileField: "data", receive: () => Promise.resolve() }),
      { code },
      type,
    );
  }
});

Deno.test("readForm() fails with the receiver's error and reads no more", async () => {
  let pieces = 0;
  const head = form(file("data", new Uint8Array(0))).slice(0, -20);
  const endless = byteStream(() => Promise.resolve(pieces++ === 0 ? head.slice() : new Uint8Array(64 * 1024)));
  const receive = async (data: ByteStream) => {
    await data.cancel();
    throw new RangeError("the disk is full");
  };
  await assert.rejects(readForm(endless, CONTENT_TYPE, { fileField: "data", receive }), {
    message: "the disk is full",
  });
  assert.ok(pieces < 20, `${pieces} pieces were read`);
});

Deno.test("readForm() reads no faster than the receiver takes", async () => {
  const whole = form(file("data", new Uint8Array(8 * 1024 * 1024)));
  let sent = 0;
  const body = byteStream(() => {
    const piece = whole.slice(sent, sent + 64 * 1024);
    sent += piece.byteLength;
    return Promise.resolve(piece.byteLength === 0 ? undefined : piece);
  });
  const furthest: number[] = [];
  await readForm(body, CONTENT_TYPE, {
    fileField: "data",
    receive: async (data) => {
      let taken = 0;
      for await (const chunk of data) {
        taken += chunk.byteLength;
        await new Promise((resolve) => setTimeout(resolve, 0));
        furthest.push(sent - taken);
      }
    },
  });
  assert.ok(Math.max(...furthest) <= 512 * 1024, `${Math.max(...furthest)} bytes were read ahead`);
});
