/** What stands under a name, or `undefined` when nothing does. A symbolic link is not followed. */
export async function infoOf(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.lstat(path).catch(nothing);
}

/** The same, at once; with `Deno.statSync`, links are followed. */
export function infoOfSync(
  path: string,
  look: (path: string) => Deno.FileInfo = Deno.lstatSync,
): Deno.FileInfo | undefined {
  try {
    return look(path);
  } catch (error) {
    return nothing(error);
  }
}

function nothing(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
  throw error;
}
