import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../../lib/bytes.ts";
import { artifactPath } from "../../../../lib/platform/artifact_paths.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom("..", ".", "/", "a", "%", "~", "\\", "\0", ".x.part", "ä", "\ud800"), { maxLength: 8 })
    .map((parts) => parts.join("")),
  fc.string({ minLength: 190, maxLength: 400 }),
);
const named = fc.record({ runId: text, externalId: text, name: text, metadata: fc.constant(null) });

Deno.test("artifactPath() gives names that lead nowhere else, for any text", () => {
  fc.assert(
    fc.property(named, (artifact) => {
      const segments = artifactPath(artifact);
      assert(segments.length >= 3);
      for (const segment of segments) {
        assert(!["", ".", ".."].includes(segment) && !/[/\\\0\n]/.test(segment), JSON.stringify(segment));
        assert(segment.isWellFormed() && utf8(segment).byteLength <= 200);
        assert(!/^\..*\.part(ial|\.journal)?$/.test(segment), "it is not the name of a partial file");
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("artifactPath() gives two artifacts of a run two places", () => {
  fc.assert(
    fc.property(named, named, (one, other) => {
      const same = one.externalId === other.externalId && one.name === other.name;
      const places = [one, other].map((artifact) => artifactPath({ ...artifact, runId: "run" }).join("/"));
      const isSplit = one.externalId.includes("/") || other.externalId.includes("/");
      if (!same && !isSplit) assert.notEqual(places[0], places[1]);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("artifactPath() leaves plain names as they are", () => {
  const metadata = { media_type: "image/png" };
  const path = artifactPath({ runId: "3f1c", externalId: "slides/2024/a b (1).svs", name: "tissue_qc:mask", metadata });
  assert.deepEqual(path, ["3f1c", "slides", "2024", "a b (1).svs", "tissue_qc:mask.png"]);
  assert.deepEqual(artifactPath({ runId: "r", externalId: "../x", name: "..", metadata: null }), [
    "r",
    "%..%2Fx",
    "%..",
  ]);
  const unknown = { media_type: "application/x-tar", mime_type: "__proto__" };
  assert.deepEqual(artifactPath({ runId: "r", externalId: "x", name: "n", metadata: unknown }), ["r", "x", "n"]);
});
