import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { utf8 } from "../../lib/bytes.ts";
import { parseSettings } from "../../lib/config/config.ts";
import type { HardwareFacts } from "../../lib/hardware/probe.ts";
import { createLogger } from "../../lib/log.ts";
import { createServices, type Services } from "../../lib/services.ts";
import { collect } from "../../lib/streams.ts";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { serveDevice } from "../../routes/serve.ts";
import { FACTS } from "./hardware_facts.ts";
import { type OriginSite, PASSWORD } from "./origin_site.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { recordedLines } from "./witness.ts";

const LIMIT_BYTES = 256 * 1024 * 1024;

/** How a device is started. */
export interface V2DeviceOptions {
  readonly flags?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly facts?: HardwareFacts;
}

/** The whole of a real device beside a real origin: its services, and its HTTP API on a free port. */
export class V2Device implements AsyncDisposable {
  readonly services: Services;
  readonly url: string;
  readonly folder: TempFolder;
  readonly logLines: string[];
  readonly #stop: () => Promise<void>;

  private constructor(
    services: Services,
    { url, folder, logLines, stop }: {
      url: string;
      folder: TempFolder;
      logLines: string[];
      stop: () => Promise<void>;
    },
  ) {
    this.services = services;
    this.url = url;
    this.folder = folder;
    this.logLines = logLines;
    this.#stop = stop;
  }

  /** Starts a device with fresh state, or with that of `before`, which has been stopped. */
  static async start(
    site: OriginSite,
    { flags = {}, clock = systemClock, facts = FACTS }: V2DeviceOptions = {},
    before?: V2Device,
  ): Promise<V2Device> {
    const folder = before?.folder ?? await tempFolder();
    const hardwareFile = join(folder.path, "hardware.json");
    await Deno.writeFile(hardwareFile, utf8(JSON.stringify(facts)));
    const settings = parseSettings({
      flags: {
        "resource-api-url": site.url,
        "port": "0",
        "state-dir": join(folder.path, "state"),
        "model-cache-dir": join(folder.path, "cache"),
        "images-path": join(folder.path, "images.enc"),
        "hardware-file": hardwareFile,
        ...flags,
      },
      environment: () => undefined,
      file: {},
    });
    const logLines: string[] = [];
    const log = createLogger({ level: "debug", write: recordedLines("log of a v2 device", logLines), now: clock.now });
    const services = await createServices(settings, { log, clock });
    const stop = new AbortController();
    const listening = Promise.withResolvers<string>();
    const ended = serveDevice(services, stop.signal, listening.resolve);
    const url = await Promise.race([listening.promise, ended.then(() => "")]);
    return new V2Device(services, {
      ...{ url, folder, logLines },
      stop: async () => {
        stop.abort();
        await ended;
        await services.stop();
      },
    });
  }

  signIn(email: string, password = PASSWORD): Promise<unknown> {
    return this.services.session.signIn({ email, password });
  }

  /** Loads all of a resource, as the command line does without a device. */
  async load(folder: string, name: string): Promise<Bytes> {
    const { body } = await this.services.load({ folder, name });
    return await collect(body, LIMIT_BYTES);
  }

  cachePath(folder: string, key: string): string {
    return join(this.folder.path, "cache", folder, key);
  }

  /** Ends it and keeps its state, for another start. */
  async stop(): Promise<void> {
    await this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}
