import type { Command } from "commander";
import { NotSignedInError } from "../../lib/errors.ts";
import type { UserInfo } from "../../lib/platform/user_info.ts";
import { connectDevice, type DeviceFlags, meansDevice } from "../device.ts";
import { connectPlatform, type PlatformFlags, withPlatform } from "../platform.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface WhoamiFlags extends PlatformFlags, DeviceFlags {
  readonly maskSecrets: boolean;
  readonly relogin?: boolean;
}

/** `tally whoami`: shows who is signed in, at the platform or on the device. */
export function whoamiCommand(shell: Shell): Command {
  const command = verb("whoami", "Show who is signed in at the platform, or with --device on the device service", [
    ["tally whoami", "user, organisation and role at the platform; exit code 3 when nobody is signed in"],
    ["tally whoami --json --no-mask-secrets", "for a script, with the organisation's credentials"],
    ["tally whoami --device", "the account on the device service, and its role"],
  ]);
  command
    .option("--mask-secrets", "show how long the address and the secrets are, and nothing else of them", true)
    .option("--no-mask-secrets", "show them")
    .option("--relogin", "sign in anew before");
  withPlatform(command).option("--device", "who is signed in on the device service");
  return withSettings(command, ["deviceUrl"])
    .action(async (flags: WhoamiFlags) => {
      await (meansDevice(flags) ? showDeviceUser(shell, command) : showPlatformUser(shell, flags));
    });
}

async function showDeviceUser(shell: Shell, command: Command): Promise<void> {
  const { user } = await (await connectDevice(shell, command)).status();
  if (!user) throw new NotSignedInError("Nobody is signed in on the device");
  shell.output.result(user, `${user.email} (${user.role})`);
}

async function showPlatformUser(shell: Shell, flags: WhoamiFlags): Promise<void> {
  const { settings, tokens, session } = await connectPlatform(shell, flags);
  if (flags.relogin) await session?.signIn();
  const token = await tokens(shell.signal);
  const { readClaims } = await import("../../lib/auth/access_token.ts");
  const { Client } = await import("../../lib/platform/client.ts");
  const { maskUserInfo, userInfo } = await import("../../lib/platform/user_info.ts");
  const client = new Client({ settings, tokenProvider: tokens, via: "cli", clock: shell.io.clock });
  const all = userInfo(readClaims(token), await client.me({ signal: shell.signal }), shell.io.clock.now());
  const info = flags.maskSecrets ? maskUserInfo(all) : all;
  shell.output.result(info, ...linesOf(info, settings.apiRoot));
}

function linesOf({ role, token, user, organization }: UserInfo, apiRoot: URL): string[] {
  return [
    `${user.name ?? user.id} (${role})`,
    ...(user.email === null ? [] : [`address: ${user.email}`]),
    `organisation: ${organization.display_name ?? organization.name ?? organization.id}`,
    ...(token === null ? [] : [`signed in at ${apiRoot.host} for ${Math.floor(token.expires_in / 60)} minutes`]),
  ];
}
