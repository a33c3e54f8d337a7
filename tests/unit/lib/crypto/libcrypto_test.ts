import assert from "node:assert/strict";
import { createLogger } from "../../../../lib/log.ts";
import { accelerator } from "../../../../lib/crypto/accelerator.ts";
import { decryptCbc, encryptCbc } from "../../../../lib/crypto/cbc_v1.ts";
import { aesKey } from "../../../../lib/crypto/keys.ts";
import { openLibcrypto } from "../../../../lib/crypto/libcrypto.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { collect, streamOf } from "../../../../lib/streams.ts";
import { inChunksOf } from "../../../support/chunks.ts";
import { keystream } from "../../../support/keystream.ts";
import { peerPath } from "../../../support/peers.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const LIMIT = 8 * 1024 * 1024;
const libcrypto = peerPath("libcrypto");
const logged: string[] = [];
const log = createLogger({ level: "debug", write: (line) => void logged.push(line), now: () => 0 });

Deno.test({
  name: "decryptCbc() by libcrypto gives the same bytes as by WebCrypto, at every size round the borders of its pieces",
  ignore: libcrypto === undefined,
  async fn() {
    using library = await openLibcrypto(libcrypto ?? "");
    const [plainKey, fastKey] = [await aesKey("key"), await aesKey("key", library)];
    const tuning = { pieceBytes: 64, inFlight: 3 };
    for (let size = 0; size <= 3 * tuning.pieceBytes + 1; size++) {
      const plain = keystream("libcrypto", size);
      const encrypted = await collect(encryptCbc(streamOf(plain), plainKey), LIMIT);
      assert.deepEqual(await collect(decryptCbc(inChunksOf(encrypted, 61), fastKey, tuning), LIMIT), plain, `${size}`);
    }
    const large = keystream("libcrypto", 5_000_000);
    const encrypted = await collect(encryptCbc(streamOf(large), fastKey), LIMIT);
    assert.deepEqual(await collect(decryptCbc(streamOf(encrypted), fastKey), LIMIT), large);
    await assert.rejects(collect(decryptCbc(streamOf(encrypted.slice(0, -1)), fastKey), LIMIT), IntegrityError);
  },
});

Deno.test("openLibcrypto() refuses what is no libcrypto, and says which file", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/libcrypto.so.3`;
  await assert.rejects(openLibcrypto(path), {
    name: "ConfigurationError",
    message: new RegExp(`Cannot use "${path}"`),
  });
  await Deno.writeTextFile(path, "not a library");
  await assert.rejects(openLibcrypto(path), { name: "ConfigurationError" });
});

Deno.test("accelerator() falls back on auto and says so, insists on libcrypto, and asks for nothing on none", async () => {
  assert.equal(await accelerator("none", "/nowhere/libcrypto.so.3", log), undefined);
  assert.deepEqual(logged, []);
  assert.equal(await accelerator("auto", "/nowhere/libcrypto.so.3", log), undefined);
  assert.match(logged.join(), /crypto\.not_accelerated/);
  assert.equal(await accelerator("auto", undefined, log), undefined);
  for (const path of [undefined, "/nowhere/libcrypto.so.3"]) {
    await assert.rejects(accelerator("libcrypto", path, log), { name: "ConfigurationError" });
  }
});
