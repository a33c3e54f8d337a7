import { ensurePythonPackage } from "./python.ts";

const VERSION = "1.16.1";

/** Finds a Python that has Tink, or makes one in a folder of its own, from PyPI. `path` is that of the Python. */
export function ensureTink(): Promise<{ readonly path: string } | { readonly missing: string }> {
  return ensurePythonPackage({ name: "tink", version: VERSION, program: "python" });
}
