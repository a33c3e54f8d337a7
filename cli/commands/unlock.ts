import type { Command } from "commander";
import type { SettingKey } from "../../lib/config/options.ts";
import { UsageError } from "../../lib/errors.ts";
import { connectDevice } from "../device.ts";
import { type AccountFlags, askPassword, withServices } from "../direct.ts";
import { DIRECT_SETTINGS, DOCKER_SETTINGS, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { watchUnlock } from "../unlock_watch.ts";
import { verb, withAccount } from "../verb.ts";

const UNLOCK_SETTINGS: readonly SettingKey[] = [
  ...DIRECT_SETTINGS,
  "imagesPath",
  "imagesResource",
  "images",
  "apiVersion",
  ...DOCKER_SETTINGS,
];

interface UnlockFlags extends AccountFlags {
  readonly direct?: boolean;
}

interface Account {
  readonly email: string;
  readonly password: string;
}

/** `tally unlock`: decrypts the image archive into Docker. */
export function unlockCommand(shell: Shell): Command {
  const command = verb("unlock", "Decrypt the image archive into Docker, and show each state until it is ready", [
    ["tally unlock --email device7@example.com", "by the device service; asks for the password"],
    ["tally unlock --email device7@example.com --password-stdin --json < secret.txt", "for a script: a line per event"],
    ["tally unlock --email device7@example.com --direct", "without a device service"],
  ]);
  withAccount(command, "account that unlocks").option("--direct", "work without a device service");
  withSettings(command, ["deviceUrl"]);
  return withSettings(command, UNLOCK_SETTINGS, "Settings with --direct:")
    .action(async (flags: UnlockFlags) => await unlock(shell, command, flags));
}

async function unlock(shell: Shell, command: Command, flags: UnlockFlags): Promise<void> {
  if (flags.email === undefined) throw new UsageError("Cannot unlock: --email is missing");
  const account = { email: flags.email, password: await askPassword(shell, flags.email, flags) };
  await (flags.direct ? unlockDirectly(shell, command, account) : unlockByDevice(shell, command, account));
}

async function unlockByDevice(shell: Shell, command: Command, { email, password }: Account): Promise<void> {
  const device = await connectDevice(shell, command);
  const first = await device.unlock(email, password);
  await watchUnlock(first, () => device.unlockStatus(), watching(shell));
}

async function unlockDirectly(shell: Shell, command: Command, account: Account): Promise<void> {
  await withServices(shell, command, async ({ unlock }) => {
    const first = await unlock.start(account, shell.signal);
    await watchUnlock(first, () => Promise.resolve(unlock.status()), watching(shell));
  });
}

function watching({ io, output, signal }: Shell) {
  return { output, clock: io.clock, signal };
}
