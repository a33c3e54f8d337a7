import { z } from "zod";
import { utf8 } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import { readSmallFile, writePublicFile } from "../system/files.ts";
import { type HardwareFacts, probeHardware } from "./probe.ts";

const FILE_LIMIT_BYTES = 8 * 1024;
const FACT_LIMIT_CHARACTERS = 256;

/** One printable line, as the probe gives it. */
const factSchema = z.string().max(FACT_LIMIT_CHARACTERS).regex(/^[^\p{Cc}]*$/u);
const factsSchema = z.strictObject({ cpu: factSchema, gpu: factSchema, memory: factSchema, driveSerial: factSchema });

/** Where the facts are taken from: the file when there is one, else the kernel's folders under the root. */
export interface HardwareSource {
  readonly hardwareFile: string | undefined;
  readonly hardwareRoot: string;
}

/**
 * The facts of this machine. A sandboxed program cannot read `/proc` and `/sys`: it is given a file that somebody outside
 * of the sandbox has written with {@link collectHardware}.
 * @throws {ConfigurationError} when the file is missing or holds anything but facts
 */
export function hardwareFacts({ hardwareFile, hardwareRoot }: HardwareSource): Promise<HardwareFacts> {
  return hardwareFile === undefined ? probeHardware(hardwareRoot) : readHardwareFile(hardwareFile);
}

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

async function readHardwareFile(path: string): Promise<HardwareFacts> {
  const bytes = await readSmallFile(path, FILE_LIMIT_BYTES);
  if (bytes === undefined) throw new ConfigurationError([`Cannot read HARDWARE_FILE "${path}": there is no such file`]);
  try {
    return factsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new ConfigurationError([`HARDWARE_FILE "${path}" is not what "tally hardware --collect" writes`], {
      cause: error,
    });
  }
}
