import { join } from "node:path";
import { z } from "zod";
import { encryptCbc } from "../lib/crypto/cbc_v1.ts";
import { archiveKey, sha256Hex } from "../lib/crypto/keys.ts";
import { scratchArchive } from "../lib/docker/scratch_archive.ts";
import { OPTIONS } from "../lib/config/options.ts";
import { writeStream } from "../lib/system/atomic_file.ts";
import { openFile } from "../lib/system/files.ts";
import { startDockerEngine } from "../tests/support/docker_engine.ts";
import { onDevice } from "./device_load.ts";
import { runScript, type Sample, secondsOf, sideBySide, summary } from "./measure.ts";
import { printTable, sampleColumns, sampleRow } from "./report.ts";
import type { Bench } from "./run.ts";
import { postJson, type Site, startSite } from "./site.ts";

const POLL_MS = 20;
const IV_BYTES = 16;
const REFERENCES = OPTIONS.images.parse(OPTIONS.images.fallback(() => undefined) ?? "").map((name) => `${name}:latest`);
const statusSchema = z.object({ state: z.string(), error: z.string().nullable() });

const OPENSSL = 'tail -c +17 "$IMAGES" | openssl enc -d -aes-256-cbc -K "$KEY" -iv "$IV" | docker load --quiet';

/** Unlocking an archive into a Docker engine of our own, beside docker and openssl on the same bytes. */
export async function benchUnlock({ folder, sizeBytes, rounds, peers }: Bench): Promise<void> {
  await using engine = await startDockerEngine(peers.dockerd);
  const { dockerHost } = engine;
  await using site = await startSite({ folder: join(folder, "unlock"), s3Program: peers.versitygw, dockerHost });
  const plainPath = join(folder, "images.tar");
  const secrets = await writeArchives(site, plainPath, sizeBytes);
  const variables = { DOCKER_HOST: dockerHost, PLAIN: plainPath, IMAGES: site.imagesPath, ...secrets };
  const fresh = (run: () => Promise<Sample>) => async () => {
    await engine.clear();
    return await run();
  };
  const { plain, openssl, unlock } = await sideBySide(rounds, {
    plain: fresh(() => runScript('docker load --quiet < "$PLAIN"', variables)),
    openssl: fresh(() => runScript(OPENSSL, variables)),
    unlock: fresh(() => unlockOnce(site)),
  });
  printTable("unlock, into Docker", sampleColumns("docker load"), [
    sampleRow("docker load of the plain archive", summary(plain), summary(plain), sizeBytes),
    sampleRow("openssl enc -d | docker load", summary(openssl), summary(plain), sizeBytes),
    {
      ...sampleRow("unlock", summary(unlock), summary(plain), sizeBytes),
      budget: "≤ 1.10 × docker load; ≤ 128 MiB",
    },
  ]);
}

/** Writes the archive of the images, plain and encrypted. Gives its key and IV in hex, for openssl. */
export async function writeArchives(
  site: Site,
  plainPath: string,
  sizeBytes: number,
): Promise<{ KEY: string; IV: string }> {
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const payloadBytes = Math.ceil(sizeBytes / REFERENCES.length);
  await writeStream(plainPath, scratchArchive({ references: REFERENCES, architecture, payloadBytes }));
  const fragment = await site.admin.keyFragment();
  await writeStream(site.imagesPath, encryptCbc(await openFile(plainPath), await archiveKey(fragment)));
  using file = await Deno.open(site.imagesPath, { read: true });
  const iv = new Uint8Array(IV_BYTES);
  await file.read(iv);
  return { KEY: await sha256Hex(fragment), IV: iv.toHex() };
}

/** Unlocks the archive of a site, and waits until the images are ready. @throws {Error} with what the device says when it fails */
export function unlockOnce(site: Site): Promise<Sample> {
  const { device, account } = site;
  return onDevice(site, async () => {
    const seconds = await secondsOf(async () => {
      await postJson(new URL("/unlock", device.url), account);
      await untilReady(device.url);
    });
    return { seconds };
  });
}

async function untilReady(deviceUrl: URL): Promise<void> {
  for (;;) {
    const response = await fetch(new URL("/unlock/status", deviceUrl));
    const { state, error } = statusSchema.parse(await response.json());
    if (state === "ready") return;
    if (state === "error") throw new Error(`The unlock failed: ${error}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
