import type { Command } from "commander";
import { ALL_SETTINGS, readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";
import { deviceStatusCommand, enrolCommand } from "./device_key.ts";

/** `tally device`: runs the device service until it is told to stop. */
export function deviceCommand(shell: Shell): Command {
  const command = verb("device", "Run the device service: its HTTP API for login, load, upload and unlock", [
    ["tally device --resource-api-url https://api.example.com", "listens on http://127.0.0.1:8080"],
    ["tally --config /etc/tallystick.yaml device", "the same with a settings file"],
    ["tally device --port 0 --json", 'takes a free port and prints {"event":"listening","url":…}'],
  ]);
  for (const make of [enrolCommand, deviceStatusCommand]) adopt(command, make(shell));
  return withSettings(command, ALL_SETTINGS.filter((key) => key !== "deviceUrl"))
    .action(async () => await runDevice(shell, command));
}

async function runDevice({ io, output, programs, signal }: Shell, command: Command): Promise<void> {
  const settings = await readSettings(command, io.environment, ["resourceApiUrl"]);
  const program = await programs.device();
  await program.runDevice(
    settings,
    signal,
    (url) => output.event({ event: "listening", url }, `The device service listens on ${url}`),
  );
}
