import type { HardwareFacts } from "./probe.ts";

/** The facts as one line, as the Resource API binds an account to it: `CPU: …. GPU: …. Memory: …. DriveSerial: …`. */
export function hardwareString({ cpu, gpu, memory, driveSerial }: HardwareFacts): string {
  return `CPU: ${cpu}. GPU: ${gpu}. Memory: ${memory}. DriveSerial: ${driveSerial}`;
}
