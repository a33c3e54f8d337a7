import { type Command, Option } from "commander";
import { SUITE_NAMES } from "../../lib/crypto/suites.ts";
import type { SealFlags } from "../offline/seal.ts";
import { repeatable } from "../repeatable.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally seal`: seals a file for devices, on files alone. */
export function sealCommand(shell: Shell): Command {
  return verb("seal", "Seal a file for devices: one big part, and a small part for each, without any network", [
    [
      "tally seal yolo.onnx --version 1.2.0 --publisher-key release.key --to device.key.pub --out site",
      "writes site/models/<digest>.big, and a .small that only this device can use",
    ],
    [
      "tally seal yolo.onnx --version 1.2.0 --publisher-key release.key --to a.pub --to b.pub --out site --arch arm64",
      "for two devices, of one architecture",
    ],
    [
      "tally load yolo.onnx -o - | tally seal - --name yolo.onnx --version 2 --publisher-key release.key --to a.pub --out site",
      "converts a resource of format v1, without a plaintext on the disk",
    ],
  ])
    .argument("<file>", 'file to seal; "-" is standard input')
    .option("--folder <folder>", "folder of the resource", "models")
    .option("--name <name>", "name of the resource (default: the file's)")
    .requiredOption("--version <version>", "version of the resource")
    .requiredOption("--publisher-key <file>", "private key that signs the manifest")
    .addOption(repeatable("--to <file>", "public key of a device that may open it").makeOptionMandatory())
    .requiredOption("--out <dir>", "where the files go, into the folder of the resource")
    .addOption(
      new Option("--suite <suite>", "how the big part is encrypted").choices(SUITE_NAMES).default(SUITE_NAMES[0]),
    )
    .option("--cek-file <file>", "content key: read from this file, or written to it when there is none (0600)")
    .option("--recovery <recipient>", "age recipient (age1…) who can open the big part with age alone")
    .option("--seq <number>", "sequence number; devices never go back (default: the seconds since 1970)")
    .option("--expires <when>", "when devices stop taking it: 90d, 12h, 2y, or a date in UTC", "1y")
    .addOption(repeatable("--arch <name>", "architecture that it is for (amd64, arm64), instead of any"))
    .option("--user <user>", "the grants are for sessions of this user only", "")
    .action(async (file: string, flags: SealFlags) => {
      const { seal } = await import("../offline/seal.ts");
      await seal(shell, file, flags);
    });
}
