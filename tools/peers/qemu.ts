import { messageOf } from "../../lib/errors.ts";
import { runChild } from "../../lib/system/process.ts";
import { installPackage } from "../apt.ts";
import { findProgram } from "../program.ts";

const PROGRAM = "qemu-aarch64-static";
/** The emulator, and the libraries of the other processor that Deno is linked with. */
const DEBIAN_PACKAGES = ["qemu-user-static", "libc6-arm64-cross", "libgcc-s1-arm64-cross"];
const LIBRARIES = "/usr/aarch64-linux-gnu";
/** Where the emulator looks for such libraries. */
const EMULATED_ROOT = "/etc/qemu-binfmt/aarch64";
const KERNEL_FOLDER = "/proc/sys/fs/binfmt_misc";
const REGISTRATION = "/usr/lib/binfmt.d/qemu-aarch64.conf";
const COMMAND_LIMIT_MS = 10_000;

/** Finds or installs the emulator for ARM64, and lets the kernel start ARM64 programs with it. `path` is that of the emulator. */
export async function ensureQemu(): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (Deno.uid() !== 0) return { missing: "only root can let the kernel start programs for another processor" };
  if (!await isThere(`${LIBRARIES}/lib/libgcc_s.so.1`) || findProgram(PROGRAM) === undefined) {
    for (const name of DEBIAN_PACKAGES) {
      const reason = await installPackage(name);
      if (reason !== undefined) return { missing: reason };
    }
  }
  const path = findProgram(PROGRAM);
  if (path === undefined) return { missing: `the packages do not bring ${PROGRAM}` };
  try {
    await linkLibraries();
    await register();
    return { path };
  } catch (error) {
    return { missing: `the kernel does not take it: ${messageOf(error)}` };
  }
}

async function linkLibraries(): Promise<void> {
  if (await isThere(EMULATED_ROOT)) return;
  await Deno.mkdir(EMULATED_ROOT.replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.symlink(LIBRARIES, EMULATED_ROOT);
}

async function register(): Promise<void> {
  if (!await isThere(`${KERNEL_FOLDER}/register`)) await mount();
  if (await isThere(`${KERNEL_FOLDER}/qemu-aarch64`)) return;
  await Deno.writeFile(`${KERNEL_FOLDER}/register`, await Deno.readFile(REGISTRATION));
}

async function mount(): Promise<void> {
  const args = ["-t", "binfmt_misc", "binfmt_misc", KERNEL_FOLDER];
  const signal = AbortSignal.timeout(COMMAND_LIMIT_MS);
  const { exitCode, stderr } = await runChild("/bin/mount", { args, env: {}, signal });
  if (exitCode !== 0) throw new Error(stderr);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
