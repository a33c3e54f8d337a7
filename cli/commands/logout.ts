import type { Command } from "commander";
import { NotSignedInError } from "../../lib/errors.ts";
import { connectDevice, type DeviceFlags, meansDevice } from "../device.ts";
import { openSession, type PlatformFlags, withPlatform } from "../platform.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally logout`: signs out, at the platform or on the device. */
export function logoutCommand(shell: Shell): Command {
  const command = verb("logout", "Sign out at the platform, or with --device on the device service", [
    ["tally logout", "at the platform: the tokens are revoked where the issuer can do it, and removed"],
    ["tally logout --device", "on the device service, which forgets the password"],
    ["tally logout --device-url http://127.0.0.1:9000", "where the device service listens elsewhere"],
  ]);
  withPlatform(command).option("--device", "sign out on the device service");
  return withSettings(command, ["deviceUrl"])
    .action(async (flags: PlatformFlags & DeviceFlags) => {
      await (meansDevice(flags) ? signOutOnDevice(shell, command) : signOutAtPlatform(shell, flags));
    });
}

async function signOutOnDevice(shell: Shell, command: Command): Promise<void> {
  await (await connectDevice(shell, command)).logout();
  shell.output.result({ status: "ok" }, "Signed out");
}

async function signOutAtPlatform(shell: Shell, flags: PlatformFlags): Promise<void> {
  const { session, settings } = await openSession(shell, flags, undefined);
  const { wasSignedIn, isRevoked } = await session.signOut();
  if (!wasSignedIn) throw new NotSignedInError(`Nobody is signed in at ${settings.apiRoot.host}`);
  if (!isRevoked) shell.output.note("The issuer did not revoke the tokens: they are good until they expire");
  shell.output.result({ status: "ok", revoked: isRevoked }, `Signed out at ${settings.apiRoot.host}`);
}
