import assert from "node:assert/strict";
import { InvalidInputError } from "../../../../lib/errors.ts";
import { parseName } from "../../../../lib/split/names.ts";
import { HOSTILE_NAMES } from "../../../support/hostile_names.ts";

Deno.test("parseName() takes the names of the wire", () => {
  for (const name of ["models", "azaion.onnx", "a", "0-9_x.y", "A".repeat(128)]) {
    assert.equal(parseName("folder", name), name);
  }
});

Deno.test("parseName() refuses whatever could leave its place", () => {
  for (const name of HOSTILE_NAMES) {
    assert.throws(
      () => parseName("filename", name),
      (error) => error instanceof InvalidInputError && error.field === "filename",
      JSON.stringify(name),
    );
  }
});
