import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCsv } from "../../../cli/csv.ts";
import { InvalidInputError } from "../../../lib/errors.ts";

Deno.test("parseCsv() reads back every table that is written with quotation marks", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", ";", '"', "\n", "\r", "é", " ") });
  fc.assert(fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 })), (rows) => {
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const text = rows.map((row) => row.map(quoted).join(";")).join("\r\n");
    assert.deepEqual(parseCsv(text), rows);
  }));
});

Deno.test("parseCsv() takes plain cells, empty ones, and a last line with or without its end", () => {
  for (const end of ["", "\n", "\r\n", "\n\n"]) {
    assert.deepEqual(parseCsv(`a;b;c\n1;;"x;y"${end}`), [["a", "b", "c"], ["1", "", "x;y"]]);
  }
  assert.deepEqual(parseCsv("a;"), [["a", ""]]);
  assert.deepEqual(parseCsv(""), []);
});

Deno.test("parseCsv() refuses stray quotation marks, and ends on any text", () => {
  for (const text of ['a;"b', 'a"b;c', '"a"b;c']) assert.throws(() => parseCsv(text), InvalidInputError);
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(";", '"', "\n", "\r", "a") }), (text) => {
    try {
      parseCsv(text);
    } catch (error) {
      assert.ok(error instanceof InvalidInputError);
    }
  }));
});

Deno.test("parseCsv() reads cells of any length", () => {
  const long = "a".repeat(16 * 1024 * 1024);
  const [row = []] = parseCsv(`"${long}";"${'""'.repeat(1_000_000)}"`);
  assert.deepEqual(row.map((cell) => cell.length), [long.length, 1_000_000]);
});
