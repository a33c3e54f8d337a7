import assert from "node:assert/strict";
import { concat, formatSize, jsonValue, release, utf8, wipe } from "../../../lib/bytes.ts";

Deno.test("concat() joins parts and keeps empty ones out of the way", () => {
  assert.deepEqual(concat(), new Uint8Array(0));
  assert.deepEqual(concat(utf8("a"), new Uint8Array(0), utf8("é")), utf8("aé"));
});

Deno.test("wipe() overwrites the bytes and nothing beside them", () => {
  const whole = utf8("secret!");
  wipe(whole.subarray(0, 6));
  assert.deepEqual(whole, concat(new Uint8Array(6), utf8("!")));
});

Deno.test("release() empties the view and may be called twice and on nothing", () => {
  const bytes = new Uint8Array(1024);
  release(bytes);
  release(bytes);
  release(new Uint8Array(0));
  assert.equal(bytes.byteLength, 0);
});

Deno.test("formatSize() takes the largest unit that gives at least 1", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [3 * 1024, "3.0 KiB"],
    [1024 ** 2 - 1, "1024.0 KiB"],
    [1.5 * 1024 ** 3, "1.5 GiB"],
    [2048 * 1024 ** 4, "2048.0 TiB"],
  ];
  for (const [sizeBytes, text] of cases) assert.equal(formatSize(sizeBytes), text);
});

Deno.test("jsonValue() reads text and UTF-8, and gives undefined for what is no JSON", () => {
  assert.deepEqual(jsonValue('{"a":["é"]}'), { a: ["é"] });
  assert.deepEqual(jsonValue(utf8('{"a":["é"]}')), { a: ["é"] });
  assert.equal(jsonValue("null"), null);
  for (const text of ["", "{", "undefined", '{"a":1}{"b":2}']) {
    assert.equal(jsonValue(text), undefined, text);
    assert.equal(jsonValue(utf8(text)), undefined, text);
  }
});
