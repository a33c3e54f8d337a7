import { join } from "node:path";
import { z } from "zod";
import type { EngineSettings } from "../../lib/docker/open_engine.ts";
import { httpClient } from "../../lib/http/client.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { fileFacts, listFiles, removeFile } from "../../lib/system/files.ts";
import { DeviceClient } from "../device_client.ts";
import { type RunningService, runVerb, startService } from "./child.ts";
import { OriginAdmin } from "./origin_admin.ts";
import type { ThisProgram } from "./this_program.ts";

/** How the demo's device is set up. */
export interface SiteOptions {
  /** Folder of the whole site. */
  readonly path: string;
  /** Tag of the images that the device expects. */
  readonly imageTag: string;
  readonly docker: EngineSettings;
}

/** What a site is started with. */
export interface SiteDeps {
  readonly program: ThisProgram;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Where a part of a resource lies. */
export interface PartPlace {
  readonly part: "small" | "big";
  readonly place: string;
  /** Of a file, or the address of a call. */
  readonly path: string;
  readonly sizeBytes: number;
}

const NOTE_SUFFIX = ".json";
const accountSchema = z.object({ email: z.string(), password: z.string() });

/** An origin and a device with fresh state, as two processes. Dispose it: both are stopped. */
export class DemoSite implements AsyncDisposable {
  readonly originUrl: URL;
  readonly deviceUrl: URL;
  readonly imagesPath: string;
  readonly admin: OriginAdmin;
  readonly device: DeviceClient;
  readonly #path: string;
  readonly #processes: AsyncDisposableStack;

  private constructor(
    path: string,
    { origin, device, admin, processes, signal }: {
      origin: RunningService;
      device: RunningService;
      admin: OriginAdmin;
      processes: AsyncDisposableStack;
      signal: AbortSignal;
    },
  ) {
    this.originUrl = origin.url;
    this.deviceUrl = device.url;
    this.imagesPath = imagesPathOf(path);
    this.admin = admin;
    this.device = new DeviceClient({ baseUrl: device.url, http: httpClient("device"), signal });
    this.#path = path;
    this.#processes = processes;
  }

  /** Makes the origin, starts both programs on free ports, and signs the administrator in. */
  static async start({ path, imageTag, docker }: SiteOptions, deps: SiteDeps): Promise<DemoSite> {
    const { program, clock, signal } = deps;
    await using processes = new AsyncDisposableStack();
    const dataDir = originFolder(path);
    const administrator = accountSchema.parse(
      await runVerb(program, ["origin", "init", "--data-dir", dataDir], signal),
    );
    const publisherKey = join(path, "publisher", "publisher.key");
    for (
      const args of [
        ["keys", "new", "--publisher", "--out", publisherKey],
        ["origin", "publisher", "add", `${publisherKey}.pub`, "--name", "demo", "--data-dir", dataDir],
      ]
    ) await runVerb(program, args, signal);
    const origin = processes.use(
      await startService(program, ["origin", "serve", "--data-dir", dataDir, "--port", "0"], { clock, signal }),
    );
    const flags = {
      "--port": "0",
      "--resource-api-url": origin.url.href,
      "--model-cache-dir": cacheFolder(path),
      "--state-dir": join(path, "device", "state"),
      "--publisher-key-file": publisherKey,
      "--images-path": imagesPathOf(path),
      "--api-version": imageTag,
      "--docker-host": docker.dockerHost,
      "--docker-via": docker.dockerVia,
      "--docker-program": docker.dockerProgram,
      "--log-level": "warning",
    };
    const device = processes.use(
      await startService(program, ["device", ...Object.entries(flags).flat()], { clock, signal }),
    );
    const admin = await OriginAdmin.signIn(origin.url, administrator, { clock, signal });
    return new DemoSite(path, { origin, device, admin, processes: processes.move(), signal });
  }

  /** Where the parts of the one resource in a folder lie now. */
  async partPlaces({ folder, name }: { folder: string; name: string }): Promise<PartPlace[]> {
    const small = { part: "small", place: "origin", ...await this.admin.smallPart({ folder, name }) } as const;
    const places = [
      { part: "big", place: "CDN", path: join(originFolder(this.#path), "objects") },
      { part: "big", place: "device cache", path: join(cacheFolder(this.#path), folder) },
    ] as const;
    const found = await Promise.all(places.map(async (place) => {
      const files = await filesIn(place.path);
      const largest = files.toSorted((one, other) => other.sizeBytes - one.sizeBytes)[0];
      return largest === undefined ? [] : [{ ...place, ...largest }];
    }));
    return [small, ...found.flat()];
  }

  /** Makes the device forget its big parts, so that the next load fetches them anew. */
  async dropCache(folder: string): Promise<void> {
    const path = join(cacheFolder(this.#path), folder);
    for (const name of await listFiles(path)) await removeFile(join(path, name));
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#processes.disposeAsync();
  }
}

function originFolder(path: string): string {
  return join(path, "origin");
}

function cacheFolder(path: string): string {
  return join(path, "device", "cache");
}

function imagesPathOf(path: string): string {
  return join(path, "device", "images.enc");
}

/** Parts only: what the cache notes of a part is none, and larger than a tiny one. */
async function filesIn(folder: string): Promise<{ path: string; sizeBytes: number }[]> {
  const names = (await listFiles(folder)).filter((name) => !name.endsWith(NOTE_SUFFIX));
  const facts = await Promise.all(names.map((name) => fileFacts(join(folder, name))));
  return names.map((name, index) => ({ path: join(folder, name), sizeBytes: facts[index]?.sizeBytes ?? 0 }));
}
