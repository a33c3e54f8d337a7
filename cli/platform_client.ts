import type { Command } from "commander";
import type { Client } from "../lib/platform/client.ts";
import { connectPlatform, type PlatformFlags, withPlatform } from "./platform.ts";
import type { Shell } from "./shell.ts";
import { type Example, verb } from "./verb.ts";

/** What an action of a platform verb works with. */
export interface PlatformAction<Flags> {
  readonly client: Client;
  readonly flags: Flags;
  readonly shell: Shell;
}

/** A client of the platform that the flags and settings name. The library is fetched when a verb needs it. */
export async function platformClient(
  shell: Shell,
  flags: PlatformFlags,
  options: { mayAsk?: boolean } = {},
): Promise<Client> {
  const { settings, tokens } = await connectPlatform(shell, flags, options);
  const { Client } = await import("../lib/platform/client.ts");
  const { clock, environment } = shell.io;
  return new Client({ settings, tokenProvider: tokens, via: "cli", clock, environment });
}

/** A verb that speaks to the platform: it has the flags that say to which. */
export function platformVerb(name: string, description: string, examples: readonly Example[]): Command {
  return withPlatform(verb(name, description, examples));
}

/**
 * Lets a verb act with a client; `act` gets the arguments of the command line as they stand there.
 * @param options without `mayAsk` nobody is asked to sign in
 */
export function acts<Flags>(
  command: Command,
  shell: Shell,
  act: (action: PlatformAction<Flags>, ...args: string[]) => Promise<void>,
  options: { mayAsk?: boolean } = {},
): Command {
  return command.action(async (...given: unknown[]) => {
    const flags = command.opts<Flags & PlatformFlags>();
    const args = given.filter((one) => typeof one === "string");
    await act({ client: await platformClient(shell, flags, options), flags, shell }, ...args);
  });
}
