import assert from "node:assert/strict";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { writeKeyPair } from "../../lib/crypto/key_file.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite } from "../support/origin_site.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const { folder, name } = V2_RESOURCE;
const MIB = 1024 * 1024;

async function start(options: Parameters<typeof V2Device.start>[1] = {}) {
  const site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const device = await V2Device.start(site, options);
  const { email } = await site.user("Operator");
  await device.signIn(email);
  return {
    site,
    publisher,
    device,
    email,
    [Symbol.asyncDispose]: async () => {
      await device[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}

for (const size of [0, 1, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB + 17, 17 * MIB]) {
  Deno.test(`load() in format v2 gives back ${size} bytes, from the CDN and then from the cache`, async () => {
    await using round = await start();
    const plain = keystream("v2", size);
    await round.publisher.publish(plain);
    for (const source of ["cdn", "cache"]) {
      const { body, sizeBytes, source: from } = await round.device.services.load(V2_RESOURCE);
      assert.deepEqual({ sizeBytes, from }, { sizeBytes: size, from: source });
      const parts: Bytes[] = [];
      for await (const part of body) parts.push(part.slice());
      assert.deepEqual(new Uint8Array(await new Blob(parts).arrayBuffer()), plain);
      await round.device.services.stop();
      await round.device.signIn(round.email);
    }
  });
}

Deno.test("an upload in format v2 by a device with a publisher's key is loaded by another device", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await using other = await V2Device.start(site);
  const keyPath = join(other.folder.path, "publisher.key");
  await writeKeyPair(keyPath, publisher.jwk);
  await using device = await V2Device.start(site, { flags: { "publisher-key-file": keyPath } });
  const { email } = await site.user("ResourceUploader");
  await device.signIn(email);
  for (const number of [1, 2]) {
    const plain = keystream(`upload ${number}`, 20 * MIB + number);
    using staged = await device.services.stage(new Blob([plain]).stream());
    assert.equal(staged.format, "v2");
    await staged.publish({ folder, name });
    await other.signIn((await site.user("Operator", `op${number}@example.com`)).email);
    assert.deepEqual(await other.load(folder, name), plain);
  }
  const versions = await site.call("GET", `/v2/resources/${folder}/${name}/versions`, { token: publisher.token });
  assert.deepEqual(versions.json<{ seq: number }[]>().map(({ seq }) => seq), [2, 1]);
  assert.deepEqual(await device.load(folder, name), keystream("upload 2", 20 * MIB + 2));
});
