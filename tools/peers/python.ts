import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { runChild } from "../../lib/system/process.ts";
import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";

/** What is installed, and which of its programs is wanted. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  /** Name in the folder `bin`; `python` for the package itself. */
  readonly program: string;
}

const DEBIAN_PACKAGE = "python3-venv";
/** Written last: a run that was interrupted leaves none. */
const MARKER = "complete";
const COMMAND_LIMIT_MS = 5 * 60_000;

/** Finds a Python package, or installs it from PyPI into a folder of its own. `path` is that of its program. */
export async function ensurePythonPackage(
  { name, version, program }: PythonPackage,
): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(import.meta.dirname ?? "", "../../.cache/peers", `${name}-${version}`);
  try {
    if (await isThere(join(folder, MARKER))) return { path: join(folder, "bin", program) };
    const python = await findPython();
    if ("missing" in python) return python;
    say(`Installing ${name} ${version} for Python, once`);
    await runPython(python.path, ["-m", "venv", "--clear", folder]);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", `${name}==${version}`];
    await runPython(join(folder, "bin/python"), install);
    await Deno.writeTextFile(join(folder, MARKER), "");
    return { path: join(folder, "bin", program) };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

async function findPython(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const usable = async () => {
    const path = findProgram("python3");
    return path !== undefined && await canRun(path, ["-c", "import ensurepip, venv"]) ? path : undefined;
  };
  const found = await usable();
  if (found !== undefined) return { path: found };
  const missing = await installPackage(DEBIAN_PACKAGE);
  if (missing !== undefined) return { missing: `Python 3 with venv is ${missing}` };
  const installed = await usable();
  return installed === undefined ? { missing: `the package ${DEBIAN_PACKAGE} does not bring it` } : { path: installed };
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function canRun(path: string, args: readonly string[]): Promise<boolean> {
  try {
    await runPython(path, args);
    return true;
  } catch {
    return false;
  }
}

async function runPython(path: string, args: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(COMMAND_LIMIT_MS);
  const { exitCode, stderr } = await runChild(path, { args, env: Deno.env.toObject(), signal });
  if (exitCode !== 0) throw new Error(`${args.slice(0, 3).join(" ")} failed: ${stderr.split("\n").at(-1)}`);
}
