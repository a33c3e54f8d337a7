import { installPackage } from "../apt.ts";

const PACKAGE = "libssl3";
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "x86_64-linux-gnu", aarch64: "aarch64-linux-gnu" };

/** Finds OpenSSL's libcrypto, version 3, of this machine, or installs the Debian package that brings it. */
export async function ensureLibcrypto(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const path = `/usr/lib/${ARCHITECTURES[Deno.build.arch]}/libcrypto.so.3`;
  const missing = isFile(path) ? undefined : await installPackage(PACKAGE);
  if (missing !== undefined) return { missing };
  return isFile(path) ? { path } : { missing: `the package ${PACKAGE} does not bring "${path}"` };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
