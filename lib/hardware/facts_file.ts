import { z } from "zod";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import { readSmallFile } from "../system/files.ts";
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
 * of the sandbox has written with `collectHardware()`.
 * @throws {ConfigurationError} when the file is missing or holds anything but facts
 */
export function hardwareFacts({ hardwareFile, hardwareRoot }: HardwareSource): Promise<HardwareFacts> {
  return hardwareFile === undefined ? probeHardware(hardwareRoot) : readHardwareFile(hardwareFile);
}

async function readHardwareFile(path: string): Promise<HardwareFacts> {
  const bytes = await readSmallFile(path, FILE_LIMIT_BYTES);
  if (bytes === undefined) throw new ConfigurationError([`Cannot read HARDWARE_FILE "${path}": there is no such file`]);
  return parseFacts(path, bytes);
}

/** The facts in the bytes of a file. @throws {ConfigurationError} it holds anything but facts */
export function parseFacts(path: string, bytes: Bytes): HardwareFacts {
  try {
    return factsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new ConfigurationError([`HARDWARE_FILE "${path}" is not what "tally hardware --collect" writes`], {
      cause: error,
    });
  }
}
