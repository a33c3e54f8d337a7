import type { Command } from "commander";
import type { OpenFlags } from "../offline/open.ts";
import { repeatable } from "../repeatable.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally open`: opens a small part and a big part that lie in files. */
export function openCommand(shell: Shell): Command {
  return verb("open", "Open a sealed file with a device's key, without any network", [
    [
      "tally open --small yolo.small --big 3f….big --device-key device.key --publisher-key release.key.pub",
      "into a file with the name of the resource; nothing is left when any check fails",
    ],
    [
      "tally open --small yolo.small --big 3f….big --cek-file cek --publisher-key release.key.pub --out yolo.onnx",
      "with the content key from escrow, without a device",
    ],
  ])
    .requiredOption("--small <file>", "the small part")
    .requiredOption("--big <file>", "the big part")
    .option("--hashes <file>", "the hash list, where it is not in the small part (default: BIG.hashes)")
    .option("--device-key <file>", "private key of this device")
    .option("--cek-file <file>", "raw content key, in the place of a device's key and its grant")
    .addOption(
      repeatable("--publisher-key <file>", "public key of a publisher that is believed").makeOptionMandatory(),
    )
    .option("--user <user>", "whose session it is (default: not checked)")
    .option("--folder <folder>", "refuse what is of another folder")
    .option("--name <name>", "refuse what has another name")
    .option("--version <version>", "refuse every other version")
    .option("--min-seq <number>", "refuse what has a lower sequence number", "0")
    .option("--arch <name>", "open it for this architecture (default: this machine's)")
    .option("-o, --out <file>", 'where to; "-" is standard output (default: ./NAME)')
    .option("--force", "replace the file if there is one")
    .action(async (flags: OpenFlags) => {
      const { open } = await import("../offline/open.ts");
      await open(shell, flags);
    });
}
