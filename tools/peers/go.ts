import { join } from "node:path";
import { runChild } from "../../lib/system/process.ts";
import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";

/** A Go toolchain as a Go module, as Go itself takes newer ones since 1.21; its checksum is in Go's checksum database. */
const TOOLCHAIN = { module: "golang.org/toolchain", version: "v0.0.1-go1.26.0" };
const OLDEST_MINOR = 25;
/** Where Go's own archive is unpacked to, as its makers say. */
const GO_FOLDER = "/usr/local/go/bin";
const COMMAND_LIMIT_MS = 15 * 60_000;
const EXECUTABLE_MODE = 0o755;

/**
 * Finds Go 1.25 or newer, or installs it: Debian's own, however old, fetches the newer one from the module proxy.
 * @returns the path of the `go` program, or why there is none
 */
export async function ensureGo(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const reason = findGo() === undefined ? await installPackage("golang-go") : undefined;
  if (reason !== undefined) return { missing: `Go is needed to build it, and was ${reason}` };
  const path = findGo();
  if (path === undefined) return { missing: "the package golang-go does not bring go" };
  const [version = "", architecture = ""] = (await runGo(path, ["env", "GOVERSION", "GOARCH"])).split("\n");
  if (isNewEnough(version)) return { path };
  say(`Fetching a newer Go toolchain than ${version}, once`);
  return { path: await fetchToolchain(path, architecture) };
}

/** Runs `go` to its end and gives what it printed. @throws {Error} with its last words when it fails */
export async function runGo(
  path: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = { ...Deno.env.toObject(), GO111MODULE: "on", GOFLAGS: "", GOTOOLCHAIN: "local", ...variables };
  const { exitCode, stdout, stderr } = await runChild(path, {
    args,
    env,
    signal: AbortSignal.timeout(COMMAND_LIMIT_MS),
  });
  if (exitCode !== 0) throw new Error(`go ${args[0]} failed: ${stderr.split("\n").at(-1)}`);
  return new TextDecoder().decode(stdout).trim();
}

function findGo(): string | undefined {
  return findProgram("go", GO_FOLDER);
}

function isNewEnough(version: string): boolean {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 1 || Number(minor) >= OLDEST_MINOR;
}

/** Modules hold no permission bits, so the programs are made executable, as Go does it with those that it fetches itself. */
async function fetchToolchain(go: string, architecture: string): Promise<string> {
  const module = `${TOOLCHAIN.module}@${TOOLCHAIN.version}.linux-${architecture}`;
  const { Dir: folder } = JSON.parse(await runGo(go, ["mod", "download", "-json", module]));
  for (const programs of ["bin", `pkg/tool/linux_${architecture}`]) {
    for await (const { name } of Deno.readDir(join(folder, programs))) {
      await Deno.chmod(join(folder, programs, name), EXECUTABLE_MODE);
    }
  }
  return join(folder, "bin/go");
}
