import { firstFields } from "./cpu.ts";
import type { SystemTree } from "./system_tree.ts";

const KIB_PER_GIB = 1024 ** 2;

/**
 * Memory in whole GiB, rounded down as `free -g` prints it. `MemTotal` is what the kernel and the firmware leave over,
 * always some hundred MiB below the size of the chips: a new kernel that takes a little more does not change the number.
 */
export async function probeMemory(tree: SystemTree): Promise<string> {
  return memoryGib(await tree.text("proc/meminfo"));
}

/** {@link probeMemory} on the text of `/proc/meminfo`; empty when it tells no total. */
export function memoryGib(meminfo: string): string {
  const total = /^(\d{1,15}) kB$/.exec(firstFields(meminfo).get("MemTotal") ?? "")?.[1];
  return total === undefined ? "" : String(Math.floor(Number(total) / KIB_PER_GIB));
}
