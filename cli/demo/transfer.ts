import { createHash } from "node:crypto";
import type { Bytes } from "../../lib/bytes.ts";
import { IntegrityError } from "../../lib/errors.ts";
import { watched } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { openFile } from "../../lib/system/files.ts";
import type { DeviceClient } from "../device_client.ts";
import type { Output } from "../output.ts";

/** Bytes that went from one place to another. */
export interface Transfer {
  readonly sizeBytes: number;
  readonly elapsedMs: number;
  readonly sha256: string;
  /** Where the big part came from, for a load. */
  readonly source?: string | undefined;
}

/** Which resource. */
export interface ResourceName {
  readonly folder: string;
  readonly name: string;
}

/** What a transfer is shown with. */
export interface TransferDeps {
  readonly device: DeviceClient;
  readonly output: Output;
  readonly clock: Clock;
}

/** Publishes a file through the device, as whoever is signed in there. */
export async function uploadFile(
  { folder, name }: ResourceName,
  { path, sizeBytes }: { path: string; sizeBytes: number },
  { device, output, clock }: TransferDeps,
): Promise<Transfer> {
  using progress = output.progress(`Uploading ${name}`, { event: "progress", step: "upload" });
  const counter = new Counter((doneBytes) => progress.update(doneBytes, sizeBytes));
  const startMs = clock.now();
  await device.upload({ folder, name, sizeBytes, data: watched(await openFile(path), counter) });
  return { sizeBytes, elapsedMs: clock.now() - startMs, sha256: counter.sha256() };
}

/** Loads a resource through the device and throws the bytes away; only their digest stays. */
export async function loadAndCompare(
  { folder, name }: ResourceName,
  expected: Transfer,
  { device, output, clock }: TransferDeps,
): Promise<Transfer> {
  using progress = output.progress(`Loading ${name}`, { event: "progress", step: "load" });
  const counter = new Counter((doneBytes) => progress.update(doneBytes, expected.sizeBytes));
  const startMs = clock.now();
  const { body, source } = await device.load(folder, name);
  await watched(body, counter).pipeTo(new WritableStream());
  const loaded = { sizeBytes: counter.sizeBytes, elapsedMs: clock.now() - startMs, sha256: counter.sha256(), source };
  if (loaded.sha256 === expected.sha256) return loaded;
  throw new IntegrityError(`Loaded "${folder}/${name}" is not what was uploaded: its SHA-256 differs`);
}

class Counter {
  readonly #digest = createHash("sha256");
  readonly #onProgress: (doneBytes: number) => void;
  sizeBytes = 0;

  constructor(onProgress: (doneBytes: number) => void) {
    this.#onProgress = onProgress;
  }

  look(chunk: Bytes): void {
    this.#digest.update(chunk);
    this.#onProgress(this.sizeBytes += chunk.byteLength);
  }

  sha256(): string {
    return this.#digest.digest("hex");
  }
}
