import { formatSize, wipe } from "../../lib/bytes.ts";
import { DockerError } from "../../lib/errors.ts";
import type { Shell } from "../shell.ts";
import { watchUnlock } from "../unlock_watch.ts";
import { type DemoImages, dockerVersion, inspectImages, removeImages, writeArchive } from "./images.ts";
import type { DemoReport } from "./report.ts";
import type { DemoSite } from "./site.ts";

const SHORT_ID_CHARACTERS = 19; // "sha256:" and twelve digits

/** The part of the demo that brings images into Docker. Dispose it: they are removed again. */
export class UnlockPart implements AsyncDisposable {
  readonly #images: DemoImages;
  readonly #shell: Shell;
  #state: "not started" | "running" | "settled" = "not started";

  constructor(images: DemoImages, shell: Shell) {
    this.#images = images;
    this.#shell = shell;
  }

  /** Builds an archive, encrypts it and unlocks it on the device; says so when there is no Docker engine. */
  async show(site: DemoSite, report: DemoReport): Promise<void> {
    const { output, signal } = this.#shell;
    try {
      const version = await dockerVersion(this.#images, signal);
      output.event({ event: "docker", available: true, version }, `Docker ${version} answers`);
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      const { message: reason } = error;
      return output.event({ event: "docker", available: false, reason }, `The unlock is left out. ${reason}`);
    }
    const sizeBytes = await this.#prepare(site);
    const startMs = this.#shell.io.clock.now();
    await this.#unlock(site);
    report.add({ step: "unlock", sizeBytes, elapsedMs: this.#shell.io.clock.now() - startMs });
    await this.#list();
  }

  /** Removes what came into Docker. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "not started") return;
    await removeImages(this.#images, { clock: this.#shell.io.clock, settled: this.#state === "settled" });
  }

  async #prepare({ admin, imagesPath }: DemoSite): Promise<number> {
    const keyFragment = await admin.keyFragment();
    const sizeBytes = await writeArchive(this.#images, { path: imagesPath, keyFragment });
    wipe(keyFragment);
    const count = this.#images.references.length;
    this.#shell.output.event(
      { event: "archive", path: imagesPath, sizeBytes, images: count },
      `Wrote an encrypted archive of ${count} scratch images: ${formatSize(sizeBytes)}`,
    );
    return sizeBytes;
  }

  async #unlock({ admin, device }: DemoSite): Promise<void> {
    const { io, output, signal } = this.#shell;
    const { email, password } = await admin.createDevice();
    this.#state = "running";
    const first = await device.unlock(email, password);
    await watchUnlock(first, () => device.unlockStatus(), { output, clock: io.clock, signal });
    this.#state = "settled";
  }

  async #list(): Promise<void> {
    const { output, signal } = this.#shell;
    const images = await inspectImages(this.#images, signal);
    output.event({ event: "images", images }, "Docker has them now; they are removed again at the end:");
    for (const { reference, id } of images) output.line(`  ${reference}  ${id.slice(0, SHORT_ID_CHARACTERS)}`);
  }
}
