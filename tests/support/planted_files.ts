import assert from "node:assert/strict";
import { join } from "node:path";

const SECRET = "somebody else's";

/** What somebody has put where a file of ours belongs. */
export interface Planted {
  /** What it is, and where. */
  readonly planted: readonly (readonly [what: string, path: string])[];
  /** What the links lead to is as it was, and nothing was made where they led to nothing. */
  assertUntouched(): Promise<void>;
}

/** Puts a link to a file, a link to nothing, a link to a folder, a pipe that nobody reads, and a folder into a folder. */
export async function plantAll(folder: string): Promise<Planted> {
  const planted: [string, string][] = [];
  const checks: (() => Promise<void>)[] = [];
  for (const [index, what] of KINDS.entries()) {
    const path = join(folder, `planted-${index}`);
    checks.push(await plant(what, path, folder));
    planted.push([what, path]);
  }
  return {
    planted,
    async assertUntouched() {
      for (const check of checks) await check();
    },
  };
}

/** Kinds of what can be planted. */
export const KINDS = ["a link to a file", "a link to nothing", "a link to a folder", "a pipe", "a folder"] as const;

/** One of {@link KINDS}. */
export type PlantedKind = typeof KINDS[number];

/**
 * Puts something under a name, in place of what is there.
 * @param outside folder that links lead into
 * @returns a check that what it leads to is as it was
 */
export async function plant(what: PlantedKind, path: string, outside: string): Promise<() => Promise<void>> {
  await Deno.remove(path, { recursive: true }).catch(() => undefined); // there may be none
  const target = join(outside, `target-${crypto.randomUUID()}`);
  if (what === "a folder") await Deno.mkdir(path);
  else if (what === "a pipe") await makePipe(path);
  else await Deno.symlink(target, path);
  if (what === "a link to a file") await Deno.writeTextFile(target, SECRET);
  if (what === "a link to a folder") await Deno.mkdir(target);
  return async () => {
    if (what === "a link to a file") assert.equal(await Deno.readTextFile(target), SECRET);
    else if (what === "a link to a folder") assert.deepEqual(await Array.fromAsync(Deno.readDir(target)), []);
    else await assert.rejects(Deno.lstat(target), Deno.errors.NotFound, what);
  };
}

async function makePipe(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert.ok(success, "mkfifo makes a pipe");
}
