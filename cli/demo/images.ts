import { archiveKey } from "../../lib/crypto/keys.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import type { ImageFacts, RemovingEngine } from "../../lib/docker/docker.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { DockerError } from "../../lib/errors.ts";
import { watched } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { writeStream } from "../../lib/system/atomic_file.ts";
import type { Bytes } from "../../lib/bytes.ts";

/** The images of a demo: the names that a device expects, under a tag that belongs to this demo alone. */
export interface DemoImages {
  /** `name:tag` of each. */
  readonly references: readonly string[];
  readonly engine: RemovingEngine;
}

const PAYLOAD_BYTES = 4 * 1024 * 1024;
/** An engine that was cut off while it loaded may still tag images for a moment. */
const QUIET_MS = 3_000;
const POLL_MS = 500;

/** The engine's version. @throws {DockerError} when none answers */
export async function dockerVersion({ engine }: DemoImages, signal: AbortSignal): Promise<string> {
  return await engine.version(signal);
}

/**
 * Writes the encrypted archive that the device will unlock: a real `docker save` archive of tiny images, encrypted while
 * it is made. Returns its size without the encryption.
 */
export async function writeArchive(
  { references }: DemoImages,
  { path, keyFragment }: { path: string; keyFragment: Bytes },
): Promise<number> {
  let sizeBytes = 0;
  const archive = scratchArchive({ references, architecture: architecture(), payloadBytes: PAYLOAD_BYTES });
  const counted = watched(archive, { look: (chunk) => void (sizeBytes += chunk.byteLength) });
  await writeStream(path, encryptCbc(counted, await archiveKey(keyFragment)));
  return sizeBytes;
}

function architecture(): "amd64" | "arm64" {
  return Deno.build.arch === "aarch64" ? "arm64" : "amd64";
}

/** What the engine says of each image. @throws {DockerError} when one is missing */
export async function inspectImages(
  { references, engine }: DemoImages,
  signal: AbortSignal,
): Promise<readonly (ImageFacts & { readonly reference: string })[]> {
  const found = [];
  for (const reference of references) {
    const facts = await engine.inspect(reference, signal);
    if (facts === undefined) throw new DockerError(`The image "${reference}" is missing after the unlock`);
    found.push({ ...facts, reference });
  }
  return found;
}

/** Removes those of the images that are there. After an unlock that was cut off, it waits until no more come. */
export async function removeImages(
  { references, engine }: DemoImages,
  { clock, settled }: { clock: Clock; settled: boolean },
): Promise<void> {
  const ours = new Set(references);
  for (let quietMs = settled ? QUIET_MS : 0;; quietMs += POLL_MS) {
    const present = (await engine.list()).filter((reference) => ours.has(reference));
    if (present.length > 0) {
      await engine.remove(present);
      quietMs = settled ? QUIET_MS : 0;
    }
    if (quietMs >= QUIET_MS) return;
    await clock.sleep(POLL_MS);
  }
}
