import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { runChild } from "../../lib/system/process.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";

const PACKAGE = "libssl3";
const PATH_IN_PACKAGE = "usr/lib/aarch64-linux-gnu/libcrypto.so.3";
const COMMAND_LIMIT_MS = 2 * 60_000;

/**
 * Finds OpenSSL's libcrypto for ARM64 where an earlier run has put it, or fetches Debian's package of it into a folder of its own. The
 * machine's own packages and lists stay as they are.
 */
export async function ensureLibcryptoArm64(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(import.meta.dirname ?? "", "../../.cache/peers/libcrypto-arm64");
  const path = join(folder, PATH_IN_PACKAGE);
  if (isFile(path)) return { path };
  const [apt, dpkg] = [findProgram("apt-get"), findProgram("dpkg-deb")];
  if (apt === undefined || dpkg === undefined) return { missing: "this machine is no Debian" };
  try {
    say(`Fetching ${PACKAGE} for ARM64, once`);
    await fetchPackage(apt, dpkg, folder);
    return isFile(path) ? { path } : { missing: `the package ${PACKAGE} does not bring it` };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

async function fetchPackage(apt: string, dpkg: string, folder: string): Promise<void> {
  const lists = join(folder, "state/lists/partial");
  const archives = join(folder, "cache/archives/partial");
  for (const path of [lists, archives]) await Deno.mkdir(path, { recursive: true });
  const options = [
    ...[
      "APT::Architecture=arm64",
      "APT::Architectures=arm64",
      "APT::Sandbox::User=root",
      "Dir::State::status=/dev/null",
    ],
    ...[`Dir::State=${folder}/state`, `Dir::Cache=${folder}/cache`],
  ].flatMap((option) => ["-o", option]);
  await must(apt, ["-qq", ...options, "update"], folder);
  await must(apt, ["-qq", ...options, "download", PACKAGE], folder);
  const file = [...Deno.readDirSync(folder)].find(({ name }) => name.endsWith("_arm64.deb"));
  await must(dpkg, ["-x", join(folder, file?.name ?? ""), folder], folder);
}

async function must(program: string, args: readonly string[], cwd: string): Promise<void> {
  const script = 'cd "$1" && shift && exec "$@"'; // apt-get downloads into the working folder
  const command = ["-c", script, "sh", cwd, program, ...args];
  const signal = AbortSignal.timeout(COMMAND_LIMIT_MS);
  const { exitCode, stderr } = await runChild("/bin/sh", { args: command, env: Deno.env.toObject(), signal });
  if (exitCode !== 0) throw new Error(`${args.at(-2)} ${args.at(-1)} failed: ${stderr.split("\n").at(-1)}`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
