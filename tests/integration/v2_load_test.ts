import assert from "node:assert/strict";
import { join } from "node:path";
import { writeKeyPair } from "../../lib/crypto/key_file.ts";
import { collect } from "../../lib/streams.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { post } from "../support/device_round.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const { folder, name } = V2_RESOURCE;
const MIB = 1024 * 1024;
const SIZES = [0, 1, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB + 17, 17 * MIB];

Deno.test("load() in format v2 gives back what was published, of every size round a border, from the CDN and then from the cache", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await using device = await V2Device.start(site);
  await device.signIn((await site.user("Operator")).email);
  for (const [index, size] of SIZES.entries()) {
    const plain = keystream("v2", size);
    const { manifest } = await publisher.publish(plain, { seq: index + 1 });
    for (const source of ["cdn", "cache"]) {
      const { body, sizeBytes, source: from } = await device.services.load(V2_RESOURCE);
      assert.deepEqual({ sizeBytes, from }, { sizeBytes: size, from: source });
      assert.deepEqual(await collect(body, 2 * 17 * MIB), plain);
      await eventually(
        "it is cached",
        () => Deno.stat(device.cachePath(folder, manifest.big.key)).then(() => true, () => false),
      );
    }
  }
});

Deno.test("a sign-in on a device enrols it by itself, and garbage collection keeps what is published, withdrawn or not", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await using device = await V2Device.start(site);
  const { email } = await site.user("CompanionPC");
  const { status } = await post(`${device.url}/login`, JSON.stringify({ email, password: PASSWORD })).then(
    async (answer) => {
      await answer.body?.cancel();
      return answer;
    },
  );
  assert.equal(status, 200);
  const { dataDir } = site;
  await eventually("it is enrolled", async () => (await ORIGIN_COMMANDS["device list"]({ dataDir })).length === 1);
  const [enrolled] = await ORIGIN_COMMANDS["device list"]({ dataDir });
  assert.deepEqual([enrolled?.email, enrolled?.state], [email, "approved"]);

  const plain = keystream("kept", MIB);
  await publisher.publish(plain);
  await publisher.publish(keystream("withdrawn", MIB), { seq: 2 });
  const withdrawn = { dataDir, resource: V2_RESOURCE, version: "1.2", change: "withdraw" } as const;
  await ORIGIN_COMMANDS["version change"](withdrawn);
  await site.stop();
  assert.deepEqual(await ORIGIN_COMMANDS.gc({ dataDir, dryRun: false }), []);
  await site.serve();
  await using other = await V2Device.start(site);
  await other.signIn(email);
  assert.deepEqual(await other.load(folder, name), plain);
});

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

Deno.test("load() in format v2 takes what is right from a medium, and the rest from the CDN", async () => {
  await using site = await OriginSite.start();
  await using medium = await tempFolder();
  const publisher = await V2Publisher.at(site);
  await using device = await V2Device.start(site, { flags: { "media-dirs": `/not-plugged-in,${medium.path}` } });
  await device.signIn((await site.user("Operator")).email);
  const plain = keystream("medium", 3 * MIB);
  const { manifest } = await publisher.publish(plain, { seq: 1 });
  const { key } = manifest.big;
  const load = async () => {
    const { body, source } = await device.services.load(V2_RESOURCE);
    assert.deepEqual(await collect(body, 4 * MIB), plain);
    await eventually("it is cached", () => Deno.stat(device.cachePath(folder, key)).then(() => true, () => false));
    return source;
  };
  assert.equal(await load(), "cdn");
  await Deno.mkdir(join(medium.path, folder));
  await Deno.rename(device.cachePath(folder, key), join(medium.path, folder, key));
  assert.equal(await load(), "media");

  const big = await Deno.readFile(join(medium.path, folder, key));
  await Deno.writeFile(join(medium.path, folder, key), big.with(MIB + 5, (big[MIB + 5] ?? 0) ^ 1));
  await Deno.remove(device.cachePath(folder, key));
  assert.equal(await load(), "media");
  assert.deepEqual(await Deno.readFile(device.cachePath(folder, key)), big);
});
