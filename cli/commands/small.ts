import type { Command } from "commander";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface SmallFlags {
  readonly qr?: true;
}

/** `tally small`: shows what a small part says, or the part itself as a QR code. Nothing in it is believed here. */
export function smallCommand(shell: Shell): Command {
  return verb("small", "Show what a small part says, unverified, or print it as a QR code", [
    ["tally small yolo.small", "name, version, sizes, and whom it is for"],
    ["tally small --qr yolo.small", "in the terminal, to be read by a camera across an air gap"],
  ])
    .argument("<file>", "the small part")
    .option("--qr", "print all of it as one QR code")
    .action(async (path: string, { qr }: SmallFlags) => {
      const { printCode, showPart } = await import("../offline/small.ts");
      await (qr ? printCode(shell, path) : showPart(shell, path));
    });
}
