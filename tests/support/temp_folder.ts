/** A folder for one test; disposing it removes it with everything in it. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a folder below the system's folder for temporary files. */
export async function tempFolder(): Promise<TempFolder> {
  const path = await Deno.makeTempDir({ prefix: "tally-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
