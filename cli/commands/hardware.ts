import type { Command } from "commander";
import type { HardwareFacts } from "../../lib/hardware/probe.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface HardwareFlags {
  readonly root?: string;
  readonly collect?: true;
  readonly out?: string;
}

/** `tally hardware`: prints what identifies this machine, and its hash; or writes it down for a program in a sandbox. */
export function hardwareCommand(shell: Shell): Command {
  const command = verb("hardware", "Show the facts that identify this machine, and their hash", [
    ["tally hardware", "CPU, GPU, memory and drive of this machine"],
    ["tally hardware --root /mnt/device --json", "of the machine whose proc/ and sys/ lie under that folder"],
    [
      "tally hardware --collect --out /run/tallystick/hardware.json",
      "writes them to a file, which a device service in a sandbox reads as its HARDWARE_FILE",
    ],
  ]);
  command
    .option("--root <folder>", "the same as --hardware-root")
    .option("--collect", "probe the machine anew and write the facts as JSON")
    .option("--out <file>", "where --collect writes; without it, to HARDWARE_FILE, else to standard output");
  return withSettings(command, ["hardwareRoot", "hardwareFile"])
    .action(async (flags: HardwareFlags) => {
      const { hardwareRoot, hardwareFile } = await readSettings(command, shell.io.environment);
      const root = flags.root ?? hardwareRoot;
      if (flags.collect) return await collect(shell, root, flags.out ?? hardwareFile);
      await showHardware(shell, { hardwareRoot: root, hardwareFile: flags.root ? undefined : hardwareFile });
    });
}

async function collect({ output }: Shell, root: string, path: string | undefined): Promise<void> {
  const { collectHardware, hardwareJson } = await import("../../lib/hardware/collect.ts");
  const { probeHardware } = await import("../../lib/hardware/probe.ts");
  if (path === undefined) return output.raw(hardwareJson(await probeHardware(root)));
  await collectHardware(root, path);
  output.note(`The hardware facts are in ${path}`);
}

async function showHardware(
  { output }: Shell,
  source: { hardwareRoot: string; hardwareFile: string | undefined },
): Promise<void> {
  const { hardwareFacts } = await import("../../lib/hardware/facts_file.ts");
  const { hardwareString } = await import("../../lib/hardware/fingerprint.ts");
  const { hardwareHash } = await import("../../lib/crypto/keys.ts");
  const facts: HardwareFacts = await hardwareFacts(source);
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
