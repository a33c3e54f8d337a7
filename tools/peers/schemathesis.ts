import { ensurePythonPackage } from "./python.ts";

const VERSION = "4.32.5";

/** Finds Schemathesis, which tests a server by its OpenAPI document, or installs it from PyPI. `path` is that of `st`. */
export function ensureSchemathesis(): Promise<{ readonly path: string } | { readonly missing: string }> {
  return ensurePythonPackage({ name: "schemathesis", version: VERSION, program: "st" });
}
