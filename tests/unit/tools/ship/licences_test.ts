import assert from "node:assert/strict";
import { licencesPage } from "../../../../tools/ship/licences.ts";

function bomOf(...licenses: readonly unknown[][]): string {
  const components = licenses.map((own, index) => ({
    group: "@a",
    name: `p${index}`,
    version: "1.0.0",
    licenses: own,
  }));
  return JSON.stringify({ components });
}

const mit = { license: { id: "MIT" } };

Deno.test("licencesPage() lists every package with its licence", () => {
  const page = licencesPage(bomOf([mit], [{ license: { id: "ISC" } }]));
  assert.match(page, /\| `@a\/p0` \| 1\.0\.0 \| MIT \|\n\| `@a\/p1` \| 1\.0\.0 \| ISC \|\n$/);
});

Deno.test("licencesPage() refuses a package whose licence is missing, another, or not a single one", () => {
  const cases: readonly (readonly [licenses: unknown[], said: RegExp])[] = [
    [[], /@a\/p1 \(none\)/],
    [[{ license: { id: "AGPL-3.0-only" } }], /@a\/p1 \(AGPL-3\.0-only\)/],
    [[{ expression: "(MIT OR GPL-2.0-only)" }], /@a\/p1 \(\(MIT OR GPL/],
    [[mit, { license: { id: "GPL-3.0-only" } }], /MIT AND GPL/],
  ];
  for (const [licenses, said] of cases) assert.throws(() => licencesPage(bomOf([mit], licenses)), said);
});
