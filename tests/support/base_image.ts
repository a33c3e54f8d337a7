import { join } from "node:path";
import { runChild } from "../../lib/system/process.ts";
import type { Architecture } from "../../tools/ship/programs.ts";
import { tempFolder } from "./temp_folder.ts";

/** Where this machine has the C library of a processor. */
const LIBRARY_FOLDERS: Readonly<Record<Architecture, string>> = {
  x86_64: "/lib/x86_64-linux-gnu",
  aarch64: Deno.build.arch === "aarch64" ? "/lib/aarch64-linux-gnu" : "/usr/aarch64-linux-gnu/lib",
};
const LOADERS: Readonly<Record<Architecture, string>> = {
  x86_64: "lib64/ld-linux-x86-64.so.2",
  aarch64: "lib/ld-linux-aarch64.so.1",
};
/** What Deno is linked with. */
const LIBRARIES = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1"];
const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";
const PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const COMMAND_LIMIT_MS = 60_000;

/**
 * Runs the `docker` program on an engine and returns what it prints.
 * @throws {Error} with its complaint when it fails
 */
export async function docker(dockerHost: string, args: readonly string[], limitMs = COMMAND_LIMIT_MS): Promise<string> {
  const env = { DOCKER_HOST: dockerHost, PATH: Deno.env.get("PATH") ?? "", HOME: "/nonexistent" };
  const { exitCode, stdout, stderr } = await runChild("docker", { args, env, signal: AbortSignal.timeout(limitMs) });
  if (exitCode !== 0) throw new Error(`docker ${args[0]} failed with exit code ${exitCode}: ${stderr}`);
  return new TextDecoder().decode(stdout).trim();
}

/**
 * Makes an image that holds what the public base images hold, of the libraries of this machine: C library, certificate
 * authorities, users; no shell, no program but those named, which need no other library. Returns its name.
 * @param programs paths of this machine; they lie under the same name in `/bin`
 */
export async function importBaseImage(
  dockerHost: string,
  architecture: Architecture,
  programs: readonly string[] = [],
): Promise<string> {
  await using folder = await tempFolder();
  const root = join(folder.path, "root");
  for (
    const path of ["lib", "lib64", "bin", "inputs", "outputs", "etc/ssl/certs", "proc", "sys", "dev", "tmp", "run"]
  ) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  const libraries = LIBRARY_FOLDERS[architecture];
  for (const name of LIBRARIES) await Deno.copyFile(join(libraries, name), join(root, "lib", name));
  const loader = LOADERS[architecture];
  await Deno.copyFile(join(libraries, loader.replace(/^.*\//, "")), join(root, loader));
  for (const program of programs) await Deno.copyFile(program, join(root, "bin", program.replace(/^.*\//, "")));
  await Deno.copyFile(AUTHORITIES, join(root, AUTHORITIES)).catch(ignoreMissing);
  await Deno.writeTextFile(join(root, "etc/passwd"), PASSWD);
  return await importRoot(dockerHost, root, { archive: join(folder.path, "base.tar"), architecture });
}

async function importRoot(
  dockerHost: string,
  root: string,
  { archive, architecture }: { archive: string; architecture: Architecture },
): Promise<string> {
  const name = `local/base:${architecture}`;
  const args = ["--create", "--owner=0", "--group=0", "--file", archive, "--directory", root, "."];
  const { exitCode, stderr } = await runChild("/bin/tar", {
    args,
    env: {},
    signal: AbortSignal.timeout(COMMAND_LIMIT_MS),
  });
  if (exitCode !== 0) throw new Error(stderr);
  await docker(dockerHost, ["import", archive, name]);
  return name;
}

/** Nothing is fetched over TLS in a test: a machine without authorities will do. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
