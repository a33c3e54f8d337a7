import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../../lib/bytes.ts";
import { ConfigurationError } from "../../../lib/errors.ts";
import {
  type MasterKey,
  newMasterKey,
  readMasterKeys,
  unwrapContentKey,
  wrapContentKey,
  writeMasterKeys,
} from "../../../origin/master_key.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const PLACE = { folder: "models", name: "a.onnx", version: "1" };

function textOf({ raw }: MasterKey): string {
  return raw.toBase64({ alphabet: "base64url", omitPadding: true });
}

Deno.test("wrapContentKey() opens with its master key at its place only", async () => {
  const key = await newMasterKey();
  const cek = utf8("a content key");
  const wrapped = await wrapContentKey(key, PLACE, cek);
  assert.notDeepEqual(wrapped, await wrapContentKey(key, PLACE, cek));
  assert.deepEqual(await unwrapContentKey(key, PLACE, wrapped), cek);
  const flipped = wrapped.slice();
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  const other = await newMasterKey();
  const cases: readonly [MasterKey, typeof PLACE, Bytes][] = [
    [other, PLACE, wrapped],
    [key, PLACE, flipped],
    [key, PLACE, wrapped.slice(0, 5)],
    [key, PLACE, wrapped.slice(0, -1)],
    [key, { ...PLACE, version: "2" }, wrapped],
    [key, { ...PLACE, folder: "models\0a.onnx" }, wrapped],
  ];
  for (const unfit of cases) await assert.rejects(unwrapContentKey(...unfit), ConfigurationError);
});

Deno.test("readMasterKeys() takes the file (0600) or the variable, and nothing that is not keys", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "master.key");
  assert.deepEqual(await readMasterKeys({ text: undefined, path }), []);
  const first = await newMasterKey();
  const keys = [first, await newMasterKey()];
  await writeMasterKeys(path, keys);
  assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  assert.deepEqual(await readMasterKeys({ text: undefined, path }), keys);
  assert.deepEqual(await readMasterKeys({ text: keys.map(textOf).join(","), path: "/nonexistent" }), keys);
  for (const text of ["", "x", `${textOf(first)}A`, textOf(first).slice(1), "+".repeat(43)]) {
    await assert.rejects(readMasterKeys({ text, path }), ConfigurationError, text);
  }
  await Deno.chmod(path, 0o640);
  await assert.rejects(readMasterKeys({ text: undefined, path }), ConfigurationError);
});
