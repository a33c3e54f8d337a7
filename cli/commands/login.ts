import type { Command } from "commander";
import { UsageError } from "../../lib/errors.ts";
import { connectDevice } from "../device.ts";
import { type AccountFlags, askPassword } from "../direct.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb, withAccount } from "../verb.ts";

/** `tally login`: signs somebody in on the device. */
export function loginCommand(shell: Shell): Command {
  const command = verb("login", "Sign in on the device service", [
    ["tally login --email ada@example.com", "asks for the password, without echo"],
    ["tally login --email ada@example.com --password-stdin < secret.txt", "reads it from a file"],
  ]);
  withAccount(command, "who signs in");
  return withSettings(command, ["deviceUrl"])
    .action(async (flags: AccountFlags) => await login(shell, command, flags));
}

async function login(shell: Shell, command: Command, flags: AccountFlags): Promise<void> {
  if (flags.email === undefined) throw new UsageError("Cannot sign in: --email is missing");
  const device = await connectDevice(shell, command);
  const { role, expiresInSeconds } = await device.login(flags.email, await askPassword(shell, flags.email, flags));
  shell.output.result({ email: flags.email, role, expiresInSeconds }, `Signed in as ${flags.email} (${role})`);
}
