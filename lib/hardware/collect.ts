import { utf8 } from "../bytes.ts";
import { writePublicFile } from "../system/atomic_file.ts";
import { type HardwareFacts, probeHardware } from "./probe.ts";

/**
 * Probes the machine and writes the facts as JSON, whole or not at all. The file can be read by everybody (0644), as
 * everything in it can be read from the kernel: the service's user reads what root may have written.
 */
export async function collectHardware(root: string, path: string): Promise<HardwareFacts> {
  const facts = await probeHardware(root);
  await writePublicFile(path, utf8(hardwareJson(facts)));
  return facts;
}

/** The text of a facts file. */
export function hardwareJson(facts: HardwareFacts): string {
  return `${JSON.stringify(facts)}\n`;
}
