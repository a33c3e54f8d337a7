import type { Command } from "commander";
import { connectDevice } from "../device.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally status`: shows what the device service says of itself and of its unlock. */
export function statusCommand(shell: Shell): Command {
  const command = verb("status", "Show the state of the device service and of its unlock", [
    ["tally status", "for a person"],
    ["tally status --json", "for a script"],
  ]);
  return withSettings(command, ["deviceUrl"]).action(async () => await showStatus(shell, command));
}

async function showStatus(shell: Shell, command: Command): Promise<void> {
  const device = await connectDevice(shell, command);
  const status = await device.status();
  const unlock = await device.unlockStatus();
  shell.output.result(
    { ...status, unlock },
    ...Object.entries(status).filter(([name]) => name !== "unlock").map(([name, value]) =>
      `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`
    ),
    `unlock: ${unlock.state}${unlock.error === null ? "" : ` (${unlock.error})`}`,
  );
}
