import { join } from "node:path";

/** Where Debian keeps programs that only the administrator has on PATH. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

const EXECUTABLE_BITS = 0o111;

/** Absolute path of the first program of this name on PATH, in the system folders or in `further` ones. */
export function findProgram(name: string, ...further: readonly string[]): string | undefined {
  const onPath = (Deno.env.get("PATH") ?? "").split(":");
  const folders = [...onPath, ...SYSTEM_FOLDERS, ...further].filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & EXECUTABLE_BITS) !== 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
