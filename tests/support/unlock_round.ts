import assert from "node:assert/strict";
import { OriginAdmin } from "../../cli/demo/origin_admin.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { archiveKey } from "../../lib/crypto/keys.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { writeStream } from "../../lib/system/atomic_file.ts";
import { DOCKER_ARCHITECTURES } from "../../tools/ship/image.ts";
import { expect, post } from "./device_round.ts";
import type { TestEngine } from "./docker_engine.ts";
import { eventually } from "./eventually.ts";
import { type OriginSite, PASSWORD } from "./origin_site.ts";

const NAME = "azaion/annotations";
const TAG = "1.4.2";
const SIGN_IN_LIMIT_MS = 10_000;
const PAYLOAD_BYTES = 100_000;
const READABLE_BY_ALL = 0o644;

/** Settings of a device whose archive {@link writeImages} has written. */
export const UNLOCK_SETTINGS = { IMAGES: NAME, API_VERSION: TAG };

/** Writes an archive of one image that only this origin's key fragment opens. */
export async function writeImages(origin: OriginSite, imagesPath: string): Promise<void> {
  const deps = { clock: systemClock, signal: AbortSignal.timeout(SIGN_IN_LIMIT_MS) };
  const admin = await OriginAdmin.signIn(new URL(origin.url), origin.admin, deps);
  const architecture = DOCKER_ARCHITECTURES[Deno.build.arch];
  const archive = scratchArchive({ references: [`${NAME}:${TAG}`], architecture, payloadBytes: PAYLOAD_BYTES });
  await writeStream(imagesPath, encryptCbc(archive, await archiveKey(await admin.keyFragment())));
  await Deno.chmod(imagesPath, READABLE_BY_ALL);
}

/** Unlocks that archive by the HTTP API of a device, and expects that the engine has the image then, and not before. */
export async function unlockImages(origin: OriginSite, url: string, { images }: TestEngine): Promise<void> {
  const reference = `${NAME}:${TAG}`;
  const { email } = await origin.user("Operator", "unlocker@example.com");
  assert.equal(await images.inspect(reference), undefined);
  await expect(200, post(`${url}/unlock`, JSON.stringify({ email, password: PASSWORD })));
  let status = "";
  await eventually("the unlock has ended", async () => {
    status = await (await fetch(`${url}/unlock/status`)).text();
    return /"state":"(ready|error)"/.test(status);
  });
  assert.equal(JSON.parse(status).state, "ready", status);
  assert.notEqual(await images.inspect(reference), undefined);
}
