import { join } from "node:path";
import { sha256Hex } from "../../lib/crypto/keys.ts";
import { findProgram } from "../program.ts";
import { run } from "../run.ts";
import { say } from "../say.ts";
import type { Architecture } from "./programs.ts";

/** The one version of Deno that everything here is made with and for. */
export const DENO_VERSION = "2.9.5";

/** Deno for one kind of processor, as npm has it. */
interface Runtime {
  readonly npmPackage: string;
  readonly target: string;
  /** Of the program in the package, lower-case hex. */
  readonly sha256: string;
}

/** What is shipped, by processor. */
export const RUNTIMES: Readonly<Record<Architecture, Runtime>> = {
  aarch64: {
    npmPackage: "@deno/linux-arm64-glibc",
    target: "aarch64-unknown-linux-gnu",
    sha256: "e1a70c5eb03b0ebaf761077029ef86b9ba22d50e2b54ca45ce5437457f701b63",
  },
  x86_64: {
    npmPackage: "@deno/linux-x64-glibc",
    target: "x86_64-unknown-linux-gnu",
    sha256: "dc480c462c8c3582524f3e75c160613d0a975e1f66b5465995d58bae236da7d3",
  },
};

const CACHE_FOLDER = join(import.meta.dirname ?? "", "../../.cache/deno");
const FETCH_LIMIT_MS = 5 * 60_000;
const EXECUTABLE_MODE = 0o755;

/** Bytes of the pinned Deno: this very program, or one that was fetched before, or one from npm. @throws {Error} when it is another one */
export async function runtimeBytes(architecture: Architecture): Promise<Uint8Array<ArrayBuffer>> {
  return await Deno.readFile(await runtimePath(architecture));
}

/** Path of the same. Its digest was checked just now. */
export async function runtimePath(architecture: Architecture): Promise<string> {
  if (architecture === Deno.build.arch && await isPinned(Deno.execPath(), architecture)) return Deno.execPath();
  const path = join(CACHE_FOLDER, `deno-${DENO_VERSION}-${architecture}`);
  if (!await isPinned(path, architecture)) await fetchRuntime(architecture, path);
  return path;
}

/** @throws {Error} unless this is the pinned version: the bundler is part of what makes a build repeatable */
export function requirePinnedVersion(): void {
  if (Deno.version.deno === DENO_VERSION) return;
  throw new Error(`This is Deno ${Deno.version.deno}; run it with: npx -y deno@${DENO_VERSION} task compile`);
}

async function isPinned(path: string, architecture: Architecture): Promise<boolean> {
  try {
    return await sha256Hex(await Deno.readFile(path)) === RUNTIMES[architecture].sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function fetchRuntime(architecture: Architecture, path: string): Promise<void> {
  const { npmPackage } = RUNTIMES[architecture];
  say(`Fetching ${npmPackage}@${DENO_VERSION}, once`);
  await Deno.mkdir(CACHE_FOLDER, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: CACHE_FOLDER, prefix: ".fetch-" });
  try {
    await must("npm", ["pack", "--silent", "--pack-destination", folder, `${npmPackage}@${DENO_VERSION}`]);
    const [archive] = [...Deno.readDirSync(folder)].map(({ name }) => name);
    await must("tar", ["-xzf", join(folder, archive ?? ""), "-C", folder, "package/deno"]);
    const fetched = join(folder, "package/deno");
    if (!await isPinned(fetched, architecture)) {
      throw new Error(`${npmPackage}@${DENO_VERSION} is not the one that is pinned`);
    }
    await Deno.chmod(fetched, EXECUTABLE_MODE);
    await Deno.rename(fetched, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function must(name: string, args: readonly string[]): Promise<void> {
  const program = findProgram(name);
  if (program === undefined) throw new Error(`The program "${name}" is needed to fetch Deno`);
  const { exitCode } = await run(program, args, { limitMs: FETCH_LIMIT_MS, onLine: () => {} });
  if (exitCode !== 0) throw new Error(`${name} ${args[0]} failed with exit code ${exitCode}`);
}
