import type { Command } from "commander";
import { NotSignedInError } from "../../lib/errors.ts";
import { connectDevice } from "../device.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally whoami`: shows who is signed in on the device. */
export function whoamiCommand(shell: Shell): Command {
  const command = verb("whoami", "Show who is signed in on the device service", [
    ["tally whoami", "the account and its role; exit code 3 when nobody is signed in"],
    ["tally whoami --json", "for a script"],
  ]);
  return withSettings(command, ["deviceUrl"]).action(async () => {
    const { user } = await (await connectDevice(shell, command)).status();
    if (!user) throw new NotSignedInError("Nobody is signed in on the device");
    shell.output.result(user, `${user.email} (${user.role})`);
  });
}
