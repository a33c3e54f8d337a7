import assert from "node:assert/strict";
import { faultTable, withFaultTable } from "../../../tools/fault_table.ts";
import { faultName } from "../../support/fault_test.ts";

Deno.test("faultTable() has a row for each fault that was tested, by area, and for no other test", () => {
  const table = faultTable([
    "deno() does",
    `${faultName({ area: "network", fault: "cut", operation: "load", outcome: "goes on" })} > a step of it`,
    faultName({ area: "clock", fault: "an hour ahead", operation: "load", outcome: "nothing" }),
    faultName({ area: "network", fault: "cut", operation: "load", outcome: "goes on" }),
  ]);
  assert.deepEqual(table.split("\n").slice(2), [
    "| network | load | cut | goes on |",
    "| clock | load | an hour ahead | nothing |",
  ]);
});

Deno.test("withFaultTable() replaces the table between its marks, and refuses a page without them", () => {
  const page = "# Faults\n<!-- made by: deno task reliability -->\nold\n<!-- end -->\nrest\n";
  assert.equal(
    withFaultTable(page, "new"),
    "# Faults\n<!-- made by: deno task reliability -->\nnew\n<!-- end -->\nrest\n",
  );
  assert.throws(() => withFaultTable("# Faults\n", "new"), /no marks/);
});
