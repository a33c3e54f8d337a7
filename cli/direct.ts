import type { Command } from "commander";
import type { Role } from "../lib/auth/roles.ts";
import type { Settings } from "../lib/config/options.ts";
import { NotAllowedError } from "../lib/errors.ts";
import type { Level } from "../lib/log.ts";
import type { Services } from "../lib/services.ts";
import { stderrLog } from "./log.ts";
import { readPassword } from "./prompt.ts";
import { readSettings } from "./settings.ts";
import type { Shell } from "./shell.ts";

/** Flags with which a verb works by itself, without a device service. */
export interface AccountFlags {
  readonly email?: string;
  readonly passwordStdin?: boolean;
}

/** Asks for the password of `email`, or reads it from standard input. */
export async function askPassword({ io, signal }: Shell, email: string, flags: AccountFlags): Promise<string> {
  return await readPassword({ email, fromStdin: flags.passwordStdin === true }, {
    keyboard: io.keyboard,
    stderr: io.stderr,
    signal,
  });
}

/** Lends the services of this process for one call without a device service; nobody is signed in yet. */
export async function withServices<T>(
  shell: Shell,
  command: Command,
  use: (services: Services) => Promise<T>,
): Promise<T> {
  const settings = await readSettings(command, shell.io.environment, ["resourceApiUrl"]);
  const { createServices } = await import("../lib/services.ts");
  const services = await createServices(settings, {
    log: stderrLog(shell.io, quietLevel(settings)),
    clock: shell.io.clock,
  });
  try {
    return await use(services);
  } finally {
    await services.stop();
  }
}

/**
 * The same, signed in as the account of the flags.
 * @throws {NotSignedInError}, {NotAllowedError} unless the account has one of the roles
 */
export async function asAccount<T>(
  shell: Shell,
  command: Command,
  { flags, email, roles }: { flags: AccountFlags; email: string; roles: readonly Role[] },
  use: (services: Services) => Promise<T>,
): Promise<T> {
  const password = await askPassword(shell, email, flags);
  return await withServices(shell, command, async (services) => {
    const { user } = await services.session.signIn({ email, password }, shell.signal);
    if (!roles.includes(user.role)) {
      throw new NotAllowedError(`"${user.email}" has the role ${user.role}, which may not do this`);
    }
    return await use(services);
  });
}

/** What a service logs as usual events, a command shows by itself. */
function quietLevel({ logLevel }: Settings): Level {
  return logLevel === "info" ? "warning" : logLevel;
}
