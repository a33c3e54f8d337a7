import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../../lib/bytes.ts";
import { InvalidInputError, MalformedError, TooLargeError, UnsupportedMediaTypeError } from "../../../lib/errors.ts";
import { type FormFile, readForm } from "../../../origin/upload_form.ts";
import { collect, streamOf } from "../../../lib/streams.ts";

interface ReadFile {
  readonly fileName: string | undefined;
  readonly bytes: Bytes;
}

const FILE_LIMIT_BYTES = 1024 * 1024;

async function encoded(form: FormData): Promise<{ bytes: Bytes; contentType: string }> {
  const request = new Request("http://localhost/", { method: "POST", body: form });
  return {
    bytes: new Uint8Array(await request.arrayBuffer()),
    contentType: request.headers.get("content-type") ?? "",
  };
}

function formWith(file: Bytes, fileName = "model.onnx", field = "data"): FormData {
  const form = new FormData();
  form.set("folder", "models");
  form.set(field, new File([file], fileName));
  return form;
}

async function read(parts: readonly Bytes[], contentType: string) {
  const files: ReadFile[] = [];
  const fields = await readForm(streamOf(...parts), contentType, {
    fileField: "data",
    fileLimitBytes: FILE_LIMIT_BYTES,
    onFile: async ({ fileName, body }: FormFile) => {
      files.push({ fileName, bytes: await collect(body, 2 * FILE_LIMIT_BYTES) });
    },
  });
  return { fields: Object.fromEntries(fields), files };
}

function slices(bytes: Bytes, sizeBytes: number): Bytes[] {
  return Array.from(
    { length: Math.ceil(bytes.byteLength / sizeBytes) },
    (_, index) => bytes.slice(index * sizeBytes, (index + 1) * sizeBytes),
  );
}

Deno.test("readForm gives the file and the fields, whatever pieces the body comes in", async () => {
  const file = crypto.getRandomValues(new Uint8Array(10_000));
  const { bytes, contentType } = await encoded(formWith(file));
  for (const pieceBytes of [1, 7, 4096, bytes.byteLength]) {
    const { fields, files } = await read(slices(bytes, pieceBytes), contentType);
    assert.deepEqual(fields, { folder: "models" }, `pieces of ${pieceBytes}`);
    assert.deepEqual(files, [{ fileName: "model.onnx", bytes: file }], `pieces of ${pieceBytes}`);
  }
});

Deno.test("readForm takes an empty file and passes over files of other fields", async () => {
  const form = formWith(new Uint8Array(0));
  form.set("other", new File([utf8("x".repeat(100_000))], "x"));
  const { bytes, contentType } = await encoded(form);
  const { files } = await read([bytes], contentType);
  assert.deepEqual(files, [{ fileName: "model.onnx", bytes: new Uint8Array(0) }]);
});

Deno.test("readForm shows a hostile file name whole", async () => {
  const { bytes, contentType } = await encoded(formWith(utf8("x"), "../../etc/passwd"));
  const { files } = await read([bytes], contentType);
  assert.equal(files[0]?.fileName, "../../etc/passwd");
});

Deno.test("readForm refuses a body that is cut off anywhere", async () => {
  const { bytes, contentType } = await encoded(formWith(utf8("file content")));
  const end = bytes.byteLength - 4; // "--\r\n" may be missing without loss
  for (let sizeBytes = 0; sizeBytes < end; sizeBytes += 1) {
    await assert.rejects(read([bytes.slice(0, sizeBytes)], contentType), MalformedError, `${sizeBytes} bytes`);
  }
});

Deno.test("readForm refuses other content types, a missing boundary and the file twice", async () => {
  const form = formWith(utf8("x"));
  form.append("data", new File(["y"], "y"));
  const { bytes, contentType } = await encoded(form);
  for (const other of ["application/json", "multipart/mixed; boundary=x", ""]) {
    await assert.rejects(read([bytes], other), UnsupportedMediaTypeError, other);
  }
  await assert.rejects(read([bytes], "multipart/form-data"), MalformedError);
  await assert.rejects(read([bytes], contentType), MalformedError);
});

Deno.test("readForm refuses a file, a field or a number of parts over the limit", async () => {
  const large = await encoded(formWith(new Uint8Array(FILE_LIMIT_BYTES + 1)));
  await assert.rejects(read(slices(large.bytes, 65536), large.contentType), TooLargeError);

  const longField = formWith(utf8("x"));
  longField.set("folder", "x".repeat(65 * 1024));
  const { bytes, contentType } = await encoded(longField);
  await assert.rejects(read([bytes], contentType), TooLargeError);

  const manyParts = formWith(utf8("x"));
  for (let index = 0; index < 20; index++) manyParts.set(`field${index}`, "x");
  const many = await encoded(manyParts);
  await assert.rejects(read([many.bytes], many.contentType), TooLargeError);
});

Deno.test("readForm passes the error of onFile on and cancels the source", async () => {
  const { bytes, contentType } = await encoded(formWith(concat(new Uint8Array(FILE_LIMIT_BYTES))));
  let cancelled: unknown;
  const pieces = slices(bytes, 65536);
  const source = new ReadableStream<Bytes>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
    cancel: (reason) => void (cancelled = reason),
  });
  const refusal = new InvalidInputError("filename", "no");
  const reading = readForm(source, contentType, {
    fileField: "data",
    fileLimitBytes: FILE_LIMIT_BYTES,
    onFile: () => Promise.reject(refusal),
  });
  await assert.rejects(reading, refusal);
  assert.equal(cancelled, refusal);
});
