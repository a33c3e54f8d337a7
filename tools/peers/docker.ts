import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";

const DEBIAN_PACKAGES = ["docker.io", "docker-cli"]; // the second since Debian 13

/** Finds the Docker engine and its client, or installs them. `path` is that of `dockerd`, which only root can run. */
export async function ensureDocker(): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (Deno.uid() !== 0) return { missing: "an engine of our own can only be started by root" };
  for (const name of DEBIAN_PACKAGES) {
    if (dockerdWithClient() !== undefined) break;
    const reason = await installPackage(name);
    if (reason !== undefined) return { missing: reason };
  }
  const path = dockerdWithClient();
  return path === undefined ? { missing: "the packages do not bring dockerd and docker" } : { path };
}

function dockerdWithClient(): string | undefined {
  return findProgram("docker") === undefined ? undefined : findProgram("dockerd");
}
