import type { Command } from "commander";
import type { PlatformSession, SignInUi } from "../../lib/auth/platform_session.ts";
import type { PlatformSettings } from "../../lib/config/platform_settings.ts";
import { NotSignedInError, TallyError, TokenExpiredError, UsageError } from "../../lib/errors.ts";
import { connectDevice, type DeviceFlags, meansDevice } from "../device.ts";
import { type AccountFlags, askPassword } from "../direct.ts";
import { openSession, type PlatformFlags, withPlatform } from "../platform.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { signInUi } from "../sign_in_ui.ts";
import { verb, withAccount } from "../verb.ts";

interface LoginFlags extends AccountFlags, PlatformFlags, DeviceFlags {
  readonly relogin?: boolean;
  readonly deviceCode?: boolean;
  readonly browser: boolean;
}

/** `tally login`: signs somebody in, at the platform or on the device. */
export function loginCommand(shell: Shell): Command {
  const command = verb("login", "Sign in at the platform, or with --email on the device service", [
    ["tally login", "at the platform: in the browser, or where there is none by a code for another device"],
    ["tally login --no-browser --api-root staging", "by a code, at another platform"],
    ["tally login --email ada@example.com", "on the device service: asks for the password, without echo"],
    ["tally login --email ada@example.com --password-stdin < secret.txt", "reads it from a file"],
  ]);
  command
    .option("--relogin", "sign in anew, even when somebody is signed in")
    .option("--device-code", "sign in by a code that is confirmed on another device")
    .option("--no-browser", "the same");
  withPlatform(command).option("--device", "sign in on the device service");
  withAccount(command, "who signs in on the device service");
  return withSettings(command, ["deviceUrl"])
    .action(async (flags: LoginFlags) => {
      await (meansDevice(flags) ? signInOnDevice(shell, command, flags) : signInAtPlatform(shell, flags));
    });
}

async function signInOnDevice(shell: Shell, command: Command, flags: LoginFlags): Promise<void> {
  if (flags.email === undefined) throw new UsageError("Cannot sign in: --email is missing");
  const device = await connectDevice(shell, command);
  const { role, expiresInSeconds } = await device.login(flags.email, await askPassword(shell, flags.email, flags));
  shell.output.result({ email: flags.email, role, expiresInSeconds }, `Signed in as ${flags.email} (${role})`);
}

async function signInAtPlatform(shell: Shell, flags: LoginFlags): Promise<void> {
  const ui = signInUi(shell, (event, ...lines) => shell.output.event(event, ...lines));
  const hasBrowser = flags.browser && flags.deviceCode !== true;
  const { session, settings } = await openSession(shell, flags, hasBrowser ? ui : withoutBrowser(ui));
  if (flags.relogin) await session.signIn();
  else await useOrSignIn(shell, session, settings);
  const { expiresAtMs } = await session.accessToken(shell.signal);
  const { environment, apiRoot } = settings;
  shell.output.result(
    { environment, apiRoot, expiresAt: new Date(expiresAtMs).toISOString() },
    `Signed in at ${apiRoot.host}`,
  );
}

function withoutBrowser(ui: SignInUi): SignInUi {
  return { ...ui, openBrowser: undefined };
}

/** A token that looks right and that the platform refuses is of no use: then the person signs in anew. */
async function useOrSignIn(shell: Shell, session: PlatformSession, settings: PlatformSettings): Promise<void> {
  await session.accessToken(shell.signal);
  const { Client } = await import("../../lib/platform/client.ts");
  const tokenProvider = async (signal: AbortSignal) => (await session.accessToken(signal)).token;
  try {
    await new Client({ settings, tokenProvider, via: "cli", clock: shell.io.clock }).me({ signal: shell.signal });
  } catch (error) {
    if (error instanceof NotSignedInError || error instanceof TokenExpiredError) return void await session.signIn();
    if (!(error instanceof TallyError) || error.code === "interrupted") throw error;
    shell.output.note(`The platform cannot confirm the sign-in now: ${error.message}`);
  }
}
