import { messageOf } from "../lib/errors.ts";
import { runChild } from "../lib/system/process.ts";
import { findProgram } from "./program.ts";

const INSTALL_LIMIT_MS = 5 * 60_000;

/**
 * Installs a Debian package without questions, when this machine is a Debian and we are root.
 * @returns why it could not be installed; `undefined` when it is there now
 */
export async function installPackage(name: string): Promise<string | undefined> {
  const apt = findProgram("apt-get");
  if (apt === undefined) return "not found, and this machine has no apt-get";
  if (Deno.uid() !== 0) return `not found; install it with: apt-get install ${name}`;
  const options = ["-qq", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends", "--yes"];
  if (await runApt(apt, [...options, "install", name]) === undefined) return undefined;
  const update = await runApt(apt, ["-qq", "update"]); // an image without package lists
  return update ?? await runApt(apt, [...options, "install", name]);
}

async function runApt(apt: string, args: readonly string[]): Promise<string | undefined> {
  const env = { ...Deno.env.toObject(), DEBIAN_FRONTEND: "noninteractive" };
  try {
    const { exitCode, stderr } = await runChild(apt, { args, env, signal: AbortSignal.timeout(INSTALL_LIMIT_MS) });
    return exitCode === 0 ? undefined : `apt-get ${args.at(-1)} failed: ${stderr.split("\n").at(-1)}`;
  } catch (error) {
    return `apt-get ${args.at(-1)} failed: ${messageOf(error)}`;
  }
}
