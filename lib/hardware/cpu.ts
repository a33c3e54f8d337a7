import { armCoreName } from "./arm_cores.ts";
import type { SystemTree } from "./system_tree.ts";

/**
 * Name of the first processor, as `lscpu` calls it: `model name` where the kernel prints one (x86), else the core that
 * its implementer and part number stand for (Arm), else these two numbers.
 */
export async function probeCpu(tree: SystemTree): Promise<string> {
  return cpuName(await tree.text("proc/cpuinfo"));
}

/** {@link probeCpu} on the text of `/proc/cpuinfo`; empty when it names no processor. */
export function cpuName(cpuinfo: string): string {
  const fields = firstFields(cpuinfo);
  const implementer = fields.get("CPU implementer");
  const part = fields.get("CPU part");
  const modelName = fields.get("model name") ?? "";
  if (implementer === undefined || part === undefined) return modelName;
  return armCoreName(implementer, part) ?? (modelName || `${implementer}:${part}`);
}

/** `name : value` lines, the first of each name. */
export function firstFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (name !== "" && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}
