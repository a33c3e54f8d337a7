import { join } from "node:path";
import { run } from "../../cli/run.ts";
import type { Programs } from "../../cli/shell.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { InterruptedError } from "../../lib/errors.ts";
import { RecordedIo } from "./recorded_io.ts";
import { NOW_SECONDS } from "./sealed_resource.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";

const PROGRAMS: Programs = {
  device: () => Promise.reject(new Error("not asked for")),
  origin: () => Promise.reject(new Error("not asked for")),
};

/** How a command line ended. */
export interface Said {
  readonly exitCode: number;
  readonly said: string;
  readonly complained: string;
}

/** What `tally seal --json` tells. */
export interface SealedFacts {
  readonly big: string;
  readonly hashes?: string;
  readonly small: readonly { readonly kid: string; readonly path: string }[];
}

/** A folder with a publisher's and a device's key, in which command lines run with a clock that stands still. */
export class OfflineSite implements AsyncDisposable {
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /** Makes the folder and the keys `device.key` and `release.key`. */
  static async create(): Promise<OfflineSite> {
    const site = new OfflineSite(await tempFolder());
    await site.ok("keys", "new", "--device", "--out", site.path("device.key"));
    await site.ok("keys", "new", "--publisher", "--out", site.path("release.key"));
    return site;
  }

  /** A path in the folder. */
  path(...names: string[]): string {
    return join(this.#folder.path, ...names);
  }

  /** Runs a command line to its end. */
  tally(...args: string[]): Promise<Said> {
    return this.tallyAt(NOW_SECONDS, ...args);
  }

  /** The same at another time, in seconds since 1970. */
  tallyAt(nowSeconds: number, ...args: string[]): Promise<Said> {
    return this.#run(args, { nowSeconds });
  }

  /** The same with something on standard input. */
  tallyWith(input: string, ...args: string[]): Promise<Said> {
    return this.#run(args, { input });
  }

  /** The same for a person who has asked to stop. */
  tallyStopped(...args: string[]): Promise<Said> {
    return this.#run(args, { signal: AbortSignal.abort(new InterruptedError()) });
  }

  async #run(
    args: readonly string[],
    { nowSeconds = NOW_SECONDS, input = "", signal = new AbortController().signal }: {
      nowSeconds?: number;
      input?: string;
      signal?: AbortSignal;
    },
  ): Promise<Said> {
    const io = new RecordedIo({ input });
    io.nowMs = nowSeconds * 1000;
    const exitCode = await run(args, io, PROGRAMS, signal);
    return { exitCode, said: io.said, complained: io.complained };
  }

  /** Runs a command line that must succeed. @returns what it said */
  async ok(...args: string[]): Promise<string> {
    const { exitCode, said, complained } = await this.tally(...args);
    if (exitCode !== 0) throw new Error(`tally ${args.join(" ")} ended with ${exitCode}: ${complained}`);
    return said;
  }

  /** Seals a plaintext for the device, as version 1.0.0 of `models/detector` where nothing else is said. */
  async seal(plain: Bytes, ...more: string[]): Promise<SealedFacts> {
    await Deno.writeFile(this.path("plain"), plain);
    const defaults = ["--name", "detector", "--version", "1.0.0", "--out", this.path("site")];
    const keys = ["--publisher-key", this.path("release.key"), "--to", this.path("device.key.pub")];
    return JSON.parse(await this.ok("--json", "seal", this.path("plain"), ...defaults, ...keys, ...more));
  }

  /** The command line that opens such files with the device's key into `opened`, with whatever is wanted otherwise. */
  openArgs({ big, small }: SealedFacts, ...more: string[]): string[] {
    const files = ["--small", small[0]?.path ?? "", "--big", big, "--out", this.path("opened")];
    const keys = ["--device-key", this.path("device.key"), "--publisher-key", this.path("release.key.pub")];
    return ["open", ...files, ...keys, ...more];
  }

  /** Names of everything in a folder of the site. */
  names(...folder: string[]): string[] {
    return [...Deno.readDirSync(this.path(...folder))].map(({ name }) => name).sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#folder[Symbol.asyncDispose]());
  }
}
