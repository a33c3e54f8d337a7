import { join } from "node:path";
import { run } from "../run.ts";

const ROOT = join(import.meta.dirname ?? "", "../..");
const LIMIT_MS = 2 * 60_000;

/** Modules that begin what is shipped, by the name of the bundle. */
const ENTRIES = { "main.js": "main.ts", "collect.js": "tools/ship/collect.ts" } as const;

/** A bundle by its name. */
export type BundleName = keyof typeof ENTRIES;

/** One of {@link ENTRIES} as one file. */
export function bundle(name: BundleName): Promise<Uint8Array<ArrayBuffer>> {
  return bundleModule(join(ROOT, ENTRIES[name]));
}

/** Makes one minified file of a module and everything that it imports, packages included. The same sources give the same bytes. */
export async function bundleModule(entry: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "tally-bundle-" });
  try {
    const path = join(folder, "bundle.js");
    const args = ["bundle", "--quiet", "--minify", "--platform=deno", `--config=${ROOT}/deno.json`, `--output=${path}`];
    const { exitCode } = await run(Deno.execPath(), [...args, entry], { limitMs: LIMIT_MS });
    if (exitCode !== 0) throw new Error(`deno bundle failed with exit code ${exitCode}`);
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
