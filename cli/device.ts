import type { Command } from "commander";
import { httpClient } from "../lib/http/client.ts";
import { DeviceClient } from "./device_client.ts";
import { readSettings } from "./settings.ts";
import type { Shell } from "./shell.ts";

/** A client of the device service that the settings name. */
export async function connectDevice({ io, signal }: Shell, command: Command): Promise<DeviceClient> {
  const { deviceUrl } = await readSettings(command, io.environment);
  return new DeviceClient({ baseUrl: deviceUrl, http: httpClient("device"), signal });
}
