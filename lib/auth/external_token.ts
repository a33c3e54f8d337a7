import type { Secret } from "../config/secret.ts";
import { ConfigurationError, NotSignedInError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { wholeEnvironment } from "../system/environment.ts";
import { type ChildResult, runChild } from "../system/process.ts";
import { abandonable } from "./abandonable.ts";
import { readClaims } from "./access_token.ts";
import type { TokenProvider } from "./token_provider.ts";

const COMMAND_LIMIT_MS = 60_000;
/** How long before its end a token is not used any more. */
const BUFFER_MS = 5 * 60_000;
/** How long a token that does not say its end is kept. */
const OPAQUE_MS = 60_000;
const TOKEN_LIMIT_CHARACTERS = 16_384;

/** A token that somebody else has looked after: it is used as it is, and neither checked nor kept. */
export function givenToken(token: Secret): TokenProvider {
  return () => Promise.resolve(checked(token.reveal(), "AIGNOSTICS_TOKEN"));
}

/**
 * The first line that a program prints, such as `["vault", "read", "-field=token", "secret/platform"]`. No shell reads the
 * command. The program gets our environment, and is run again when its token is about to expire, or is a minute old and does
 * not say when it does. Simultaneous calls share one run.
 * @throws {ConfigurationError} there is no such program; {NotSignedInError} it fails, or prints no token
 */
export function tokenOfCommand(command: readonly string[], clock: Clock): TokenProvider {
  let held: { readonly token: string; readonly untilMs: number } | undefined;
  let running: Promise<string> | undefined;
  const run = async () => {
    const token = checked(firstLine(await runTokenCommand(command)), "The token command");
    held = { token, untilMs: endOf(token, clock) };
    return token;
  };
  return async (signal) => {
    if (held !== undefined && clock.now() < held.untilMs) return held.token;
    running ??= run().finally(() => running = undefined);
    return await abandonable(running, signal);
  };
}

async function runTokenCommand([program = "", ...args]: readonly string[]): Promise<ChildResult> {
  const signal = AbortSignal.timeout(COMMAND_LIMIT_MS);
  try {
    const result = await runChild(program, { args, env: wholeEnvironment(), signal });
    if (result.exitCode === 0) return result;
    throw new NotSignedInError(`The token command "${program}" ended with exit code ${result.exitCode}`);
  } catch (cause) {
    if (!signal.aborted) throw cause instanceof Deno.errors.NotFound ? unknown(program) : cause;
    throw new NotSignedInError(`The token command "${program}" has not ended within a minute`);
  }
}

function unknown(program: string): ConfigurationError {
  return new ConfigurationError([`There is no program "${program}" for --token-command`]);
}

function firstLine({ stdout }: ChildResult): string {
  return new TextDecoder().decode(stdout).split(/\r?\n/, 1)[0]?.trim() ?? "";
}

/** What goes into a header must not be able to end it. */
function checked(token: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= TOKEN_LIMIT_CHARACTERS) return token;
  throw new NotSignedInError(`${source} does not give a token`);
}

function endOf(token: string, clock: Clock): number {
  const exp = readClaims(token)?.exp;
  return exp === undefined ? clock.now() + OPAQUE_MS : exp * 1000 - BUFFER_MS;
}
