import assert from "node:assert/strict";
import { itemsOfCsv, setDeep } from "../../../cli/submission_file.ts";
import { InvalidInputError } from "../../../lib/errors.ts";

Deno.test("itemsOfCsv() joins rows of one item, and puts metadata where its column says", () => {
  const text = "external_id;input;download_url;specimen.tissue;specimen.disease;width_px;label\n" +
    'x;slide;https://a.example/1;LUNG;CANCER;100;"""7"""\n' +
    "y;slide;https://a.example/2;;;1e3;7 up\n" +
    "x;mask;https://a.example/3;;;;\n";
  assert.deepEqual(itemsOfCsv(text), [
    {
      external_id: "x",
      input_artifacts: [
        {
          name: "slide",
          download_url: "https://a.example/1",
          metadata: { specimen: { tissue: "LUNG", disease: "CANCER" }, width_px: 100, label: "7" },
        },
        { name: "mask", download_url: "https://a.example/3", metadata: {} },
      ],
    },
    {
      external_id: "y",
      input_artifacts: [
        { name: "slide", download_url: "https://a.example/2", metadata: { width_px: 1000, label: "7 up" } },
      ],
    },
  ]);
});

Deno.test("itemsOfCsv() refuses a table without the columns that it needs, and rows of another width", () => {
  assert.throws(() => itemsOfCsv("external_id;input\nx;y"), /lacks the column download_url/);
  assert.throws(() => itemsOfCsv("external_id;input;download_url\nx;y"), /Row 2 of the CSV has 2 cells, not 3/);
  assert.throws(() => itemsOfCsv("external_id;input;download_url;input\na;b;c;d"), /has a column twice/);
  assert.throws(() => itemsOfCsv(""), /lacks the column external_id, input, download_url/);
});

Deno.test("setDeep() reaches no prototype", () => {
  for (const path of ["__proto__.x", "a.constructor.prototype.x", "prototype"]) {
    assert.throws(() => setDeep({}, path, "1"), InvalidInputError, path);
  }
  assert.equal(Object.getOwnPropertyDescriptor(Object.prototype, "x"), undefined);
});

Deno.test("setDeep() refuses a name of more parts than any metadata have, at once", () => {
  assert.throws(() => setDeep({}, "a.".repeat(1_000_000), "1"), InvalidInputError);
});
