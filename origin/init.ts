import { ConflictError, InvalidInputError } from "../lib/errors.ts";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { ensureFolder, listFiles, listFolders } from "../lib/system/files.ts";
import { Accounts } from "./accounts.ts";
import { BusinessError } from "./business_error.ts";
import { lockFolder } from "./folder_lock.ts";
import { PasswordHasher, randomPassword } from "./passwords.ts";
import { randomSecret, writeSecret } from "./secrets.ts";
import { State } from "./state.ts";
import { generateSigningKey, rotateSigningKey } from "./tokens.ts";

/** The first administrator; the password is stored nowhere else. */
export interface FirstAdministrator {
  readonly email: string;
  readonly password: string;
}

/**
 * Makes a data folder into an origin: keys, secrets, and the first ApiAdmin. When it is killed half-way it can be run again.
 * @throws {ConflictError} when the folder holds an origin or anything else already, or somebody else is at it; {InvalidInputError} when the e-mail address is none
 */
export async function initOrigin(
  dataDir: string,
  { email, clock = systemClock }: { email: string; clock?: Clock },
): Promise<FirstAdministrator> {
  await ensureFolder(dataDir);
  await refuseForeignFolder(dataDir);
  using _lock = await lockFolder(dataDir);
  using state = await State.create(dataDir, clock.now());
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  if (accounts.count() > 0) throw alreadyThere(dataDir);
  const password = randomPassword();
  rotateSigningKey(state, await generateSigningKey(), clock.now());
  state.transaction(() => {
    for (const name of ["key_fragment", "object_reader", "object_writer", "url_signing"] as const) {
      writeSecret(state, name, randomSecret());
    }
  });
  try {
    await accounts.create({ email, password, role: "ApiAdmin" }); // last: an account is what makes the folder an origin
  } catch (error) {
    throw error instanceof BusinessError ? new InvalidInputError("email", error.message, { cause: error }) : error;
  }
  return { email, password };
}

/** An origin closes its folder to everybody else, which must not happen to a folder that has another use. */
async function refuseForeignFolder(dataDir: string): Promise<void> {
  const files = await listFiles(dataDir);
  if (files.some((name) => name.startsWith("origin."))) return; // an origin, or what a killed `init` left of one
  if (files.length === 0 && (await listFolders(dataDir)).length === 0) return;
  throw new ConflictError(`Cannot make an origin in "${dataDir}": the folder is not empty`);
}

function alreadyThere(dataDir: string): ConflictError {
  return new ConflictError(`Cannot make an origin in "${dataDir}": the folder holds one already`);
}
