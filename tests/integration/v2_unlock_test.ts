import assert from "node:assert/strict";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { collect } from "../../lib/streams.ts";
import type { UnlockStatus } from "../../lib/unlock/machine.ts";
import { DOCKER_ARCHITECTURES } from "../../tools/ship/image.ts";
import { expect, post } from "../support/device_round.ts";
import { startDockerEngine } from "../support/docker_engine.ts";
import { filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2Publisher } from "../support/v2_publisher.ts";

const MIB = 1024 * 1024;
const RESOURCE = { folder: "images", name: "fleet" };
const NAMES = ["azaion/annotations", "azaion/detections"];
const REFERENCES = NAMES.map((name) => `${name}:2.0`);
const READY = { state: "ready", error: null, progress: null };
const NEEDLE_BYTES = 32;
const dockerd = peerPath("dockerd");

/** More than 16 units, so that the hash list is a file of its own. */
function plainArchive(): Promise<Bytes> {
  const architecture = DOCKER_ARCHITECTURES[Deno.build.arch];
  return collect(scratchArchive({ references: REFERENCES, architecture, payloadBytes: 10 * MIB }), 32 * MIB);
}

/** Unlocks by the HTTP API, to the end. */
async function unlock({ url, services }: V2Device, email: string): Promise<UnlockStatus> {
  await expect(200, post(`${url}/unlock`, JSON.stringify({ email, password: PASSWORD })));
  await services.unlock.settled();
  return await (await fetch(`${url}/unlock/status`)).json();
}

/** No file of the device holds any of the archive in the clear. */
async function assertNoPlaintext({ folder }: V2Device, plain: Bytes): Promise<void> {
  const needles = [0, 0.25, 0.5, 0.75].map((part) => {
    const start = Math.floor(plain.byteLength * part) + 2 * MIB;
    return new TextDecoder("latin1").decode(plain.subarray(start, start + NEEDLE_BYTES));
  });
  for (const path of await filesBelow(folder.path)) {
    const text = new TextDecoder("latin1").decode(await Deno.readFile(join(folder.path, path)));
    assert.ok(!needles.some((needle) => text.includes(needle)), `${path} holds plaintext`);
  }
}

async function flip(path: string, offset: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.read(byte);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(new Uint8Array([(byte[0] ?? 0) ^ 1]));
}

Deno.test({
  name: "unlock loads a v2 archive into a Docker engine by the device service, and tags nothing of a damaged one",
  ignore: dockerd === undefined,
  async fn(t) {
    await using engine = await startDockerEngine(dockerd ?? "");
    await using site = await OriginSite.start();
    const publisher = await V2Publisher.at(site);
    const plain = await plainArchive();
    const version = await publisher.seal(plain, RESOURCE);
    assert.equal((await publisher.send(version, RESOURCE)).status, 201);
    const { email, token } = await site.user("CompanionPC");
    const flags = { "docker-host": engine.dockerHost, "images": NAMES.join(","), "api-version": "2.0" };
    const named = { ...flags, "images-resource": `${RESOURCE.folder}/${RESOURCE.name}` };
    const device = await V2Device.start(site, { flags: named }); // its folder goes with the one that follows it
    const { imagesPath } = device.services.settings;
    const lay = async () => {
      await Deno.writeFile(imagesPath, version.big);
      await Deno.writeFile(`${imagesPath}.hashes`, version.hashes);
      await engine.clear();
    };

    await t.step("with the small part from the API", async () => {
      await lay();
      assert.deepEqual(await unlock(device, email), READY);
      assert.deepEqual(await engine.images.list(), REFERENCES);
      await assertNoPlaintext(device, plain);
    });

    await t.step("nothing of one with a flipped bit, wherever it is", async () => {
      for (const offset of [1_000, 9 * MIB, version.big.byteLength - 100]) {
        await lay();
        await flip(imagesPath, offset);
        const { state, code, error } = await unlock(device, email);
        assert.deepEqual({ state, code }, { state: "error", code: "integrity" }, `${offset}: ${error}`);
        assert.deepEqual(await engine.images.list(), [], `${offset}`);
      }
      await assertNoPlaintext(device, plain);
    });

    const { kid } = await device.services.enrolment.key();
    const path = `/v2/resources/${RESOURCE.folder}/${RESOURCE.name}?device=${kid}`;
    const { bytes: smallPart } = await site.call("GET", path, { token });
    await device.stop();
    await using alone = await V2Device.start(site, { flags }, device);

    await t.step("with the small part from the file beside it", async () => {
      await lay();
      await Deno.writeFile(`${imagesPath}.small`, smallPart);
      assert.deepEqual(await unlock(alone, email), READY);
      assert.deepEqual(await engine.images.list(), REFERENCES);
      await assertNoPlaintext(alone, plain);
    });

    await t.step("nothing of one whose small part is another's", async () => {
      await lay();
      const other = await site.user("CompanionPC", "another@example.com");
      const { state, code } = await unlock(alone, other.email);
      assert.deepEqual({ state, code }, { state: "error", code: "integrity" });
      assert.deepEqual(await engine.images.list(), []);
    });
  },
});
