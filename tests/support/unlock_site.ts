import assert from "node:assert/strict";
import { OriginAdmin } from "../../cli/demo/origin_admin.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { archiveKey } from "../../lib/crypto/keys.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { writeStream } from "../../lib/system/files.ts";
import type { UnlockStatus } from "../../lib/unlock/machine.ts";
import { DOCKER_ARCHITECTURES } from "../../tools/ship/image.ts";
import { post } from "./device_round.ts";
import { eventually } from "./eventually.ts";
import { OriginSite, PASSWORD } from "./origin_site.ts";
import { V2Device } from "./v2_device.ts";

const TAG = "1.4.2";
const NAMES = ["azaion/annotations", "azaion/detections"];
const SIGN_IN_LIMIT_MS = 10_000;
const UNLOCK_LIMIT_MS = 60_000;

/** `name:tag` of every image in the archive of a site, sorted. */
export const REFERENCES: readonly string[] = NAMES.map((name) => `${name}:${TAG}`);

/** How a site is made. */
export interface UnlockSiteOptions {
  /** Where the engine is, or will be. */
  readonly dockerHost: string;
  readonly flags?: Readonly<Record<string, string>>;
  /** Filling of each image. */
  readonly payloadBytes?: number;
}

/** A real device with an archive of format v1 beside a real origin, and an account that may unlock it. */
export class UnlockSite implements AsyncDisposable {
  readonly origin: OriginSite;
  readonly device: V2Device;
  /** Email and password of who unlocks. */
  readonly account: { readonly email: string; readonly password: string };

  private constructor(origin: OriginSite, device: V2Device, email: string) {
    this.origin = origin;
    this.device = device;
    this.account = { email, password: PASSWORD };
  }

  static async start({ dockerHost, flags = {}, payloadBytes = 100_000 }: UnlockSiteOptions): Promise<UnlockSite> {
    await using made = new AsyncDisposableStack();
    const origin = made.use(await OriginSite.start());
    const settings = { "docker-host": dockerHost, "images": NAMES.join(","), "api-version": TAG, ...flags };
    const device = made.use(await V2Device.start(origin, { flags: settings }));
    const { email } = await origin.user("CompanionPC");
    await writeArchive(origin, device.services.settings.imagesPath, payloadBytes);
    made.move();
    return new UnlockSite(origin, device, email);
  }

  /** Path of the archive. */
  get imagesPath(): string {
    return this.device.services.settings.imagesPath;
  }

  /** Asks for an unlock, and gives the answer's status and text. */
  async ask(): Promise<{ status: number; text: string }> {
    const answer = await post(`${this.device.url}/unlock`, JSON.stringify(this.account));
    return { status: answer.status, text: await answer.text() };
  }

  /** What the device says of the unlock. */
  async status(): Promise<UnlockStatus> {
    return await (await fetch(`${this.device.url}/unlock/status`)).json();
  }

  /** Asks for an unlock that begins, and waits for its end. */
  async unlock(): Promise<UnlockStatus> {
    const { status, text } = await this.ask();
    assert.equal(status, 200, text);
    return await this.settled();
  }

  /** The status when no unlock is under way any more. */
  async settled(): Promise<UnlockStatus> {
    await this.until("the unlock has ended", ({ state }) => state === "ready" || state === "error");
    return await this.status();
  }

  /** Waits until the status of the unlock is as it should be. */
  async until(what: string, holds: (status: UnlockStatus) => boolean): Promise<void> {
    await eventually(what, () => Promise.resolve(holds(this.device.services.unlock.status())), UNLOCK_LIMIT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

async function writeArchive(origin: OriginSite, path: string, payloadBytes: number): Promise<void> {
  const deps = { clock: systemClock, signal: AbortSignal.timeout(SIGN_IN_LIMIT_MS) };
  const admin = await OriginAdmin.signIn(new URL(origin.url), origin.admin, deps);
  const architecture = DOCKER_ARCHITECTURES[Deno.build.arch];
  const archive = scratchArchive({ references: REFERENCES, architecture, payloadBytes });
  await writeStream(path, encryptCbc(archive, await archiveKey(await admin.keyFragment())));
}
