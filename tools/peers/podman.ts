import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";

/** Finds Podman, or installs it. An engine of our own needs root, as it does with Docker. */
export async function ensurePodman(): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (Deno.uid() !== 0) return { missing: "an engine of our own can only be started by root" };
  const missing = findProgram("podman") === undefined ? await installPackage("podman") : undefined;
  if (missing !== undefined) return { missing };
  const path = findProgram("podman");
  return path === undefined ? { missing: "the package podman does not bring it" } : { path };
}
