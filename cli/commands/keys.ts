import type { Command } from "commander";
import type { KindFlags } from "../offline/keys.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";

/** `tally keys`: makes, shows and replaces keys of devices and publishers, offline. */
export function keysCommand(shell: Shell): Command {
  const command = verb("keys", "Make, show and replace keys of devices and publishers", [
    ["tally keys new --device --out device.key", "a device's key; its public half goes into device.key.pub"],
    ["tally keys new --publisher --out release.key", "a publisher's key, which signs manifests"],
  ]);
  for (const make of [newCommand, showCommand, rotateCommand]) adopt(command, make(shell));
  return command;
}

function newCommand(shell: Shell): Command {
  return verb("new", "Make a key: FILE for its owner only, and FILE.pub for everybody", [
    ["tally keys new --device --out device.key", "X25519: opens what was sealed for it"],
    ["tally keys new --publisher --out release.key", "Ed25519: signs what is sealed with it"],
  ])
    .option("--device", "a device's key (X25519)")
    .option("--publisher", "a publisher's key (Ed25519)")
    .requiredOption("--out <file>", "where to; a file that exists is never replaced")
    .action(async ({ out, ...kind }: KindFlags & { out: string }) => {
      const { newKey } = await import("../offline/keys.ts");
      await newKey(shell, out, kind);
    });
}

function showCommand(shell: Shell): Command {
  return verb("show", "Show what a public key is for, and its name", [
    ["tally keys show device.key.pub", "the name (kid) that grants and manifests carry"],
  ])
    .argument("<file>", "a public half: FILE.pub")
    .action(async (path: string) => {
      const { showKey } = await import("../offline/keys.ts");
      await showKey(shell, path);
    });
}

function rotateCommand(shell: Shell): Command {
  return verb("rotate", "Put a new key in the place of an old one, which is kept beside it", [
    ["tally keys rotate --publisher release.key", "devices must learn release.key.pub before they believe it"],
    ["tally keys rotate --device device.key", "what was sealed for the old one still opens with the old one"],
  ])
    .argument("<file>", "the private half of the key to replace")
    .option("--device", "it is a device's key")
    .option("--publisher", "it is a publisher's key")
    .action(async (path: string, kind: KindFlags) => {
      const { rotateKey } = await import("../offline/keys.ts");
      await rotateKey(shell, path, kind);
    });
}
