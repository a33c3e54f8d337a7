import type { Command } from "commander";
import { httpClient } from "../lib/http/client.ts";
import { DeviceClient } from "./device_client.ts";
import { readSettings } from "./settings.ts";
import type { Shell } from "./shell.ts";

/** Flags that say that the device service is meant, and not the platform. */
export interface DeviceFlags {
  readonly device?: boolean;
  readonly deviceUrl?: string;
  readonly email?: string;
  readonly passwordStdin?: boolean;
}

/** Whether a verb that knows both is about the device service: it is named, or an account of it is. */
export function meansDevice({ device, deviceUrl, email, passwordStdin }: DeviceFlags): boolean {
  return device === true || deviceUrl !== undefined || email !== undefined || passwordStdin === true;
}

/** A client of the device service that the settings name. */
export async function connectDevice({ io, signal }: Shell, command: Command): Promise<DeviceClient> {
  const { deviceUrl } = await readSettings(command, io.environment);
  return new DeviceClient({ baseUrl: deviceUrl, http: httpClient("device"), signal });
}
