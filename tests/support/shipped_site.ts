import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { makeLauncher } from "../../tools/ship/compile.ts";
import type { Architecture, Program } from "../../tools/ship/programs.ts";
import { parseSite, type Site } from "../../tools/ship/site.ts";
import { freePort } from "./free_port.ts";
import { OriginSite } from "./origin_site.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { recordOutput } from "./witness.ts";

/** How a shipped file is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A service that runs from a shipped file. Dispose it: it is stopped. */
export interface RunningService extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Time from the start of the process to the first line that it prints. */
  readonly startMs: number;
}

/** How a program ended. */
export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real origin, and the site of a device that may reach only this origin. */
export class ShippedSite implements AsyncDisposable {
  readonly folder: string;
  readonly origin: OriginSite;
  readonly site: Site;
  readonly devicePort: number;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    folder: TempFolder,
    origin: OriginSite,
    resources: AsyncDisposableStack,
    options: ShippedSiteOptions,
  ) {
    this.folder = folder.path;
    this.origin = origin;
    this.devicePort = freePort();
    this.site = parseSite(JSON.stringify(siteFile(folder.path, origin, this.devicePort, options)));
    this.#resources = resources;
  }

  static async open(options: ShippedSiteOptions = {}): Promise<ShippedSite> {
    const { cdn } = options;
    await using made = new AsyncDisposableStack();
    const folder = made.use(await tempFolder());
    const origin = made.use(await OriginSite.start());
    for (const name of ["models", "state"]) await Deno.mkdir(join(folder.path, name), { mode: 0o700 });
    if (cdn !== undefined) await Deno.writeTextFile(join(folder.path, "cdn.yaml"), cdn.yaml, { mode: 0o600 });
    return new ShippedSite(folder, origin, made.move(), options);
  }

  /** Archive that an unlock opens. */
  get imagesPath(): string {
    return imagesPath(this.folder);
  }

  /** Makes a launcher file; `main` stands in for the program. */
  async make(program: Program, architecture: Architecture, main?: Bytes): Promise<string> {
    const folder = join(this.folder, main === undefined ? "dist" : "probe");
    return await makeLauncher({
      program,
      architecture,
      site: this.site,
      folder,
      ...(main === undefined ? {} : { main }),
    });
  }

  /** Runs a shipped file to its end. */
  async run(path: string, args: readonly string[], options: StartOptions = {}): Promise<Ended> {
    const child = this.#command(path, args, options).spawn();
    const [{ code }, stdout, stderr] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { exitCode: code, stdout, stderr: recordOutput(`standard error of ${path.split("/").at(-1)}`, stderr) };
  }

  /** Starts the device service and waits until it listens. */
  async startDevice(path: string, options: StartOptions = {}): Promise<RunningService> {
    return await runningService(this.#command(path, ["device", "--json"], options));
  }

  #command(path: string, args: readonly string[], { env = {}, cwd = this.folder }: StartOptions): Deno.Command {
    return new Deno.Command(path, {
      args: [...args],
      clearEnv: true,
      env: { XDG_CACHE_HOME: join(this.folder, "cache"), ...env },
      cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** Starts a service and waits for the line that says where it listens. */
export async function runningService(command: Deno.Command): Promise<RunningService> {
  const startMs = performance.now();
  const child = command.spawn();
  const stderr = new Response(child.stderr).text().then((text) => recordOutput("log of a service", text));
  const reader = child.stdout.getReader();
  const { value, done } = await reader.read();
  if (done) throw new Error(`The service did not start: ${await stderr}`);
  const listeningMs = performance.now() - startMs;
  return {
    url: JSON.parse(new TextDecoder().decode(value)).url,
    pid: child.pid,
    startMs: listeningMs,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reader.cancel();
      await stderr;
    },
  };
}

/** A CDN in place of the origin's own object store. */
export interface SiteCdn {
  /** `host:port` */
  readonly host: string;
  /** Text of its settings file. */
  readonly yaml: string;
}

/** What a site has beside its origin. */
export interface ShippedSiteOptions {
  readonly cdn?: SiteCdn | undefined;
  /** Before those that every site has. */
  readonly settings?: Readonly<Record<string, string>>;
}

function siteFile(folder: string, origin: OriginSite, port: number, { cdn, settings }: ShippedSiteOptions) {
  return {
    settings: {
      RESOURCE_API_URL: origin.url,
      AIGNOSTICS_API_ROOT: origin.url,
      PORT: String(port),
      MODEL_CACHE_DIR: join(folder, "models"),
      STATE_DIR: join(folder, "state"),
      IMAGES_PATH: imagesPath(folder),
      DOCKER_HOST: `unix://${join(folder, "docker.sock")}`,
      ...(cdn === undefined ? {} : { CDN_CONFIG: join(folder, "cdn.yaml") }),
      ...settings,
    },
    cdn: [cdn?.host ?? new URL(origin.url).host],
    origin: { dataDir: join(folder, "another-origin"), port: freePort() },
  };
}

function imagesPath(folder: string): string {
  return join(folder, "images.enc");
}
