import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { expect, post } from "../support/device_round.ts";
import { startDockerEngine } from "../support/docker_engine.ts";
import { fileForm, PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { REFERENCES, UnlockSite } from "../support/unlock_site.ts";
import { V2Device } from "../support/v2_device.ts";

const MIB = 1024 * 1024;
const CONTENT = new Uint8Array(randomBytes(5 * MIB + 12_345));
const dockerd = peerPath("dockerd");
const libcrypto = peerPath("libcrypto");

/** Loads `models/model.bin` as the account that is signed in. */
function load({ url }: V2Device): Promise<Uint8Array> {
  return expect(200, post(`${url}/load/model.bin`, JSON.stringify({ filename: "model.bin", folder: "models" })));
}

Deno.test({
  name: "a device with CRYPTO_ACCEL=libcrypto loads and unlocks in v1 the same bytes as one without",
  ignore: dockerd === undefined || libcrypto === undefined,
  sanitizeResources: false, // a device keeps the library for as long as its process lives
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    const flags = { "resource-format": "v1", "crypto-accel": "libcrypto", "crypto-library": libcrypto ?? "" };
    await using site = await UnlockSite.start({ ...engine, flags, payloadBytes: 4 * MIB });
    const { origin, device: fast } = site;
    await using slow = await V2Device.start(origin, { flags: { "resource-format": "v1", "crypto-accel": "none" } });
    const mapped = await Deno.readTextFile("/proc/self/maps");
    assert.ok(mapped.includes(await Deno.realPath(libcrypto ?? "")), "the library is in this process");
    const { email } = await origin.user("ResourceUploader");
    for (const [publisher, reader] of [[slow, fast], [fast, slow]] as const) {
      for (const device of [publisher, reader]) {
        await expect(200, post(`${device.url}/login`, JSON.stringify({ email, password: PASSWORD })));
      }
      const body = fileForm(CONTENT, "model.bin");
      await expect(200, fetch(`${publisher.url}/upload/model.bin`, { method: "POST", body }));
      assert.deepEqual(await load(reader), CONTENT);
      assert.deepEqual(await load(reader), CONTENT, "from the cache");
    }
    assert.deepEqual(await site.unlock(), { state: "ready", error: null, progress: null });
    assert.deepEqual(await engine.images.list(), REFERENCES);
  },
});
