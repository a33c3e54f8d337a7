import assert from "node:assert/strict";
import { InvalidInputError } from "../../../lib/errors.ts";
import { parseFolder, parsePartName } from "../../../origin/resource_names.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";

Deno.test("parsePartName takes the parts of every resource name", () => {
  for (const name of ["a", "net.onnx", "x".repeat(128), "a."]) {
    for (const part of [name, `${name}.small`, `${name}.big`]) assert.equal(parsePartName("filename", part), part);
  }
});

Deno.test("parsePartName and parseFolder refuse hostile names", () => {
  for (const name of HOSTILE_NAMES) {
    for (const part of [name, `${name}.small`, `${name}.big`]) {
      assert.throws(() => parsePartName("filename", part), InvalidInputError, JSON.stringify(part));
    }
    if (name !== "") assert.throws(() => parseFolder(name), InvalidInputError, JSON.stringify(name));
  }
});

Deno.test("parseFolder takes the empty folder", () => {
  assert.equal(parseFolder(undefined), "");
  assert.equal(parseFolder(""), "");
});
