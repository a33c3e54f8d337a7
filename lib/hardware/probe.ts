import { probeCpu } from "./cpu.ts";
import { probeDriveSerial } from "./drive.ts";
import { probeGpu } from "./gpu.ts";
import { probeMemory } from "./memory.ts";
import { SystemTree } from "./system_tree.ts";

/** What a device is known by. A fact that the machine does not tell is an empty string. */
export interface HardwareFacts {
  /** Name of the first processor: `Cortex-A78AE`. */
  readonly cpu: string;
  /** Name or PCI ids of the GPU: `NVIDIA Orin`, `10de:2204`. */
  readonly gpu: string;
  /** Whole GiB, rounded down: `30`. */
  readonly memory: string;
  readonly driveSerial: string;
}

/** A longer fact is cut: the API takes no endless strings. */
const FACT_LIMIT_CHARACTERS = 256;

/**
 * Reads the facts from `<root>/proc` and `<root>/sys`, without starting a program. They are the same after every start
 * of the same machine. A missing fact is empty, never a failure.
 *
 * @throws {Deno.errors.NotCapable} when this process may not read there at all
 */
export async function probeHardware(root: string): Promise<HardwareFacts> {
  const tree = new SystemTree(root);
  const [cpu, gpu, memory, driveSerial] = await Promise.all(
    [probeCpu, probeGpu, probeMemory, probeDriveSerial].map(async (probe) => oneLine(await probe(tree))),
  ) as [string, string, string, string];
  return { cpu, gpu, memory, driveSerial };
}

function oneLine(fact: string): string {
  return fact.replaceAll(/\s+/g, " ").trim().slice(0, FACT_LIMIT_CHARACTERS);
}
