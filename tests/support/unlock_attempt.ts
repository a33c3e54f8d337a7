import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { OriginAdmin } from "../../cli/demo/origin_admin.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { archiveKey } from "../../lib/crypto/keys.ts";
import { engineApi } from "../../lib/docker/engine_api.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { systemClock } from "../../lib/system/clock.ts";
import type { UnlockStatus } from "../../lib/unlock/machine.ts";
import { DOCKER_ARCHITECTURES } from "../../tools/ship/image.ts";
import type { TestEngine } from "./docker_engine.ts";
import { type Attempt, deviceBehind, endOf, json, type MakeFront, type Operation } from "./network_attempt.ts";
import { FOLDER, type Format, type NetworkSite } from "./network_site.ts";
import { filesBelow, PASSWORD } from "./origin_site.ts";

const TAG = "1.4.2";
const SIGN_IN_LIMIT_MS = 10_000;
const LIMIT_BYTES = 16 * 1024 * 1024;
const SAMPLE_BYTES = 32;
/** So far into a big part of two units: in the second one. */
const DAMAGED_AT = 1_200_000;
const PAYLOAD_BYTES: Readonly<Record<Format, number>> = { v1: 300_000, v2: 1_500_000 };
/** One sentence, as a person reads it. */
const SENTENCE = /^[A-Z][^\n]{10,300}$/;

/** An encrypted archive of one image, on a site that knows how it is opened. */
export interface LockedArchive {
  readonly reference: string;
  /** Settings of a device that unlocks it, as flags. */
  readonly flags: Readonly<Record<string, string>>;
  readonly bytes: Bytes;
  readonly plain: Bytes;
}

/** Unlocks of archives in both formats into that engine; that of v2 has a damaged unit, and the right one is in the CDN. */
export function unlockOperations(engine: () => TestEngine): readonly Operation[] {
  return (["v1", "v2"] as const).map((format) => ({
    name: `unlock (${format})`,
    begin: (site, front) => unlock(site, front, { engine: engine(), format }),
  }));
}

/** Makes such an archive past all faults; in format v2 it is published, too. @param payloadBytes filling of the image */
export async function lockedArchive(
  site: NetworkSite,
  format: Format,
  payloadBytes = PAYLOAD_BYTES[format],
): Promise<LockedArchive> {
  const name = site.newName();
  const image = name.replace(".bin", "");
  const reference = `${image}:${TAG}`;
  const architecture = DOCKER_ARCHITECTURES[Deno.build.arch];
  const options = { references: [reference], architecture, payloadBytes };
  const plain = await collect(scratchArchive(options), LIMIT_BYTES);
  const flags = { "images": image, "api-version": TAG };
  if (format === "v1") return { reference, flags, plain, bytes: await encrypted(site, plain) };
  const bytes = await publishedDamaged(site, plain, name);
  return { reference, flags: { ...flags, "images-resource": `${FOLDER}/${name}` }, plain, bytes };
}

async function unlock<Fault>(
  site: NetworkSite,
  front: MakeFront<Fault>,
  { engine, format }: { engine: TestEngine; format: Format },
): Promise<Attempt<Fault>> {
  const { reference, flags, bytes, plain } = await lockedArchive(site, format);
  const made = await deviceBehind(site, front, format, { ...flags, "docker-host": engine.dockerHost });
  const { device } = made;
  await Deno.writeFile(device.services.settings.imagesPath, bytes);
  return {
    ...made,
    prepare: () => removeImage(engine, reference),
    async run() {
      const begun = await endOf(made.call("/unlock", json({ email: site.email, password: PASSWORD })));
      await device.services.unlock.settled();
      const { state, code } = await statusOf(made.call("/unlock/status"));
      if (begun !== "done") assert.equal(code, begun.replace(/, .*/, ""));
      return state === "ready" ? "done" : `${code}`;
    },
    async verify(ended) {
      assert.equal(await engine.images.inspect(reference) !== undefined, ended === "done", "what is tagged");
      const { error } = await statusOf(made.call("/unlock/status"));
      if (ended === "done") assert.equal(error, null);
      else assert.match(error ?? "", SENTENCE);
      await assertNoPlaintext(device.folder.path, plain);
      made.verifyLog();
    },
  };
}

async function statusOf(answer: Promise<Response>): Promise<UnlockStatus> {
  return await (await answer).json();
}

async function removeImage({ dockerHost, images }: TestEngine, reference: string): Promise<void> {
  if (await images.inspect(reference) !== undefined) await engineApi({ dockerHost }).remove([reference]);
}

async function encrypted({ origin }: NetworkSite, plain: Bytes): Promise<Bytes> {
  const deps = { clock: systemClock, signal: AbortSignal.timeout(SIGN_IN_LIMIT_MS) };
  const admin = await OriginAdmin.signIn(new URL(origin.url), origin.admin, deps);
  return await collect(encryptCbc(streamOf(plain), await archiveKey(await admin.keyFragment())), LIMIT_BYTES);
}

async function publishedDamaged({ publisher, s3 }: NetworkSite, plain: Bytes, name: string): Promise<Bytes> {
  const version = await publisher.seal(plain, { folder: FOLDER, name });
  await s3.root.send(new PutObjectCommand({ Bucket: FOLDER, Key: version.manifest.big.key, Body: version.big }));
  const { status, text } = await publisher.send(version, { folder: FOLDER, name });
  assert.equal(status, 201, text);
  return version.big.with(DAMAGED_AT, (version.big[DAMAGED_AT] ?? 0) ^ 1);
}

/** No file there holds any of it in the clear. */
async function assertNoPlaintext(folder: string, plain: Bytes): Promise<void> {
  const samples = [0.2, 0.5, 0.8].map((part) => {
    const start = Math.floor(plain.byteLength * part);
    return Buffer.from(plain.subarray(start, start + SAMPLE_BYTES));
  });
  for (const path of await filesBelow(folder)) {
    const bytes = Buffer.from(await Deno.readFile(join(folder, path)).catch(() => new Uint8Array()));
    assert(samples.every((sample) => !bytes.includes(sample)), `plaintext in ${path}`);
  }
}
