import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { ConfigurationError, IntegrityError } from "../../../lib/errors.ts";
import { type BackupFile, encodeManifest, parseManifest } from "../../../origin/backup_manifest.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";

const BLOB = "0123456789abcdef".repeat(2);

function file(path: string): BackupFile {
  return { path, sizeBytes: 1, sha256: "0".repeat(64) };
}

function manifestOf(...paths: readonly string[]) {
  return encodeManifest({ createdMs: 1, files: paths.map(file) });
}

Deno.test("parseManifest() gives back what encodeManifest() wrote", () => {
  const paths = [`objects/${BLOB}`, "resources/_/cdn.yaml", "resources/models/net.onnx.small", "origin.db"];
  assert.deepEqual(parseManifest(manifestOf(...paths)), { createdMs: 1, files: paths.map(file) });
});

Deno.test("parseManifest() refuses every path that no origin has", () => {
  const hostile = HOSTILE_NAMES.filter((name) => name !== "a/b").flatMap((name) => [
    name,
    `objects/${name}`,
    `resources/${name}`,
    `resources/models/${name}`,
    `resources/${name}/net.onnx`,
  ]);
  const wrong = ["origin.lock", "objects", `objects/${BLOB}0`, `objects/${BLOB}/x`, "resources/a/b/c", "origin.db"];
  for (const path of [...hostile, ...wrong]) {
    assert.throws(() => parseManifest(manifestOf(path, "origin.db")), IntegrityError, JSON.stringify(path));
  }
});

Deno.test("parseManifest() refuses other JSON, a missing or misplaced database, and the format of a newer program", () => {
  for (const text of ["", "{}", "[]", "null", '{"format":"other"}']) {
    assert.throws(() => parseManifest(utf8(text)), IntegrityError, text);
  }
  assert.throws(() => parseManifest(manifestOf()), IntegrityError);
  assert.throws(() => parseManifest(manifestOf("resources/a/b")), IntegrityError);
  assert.throws(() => parseManifest(manifestOf("origin.db", "resources/a/b")), IntegrityError);
  const newer = new TextDecoder().decode(manifestOf("origin.db")).replace('"version":1', '"version":2');
  assert.throws(() => parseManifest(utf8(newer)), ConfigurationError);
});
