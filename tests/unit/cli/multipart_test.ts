import assert from "node:assert/strict";
import { multipartForm } from "../../../cli/multipart.ts";
import { collect, streamOf } from "../../../lib/streams.ts";

function formWith(sizeBytes: number, name = "a.bin") {
  const data = streamOf(new Uint8Array([1, 2]), new Uint8Array([3]));
  return multipartForm({
    fields: { folder: "models" },
    file: { field: "data", name, data, sizeBytes },
    boundary: "edge",
  });
}

Deno.test("multipartForm() makes a form that the platform's own parser reads", async () => {
  const { contentType, body } = formWith(3);
  const form = await new Response(body, { headers: { "content-type": contentType } }).formData();
  assert.deepEqual([...form.keys()], ["folder", "data"]);
  assert.equal(form.get("folder"), "models");
  const file = form.get("data");
  assert.ok(file instanceof File);
  assert.equal(file.name, "a.bin");
  assert.deepEqual([...await file.bytes()], [1, 2, 3]);
});

Deno.test("multipartForm() fails when the file is longer or shorter than it was said", async () => {
  for (const sizeBytes of [2, 4]) {
    await assert.rejects(collect(formWith(sizeBytes).body, 10_000), /changed its size/, `${sizeBytes}`);
  }
});

Deno.test("multipartForm() refuses a name that could break out of its header", () => {
  for (const name of ['a"b', "a\r\nb", "a\\", "\0"]) assert.throws(() => formWith(3, name), TypeError, name);
});
