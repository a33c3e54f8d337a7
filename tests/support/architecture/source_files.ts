import { join } from "node:path/posix";

/** Paths of all TypeScript files under the given files and folders, sorted; from the root of the repository. */
export function typescriptFiles(roots: readonly string[]): string[] {
  return roots.flatMap((root) => [...filesUnder(root)]).filter((path) => path.endsWith(".ts")).sort();
}

function* filesUnder(path: string): Generator<string> {
  const info = statOrNone(path);
  if (info?.isFile) yield path;
  if (!info?.isDirectory) return;
  for (const { name } of Deno.readDirSync(path)) yield* filesUnder(join(path, name));
}

function statOrNone(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
