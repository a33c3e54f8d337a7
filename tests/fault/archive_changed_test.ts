import assert from "node:assert/strict";
import { enginePlace, startEngineIn } from "../support/docker_engine.ts";
import { faultTest } from "../support/fault_test.ts";
import { peerPath } from "../support/peers.ts";
import { REFERENCES, UnlockSite } from "../support/unlock_site.ts";

const dockerd = peerPath("dockerd");
const MIB = 1024 * 1024;

faultTest({
  area: "disk",
  fault: "the archive is cut short, then replaced while it is read",
  operation: "unlock (v1)",
  outcome: "cut short: error, nothing is tagged; replaced: the archive that was opened is loaded, whole",
  ignore: dockerd === undefined,
}, async () => {
  await using place = await enginePlace();
  await using engine = await startEngineIn(place, dockerd ?? "");
  await using site = await UnlockSite.start({ ...place, payloadBytes: 48 * MIB });
  const { imagesPath } = site.device.services.settings;
  const underWay = async () => {
    await site.ask();
    await site.until("some of it has gone out", ({ progress }) => (progress?.doneBytes ?? 0) > MIB);
  };
  await Deno.copyFile(imagesPath, `${imagesPath}.whole`);
  await underWay();
  await Deno.truncate(imagesPath, MIB);
  const { state, code } = await site.settled();
  assert.deepEqual({ state, code }, { state: "error", code: "integrity" });
  assert.deepEqual(await engine.images.list(), []);
  await Deno.rename(`${imagesPath}.whole`, imagesPath);
  await underWay();
  await Deno.writeFile(`${imagesPath}.new`, new Uint8Array(MIB));
  await Deno.rename(`${imagesPath}.new`, imagesPath);
  assert.equal((await site.settled()).state, "ready");
  assert.deepEqual(await engine.images.list(), REFERENCES);
});
