import assert from "node:assert/strict";
import { join } from "node:path";
import { InvalidInputError, NotFoundError, TallyError } from "../../../../lib/errors.ts";
import { readManifest } from "../../../../origin/platform/manifest.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const GOOD = {
  application_id: "words",
  name: "Words",
  version: "1.0.0",
  image: "words:1",
  input_artifacts: [{ name: "text", mime_type: "text/plain" }],
  output_artifacts: [{ name: "counts", mime_type: "application/json" }],
};

async function read(manifest: unknown, overrides = {}) {
  await using folder = await tempFolder();
  const path = join(folder.path, "manifest.yaml");
  await Deno.writeTextFile(path, typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  await Deno.writeTextFile(join(folder.path, "manual.md"), "# Manual");
  return await readManifest(path, overrides, 1000);
}

Deno.test("readManifest() reads the manifest of the documentation", async () => {
  const [, yaml = ""] = /```yaml\n([^]*?)```/.exec(await Deno.readTextFile("docs/platform_api.md")) ?? [];
  const { applicationId, version } = await read(yaml);
  assert.equal(applicationId, "words");
  assert.deepEqual(version.documents.map(({ name, content }) => [name, content]), [["manual.md", "# Manual"]]);
  assert.deepEqual(version.inputArtifacts[0]?.metadataSchema, { type: "object", required: ["language"] });
  const { memoryBytes, cpus, timeLimitMs, outputLimitBytes, userErrorExitCodes } = version.container ?? {};
  assert.deepEqual(
    { memoryBytes, cpus, timeLimitMs, outputLimitBytes, userErrorExitCodes },
    { memoryBytes: 1024 ** 3, cpus: 1, timeLimitMs: 3_600_000, outputLimitBytes: 1024 ** 3, userErrorExitCodes: [65] },
  );
});

Deno.test("readManifest() has defaults for all but what only the maker knows, and the command line goes before it", async () => {
  const { version } = await read(GOOD, { image: "words:2", version: "2.0.0-rc.1" });
  assert.deepEqual([version.number, version.container?.image, version.releasedMs], ["2.0.0-rc.1", "words:2", 1000]);
});

Deno.test("readManifest() names the field that is wrong", async () => {
  const artifact = GOOD.input_artifacts[0];
  const cases: readonly (readonly [string, unknown])[] = [
    ["application_id", { ...GOOD, application_id: "../x" }],
    ["version", { ...GOOD, version: "1.0" }],
    ["version", { ...GOOD, version: undefined }],
    ["image", { ...GOOD, image: undefined }],
    ["input_artifacts", { ...GOOD, input_artifacts: [] }],
    ["input_artifacts.0.name", { ...GOOD, input_artifacts: [{ ...artifact, name: "../text" }] }],
    ["input_artifacts.0.name", { ...GOOD, input_artifacts: [{ ...artifact, name: "item.json" }] }],
    ["input_artifacts.0.name", { ...GOOD, input_artifacts: [{ ...artifact, name: "a..b" }] }],
    ["input_artifacts.0.mime_type", { ...GOOD, input_artifacts: [{ ...artifact, mime_type: "text" }] }],
    ["artifacts", { ...GOOD, input_artifacts: [artifact, artifact] }],
    ["manifest", { ...GOOD, input_artifacts: [{ ...artifact, metadata_schema: { type: "nothing" } }] }],
    ["limits.memory_mib", { ...GOOD, limits: { memory_mib: 0 } }],
    ["manifest", { ...GOOD, surprise: true }],
    ["manifest", "a: [1"],
    ["manifest", "words"],
  ];
  for (const [field, manifest] of cases) {
    await assert.rejects(read(manifest), (error) => error instanceof InvalidInputError && error.field === field, field);
  }
  const missing = { ...GOOD, documents: [{ file: "nothing.md", mime_type: "text/markdown" }] };
  await assert.rejects(read(missing), NotFoundError);
  await assert.rejects(readManifest("/nowhere", {}, 0), TallyError);
});
