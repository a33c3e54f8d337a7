import type { Command } from "commander";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally hardware`: prints what identifies this machine, and its hash. */
export function hardwareCommand(shell: Shell): Command {
  const command = verb("hardware", "Show the facts that identify this machine, and their hash", [
    ["tally hardware", "CPU, GPU, memory and drive of this machine"],
    ["tally hardware --root /mnt/device --json", "of the machine whose proc/ and sys/ lie under that folder"],
  ]);
  command.option("--root <folder>", "the same as --hardware-root");
  return withSettings(command, ["hardwareRoot"])
    .action(async ({ root }: { root?: string }) => await showHardware(shell, command, root));
}

async function showHardware({ io, output }: Shell, command: Command, root: string | undefined): Promise<void> {
  const { hardwareRoot } = await readSettings(command, io.environment);
  const { probeHardware } = await import("../../lib/hardware/probe.ts");
  const { hardwareString } = await import("../../lib/hardware/fingerprint.ts");
  const { hardwareHash } = await import("../../lib/crypto/keys.ts");
  const facts = await probeHardware(root ?? hardwareRoot);
  const hardware = hardwareString(facts);
  const hash = await hardwareHash(hardware);
  output.result(
    { ...facts, hardware, hash },
    `CPU          ${facts.cpu || "-"}`,
    `GPU          ${facts.gpu || "-"}`,
    `Memory       ${facts.memory || "-"}`,
    `DriveSerial  ${facts.driveSerial || "-"}`,
    `Hash         ${hash}`,
  );
}
