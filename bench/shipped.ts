import { join } from "node:path";
import { RUNTIME_VARIABLES } from "../tools/ship/flags.ts";
import { launcherFlags } from "../tools/ship/launcher.ts";
import { makeLauncher } from "../tools/ship/compile.ts";
import type { Architecture, Program } from "../tools/ship/programs.ts";
import { parseSite, type Site } from "../tools/ship/site.ts";
import { freePort } from "../tests/support/free_port.ts";
import { secondsOf } from "./measure.ts";
import { type Service, startService } from "./service.ts";

/** Arguments of the device service. */
export const DEVICE = ["device", "--json"] as const;
/** The verb that does least. */
export const VERSION = ["version"] as const;

const CACHE_FOLDER = "cache";

/** What a site has: settings, and hosts and folders of its CDNs. */
export interface ShippedPlace {
  readonly settings: Readonly<Record<string, string>>;
  readonly cdn?: readonly string[];
}

/** Programs as they are shipped, made for a site, in a folder of their own. */
export class Shipped {
  readonly site: Site;
  readonly #folder: string;

  /** Without a place, the API is one that nobody needs to reach. */
  constructor(folder: string, place: ShippedPlace = { settings: { RESOURCE_API_URL: "http://127.0.0.1:1" } }) {
    this.#folder = folder;
    const common = { PORT: String(freePort()), MODEL_CACHE_DIR: join(folder, "models"), LOG_LEVEL: "warning" };
    this.site = parseSite(JSON.stringify({ ...place, settings: { ...common, ...place.settings } }));
  }

  /** Makes a file; its path. */
  make(program: Program, architecture: Architecture): Promise<string> {
    return makeLauncher({ program, architecture, site: this.site, folder: this.#folder });
  }

  /** Makes a device, and starts it twice: the second start is the one that counts. */
  async startDevice(): Promise<Service> {
    const path = await this.make("device", Deno.build.arch);
    await (await this.start(path))[Symbol.asyncDispose]();
    return await this.start(path);
  }

  /** Starts the service of a file. */
  start(path: string): Promise<Service> {
    return startService(path, DEVICE, { XDG_CACHE_HOME: this.#cache });
  }

  /** Where a device's file has unpacked what it starts. */
  get unpacked(): string {
    const root = join(this.#cache, "tallystick");
    const [found] = [...Deno.readDirSync(root)].filter(({ name }) => name.startsWith("tally-device-"));
    if (found === undefined) throw new Error("No file has been started yet");
    return join(root, found.name);
  }

  /** Flags and variables that a launcher gives the runtime. */
  runtime(program: Program): { readonly flags: readonly string[]; readonly env: Readonly<Record<string, string>> } {
    const runtime = Object.fromEntries(RUNTIME_VARIABLES.map(({ name, value }) => [name, value]));
    const facts = { HARDWARE_FILE: join(this.unpacked, "hardware.json") };
    return {
      flags: launcherFlags(program, this.site, this.unpacked),
      env: { ...this.site.variables, ...facts, ...runtime, DENO_DIR: join(this.unpacked, "cache") },
    };
  }

  /** Runs a file to its end; seconds. */
  run(path: string, args: readonly string[]): Promise<number> {
    return runToEnd(path, args, { XDG_CACHE_HOME: this.#cache });
  }

  get #cache(): string {
    return join(this.#folder, CACHE_FOLDER);
  }
}

/** Runs a program to its end; seconds. @throws {Error} when it fails */
export function runToEnd(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  return secondsOf(async () => {
    const { success } = await new Deno.Command(program, {
      args: [...args],
      env: { ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn().status;
    if (!success) throw new Error(`"${program} ${args.join(" ")}" failed`);
  });
}
