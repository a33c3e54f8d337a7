import assert from "node:assert/strict";
import { join } from "node:path";
import { OriginAdmin } from "../../cli/demo/origin_admin.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { archiveKey } from "../../lib/crypto/keys.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { writeStream } from "../../lib/system/atomic_file.ts";
import type { UnlockStatus } from "../../lib/unlock/machine.ts";
import { DOCKER_ARCHITECTURES } from "../../tools/ship/image.ts";
import { post } from "./device_round.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free_port.ts";
import { OriginSite, PASSWORD } from "./origin_site.ts";
import { killTally, startTally, type TallyResult } from "./tally.ts";
import { V2Device } from "./v2_device.ts";

const TAG = "1.4.2";
const NAMES = ["azaion/annotations", "azaion/detections"];
const SIGN_IN_LIMIT_MS = 10_000;
const UNLOCK_LIMIT_MS = 60_000;
/** What a service has for an orderly end. */
const STOP_LIMIT_MS = 10_000;

/** `name:tag` of every image in the archive of a site, sorted. */
export const REFERENCES: readonly string[] = NAMES.map((name) => `${name}:${TAG}`);

/** How a site is made. */
export interface UnlockSiteOptions {
  /** Where the engine is, or will be. */
  readonly dockerHost: string;
  readonly flags?: Readonly<Record<string, string>>;
  /** Filling of each image. */
  readonly payloadBytes?: number;
  readonly clock?: Clock;
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

  static async start(
    { dockerHost, flags = {}, payloadBytes = 100_000, clock = systemClock }: UnlockSiteOptions,
  ): Promise<UnlockSite> {
    await using made = new AsyncDisposableStack();
    const origin = made.use(await OriginSite.start());
    const settings = { "docker-host": dockerHost, "images": NAMES.join(","), "api-version": TAG, ...flags };
    const device = made.use(await V2Device.start(origin, { flags: settings, clock }));
    const { email } = await origin.user("CompanionPC");
    await writeArchive(origin, device.services.settings.imagesPath, payloadBytes);
    made.move();
    return new UnlockSite(origin, device, email);
  }

  /** Settings with which another process works on the same archive, with a state of its own. */
  flagsOfAnother(changes: Readonly<Record<string, string>> = {}): string[] {
    const { folder, services: { settings } } = this.device;
    const flags = {
      "resource-api-url": settings.resourceApiUrl.href,
      "state-dir": join(folder.path, "state-of-another"),
      "model-cache-dir": join(folder.path, "cache-of-another"),
      "images-path": settings.imagesPath,
      "images": settings.images.join(","),
      "api-version": settings.apiVersion,
      "hardware-file": settings.hardwareFile ?? "",
      "docker-host": settings.dockerHost,
      ...changes,
    };
    return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
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

/** A device service as a process of its own. Disposing kills it. */
export interface UnlockService extends AsyncDisposable {
  /** Asks for an unlock, and expects that it goes on. */
  unlock(): Promise<void>;
  status(): Promise<UnlockStatus>;
  /** Asks it to end (SIGTERM), and waits until it has, for twice the time that it may take. */
  stop(): Promise<TallyResult>;
}

/** Starts a device service on the archive of a site, and waits until it listens. */
export async function startUnlockService(
  site: UnlockSite,
  flags: Readonly<Record<string, string>> = {},
): Promise<UnlockService> {
  const port = `${freePort()}`;
  const service = startTally(["device", ...site.flagsOfAnother({ port, "log-level": "debug", ...flags })]);
  await service.stdin.close();
  const url = `http://127.0.0.1:${port}`;
  let ended: TallyResult | undefined;
  service.ended.then((result) => ended = result);
  await eventually(
    "it listens",
    () => fetch(`${url}/health`).then((answer) => answer.text()).then(() => true, () => false),
  );
  return {
    async unlock() {
      const answer = await post(`${url}/unlock`, JSON.stringify(site.account));
      assert.equal(await answer.text(), '{"state":"downloading_key"}');
    },
    status: async () => await (await fetch(`${url}/unlock/status`)).json(),
    async stop() {
      service.signal("SIGTERM");
      await eventually("it has ended", () => Promise.resolve(ended !== undefined), 2 * STOP_LIMIT_MS);
      return await service.ended;
    },
    [Symbol.asyncDispose]: () => killTally(service),
  };
}

async function writeArchive(origin: OriginSite, path: string, payloadBytes: number): Promise<void> {
  const deps = { clock: systemClock, signal: AbortSignal.timeout(SIGN_IN_LIMIT_MS) };
  const admin = await OriginAdmin.signIn(new URL(origin.url), origin.admin, deps);
  const architecture = DOCKER_ARCHITECTURES[Deno.build.arch];
  const archive = scratchArchive({ references: REFERENCES, architecture, payloadBytes });
  await writeStream(path, encryptCbc(archive, await archiveKey(await admin.keyFragment())));
}
