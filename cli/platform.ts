import { Option as Flag } from "commander";
import type { Command } from "commander";
import { z } from "zod";
import type { PlatformSession, SignInUi } from "../lib/auth/platform_session.ts";
import type { TokenProvider } from "../lib/auth/token_provider.ts";
import { jsonValue } from "../lib/bytes.ts";
import { PLATFORM_OPTIONS, PLATFORM_PREFIX } from "../lib/config/platform_options.ts";
import {
  parsePlatformSettings,
  type PlatformSettings,
  type PlatformSources,
  readPlatformSources,
} from "../lib/config/platform_settings.ts";
import { ConfigurationError, UsageError } from "../lib/errors.ts";
import { httpClient } from "../lib/http/client.ts";
import type { Shell } from "./shell.ts";
import { signInUi } from "./sign_in_ui.ts";

/** Flags of every verb that speaks to the platform. */
export interface PlatformFlags {
  readonly apiRoot?: string;
  readonly env?: readonly string[];
  readonly tokenCommand?: readonly string[];
}

/** The platform that a verb speaks to. */
export interface Platform {
  readonly settings: PlatformSettings;
  /** The token of each call, from wherever the command line says. */
  readonly tokens: TokenProvider;
  /** Who is signed in; missing where tokens come from outside: then nobody signs in, and nothing is cached. */
  readonly session: PlatformSession | undefined;
}

const HEADING = "Platform:";
const ENV_FLAG = "-e, --env <NAME=VALUE>";
const commandSchema = z.array(z.string()).min(1);

/** Gives a command the flags that say which platform is meant, and who asks. */
export function withPlatform(command: Command): Command {
  const { doc } = PLATFORM_OPTIONS.apiRoot;
  const flags = [
    new Flag("--api-root <url>", `${doc} (default: production)`),
    new Flag(ENV_FLAG, `a setting whose name begins with ${PLATFORM_PREFIX}; can be given several times`)
      .argParser((pair: string, before: readonly string[] = []) => [...before, pair]),
    new Flag(
      "--token-command <word...>",
      'program with its arguments that prints an access token, or one JSON list: \'["vault","read","-field=token","x"]\'',
    ),
  ];
  for (const flag of flags) command.addOption(flag.helpGroup(HEADING));
  return command;
}

/** The settings of the platform for a command. @throws {ConfigurationError}, {UsageError} */
export async function readPlatform(shell: Shell, flags: PlatformFlags): Promise<PlatformSettings> {
  return parsePlatformSettings(await platformSources(shell, flags));
}

/** What these settings are read from. @throws {ConfigurationError}, {UsageError} */
export async function platformSources({ io }: Shell, { apiRoot, env = [] }: PlatformFlags): Promise<PlatformSources> {
  const pairs = Object.fromEntries(env.map(splitPair));
  const flags = apiRoot === undefined ? pairs : { ...pairs, [PLATFORM_OPTIONS.apiRoot.name]: apiRoot };
  return await readPlatformSources(flags, io.environment);
}

/**
 * The platform for a command. A person at a terminal who is not signed in is asked to; a script gets an error.
 * @param mayAsk without it a person gets the error, too
 */
export async function connectPlatform(
  shell: Shell,
  flags: PlatformFlags,
  { mayAsk = true }: { mayAsk?: boolean } = {},
): Promise<Platform> {
  const settings = await readPlatform(shell, flags);
  const external = await externalTokens(shell, settings, flags);
  if (external !== undefined) return { settings, tokens: external, session: undefined };
  const isAttended = mayAsk && shell.io.stderr.isTerminal && !shell.output.json;
  const ui = isAttended
    ? signInUi(shell, (_event, ...lines) => lines.forEach((line) => shell.output.note(line)))
    : undefined;
  const session = await newSession(shell, settings, ui);
  return { settings, session, tokens: async (signal) => (await session.accessToken(signal)).token };
}

/**
 * The session of a verb that signs in or out.
 * @param ui without it nobody is asked
 * @throws {ConfigurationError} tokens come from outside: then there is nothing to sign in to
 */
export async function openSession(
  shell: Shell,
  flags: PlatformFlags,
  ui: SignInUi | undefined,
): Promise<{ readonly settings: PlatformSettings; readonly session: PlatformSession }> {
  const settings = await readPlatform(shell, flags);
  if (await externalTokens(shell, settings, flags) !== undefined) {
    throw new ConfigurationError(["Nobody signs in or out while AIGNOSTICS_TOKEN or --token-command gives the token"]);
  }
  return { settings, session: await newSession(shell, settings, ui) };
}

/** The parts of a sign-in are fetched when a verb needs them: all others start without. */
async function newSession(
  { io, signal }: Shell,
  settings: PlatformSettings,
  ui: SignInUi | undefined,
): Promise<PlatformSession> {
  const { PlatformSession } = await import("../lib/auth/platform_session.ts");
  return new PlatformSession({ settings, http: httpClient("issuer"), clock: io.clock, signal, ui });
}

/** Tokens that other programs look after; `undefined` where people sign in. */
async function externalTokens(
  { io }: Shell,
  { token }: PlatformSettings,
  flags: PlatformFlags,
): Promise<TokenProvider | undefined> {
  if (flags.tokenCommand === undefined && token === undefined) return undefined;
  const { givenToken, tokenOfCommand } = await import("../lib/auth/external_token.ts");
  if (flags.tokenCommand !== undefined) return tokenOfCommand(commandOf(flags.tokenCommand), io.clock);
  return token === undefined ? undefined : givenToken(token);
}

function commandOf(words: readonly string[]): readonly string[] {
  const [first = ""] = words;
  if (words.length > 1 || !first.startsWith("[")) return words;
  const parsed = commandSchema.safeParse(jsonValue(first));
  if (parsed.success) return parsed.data;
  throw new UsageError("The value of --token-command begins like a JSON list, and is not a list of words");
}

function splitPair(pair: string): [name: string, value: string] {
  const end = pair.indexOf("=");
  const name = pair.slice(0, end);
  if (end === -1) throw new UsageError(`"${pair}" of --env is not of the form NAME=VALUE`);
  if (!name.startsWith(PLATFORM_PREFIX)) {
    throw new UsageError(`"${name}" of --env does not begin with ${PLATFORM_PREFIX}`);
  }
  return [name, pair.slice(end + 1)];
}
