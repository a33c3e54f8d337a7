import assert from "node:assert/strict";
import { releaseFaults } from "../../../../tools/ship/release.ts";

const READY = {
  version: "1.2.0",
  changelog: "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2030-01-01\n",
  changes: [],
  folderIsTaken: false,
};

Deno.test("releaseFaults() finds nothing when the version is described, committed and not made yet", () => {
  assert.deepEqual(releaseFaults(READY), []);
});

Deno.test("releaseFaults() says every reason at once", () => {
  const faults = releaseFaults({
    version: "1.2",
    changelog: READY.changelog,
    changes: [" M main.ts"],
    folderIsTaken: true,
  });
  assert.deepEqual(faults, [
    'CHANGELOG.md has no part "## [1.2]"',
    "Not everything is committed:  M main.ts",
    "The folder of the release is not empty",
  ]);
});
