import { ensurePythonPackage } from "./python.ts";

const VERSION = "2.0.0";

/** Finds a Python that has requests-oauthlib, or makes one in a folder of its own, from PyPI. `path` is that of the Python. */
export function ensureRequestsOauthlib(): Promise<{ readonly path: string } | { readonly missing: string }> {
  return ensurePythonPackage({ name: "requests-oauthlib", version: VERSION, program: "python" });
}
