import { messageOf } from "../../lib/errors.ts";
import { runChild } from "../../lib/system/process.ts";
import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";

const LIMIT_MS = 10_000;

type Found = { readonly path: string } | { readonly missing: string };

/** Finds `ip` of iproute2, or installs it, and looks whether network namespaces can be made here. */
export async function ensureIproute2(): Promise<Found> {
  const found = await rootProgram("ip", "iproute2");
  if ("missing" in found) return found;
  const name = `tally-probe-${Deno.pid}`;
  for (const verb of ["add", "del"]) {
    const fault = await faultOf(found.path, ["netns", verb, name]);
    if (fault !== undefined) return { missing: `network namespaces cannot be made here: ${fault}` };
  }
  return found;
}

/** Finds `iptables`, or installs it: packets are lost by its rules. */
export function ensureIptables(): Promise<Found> {
  return rootProgram("iptables", "iptables");
}

async function rootProgram(name: string, debianPackage: string): Promise<Found> {
  if (Deno.uid() !== 0) return { missing: "network namespaces can only be made by root" };
  const missing = findProgram(name) === undefined ? await installPackage(debianPackage) : undefined;
  if (missing !== undefined) return { missing };
  const path = findProgram(name);
  return path === undefined ? { missing: `the package ${debianPackage} does not bring it` } : { path };
}

async function faultOf(path: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const env = Deno.env.toObject();
    const { exitCode, stderr } = await runChild(path, { args, env, signal: AbortSignal.timeout(LIMIT_MS) });
    return exitCode === 0 ? undefined : stderr.split("\n").at(-1);
  } catch (error) {
    return messageOf(error);
  }
}
