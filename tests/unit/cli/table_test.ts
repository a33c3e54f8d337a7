import assert from "node:assert/strict";
import { formatTable } from "../../../cli/table.ts";

Deno.test("formatTable() makes each column as wide as its widest cell", () => {
  const lines = formatTable([{ title: "NAME" }, { title: "BYTES", align: "right" }], [["a", "1"], [
    "größer",
    "123456",
  ]]);
  assert.deepEqual(lines, ["NAME     BYTES", "a            1", "größer  123456"]);
});

Deno.test("formatTable() leaves no space at the end of a line", () => {
  for (const line of formatTable([{ title: "A" }, { title: "LONG" }], [["x", ""], ["", "y"]])) {
    assert.equal(line, line.trimEnd());
  }
});

Deno.test("formatTable() shows the titles when there are no rows", () => {
  assert.deepEqual(formatTable([{ title: "A" }, { title: "B" }], []), ["A  B"]);
});
