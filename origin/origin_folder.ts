import { type Clock, systemClock } from "../lib/system/clock.ts";
import { Accounts } from "./accounts.ts";
import { Organizations } from "./organizations.ts";
import { PasswordHasher } from "./passwords.ts";
import { readSecret } from "./secrets.ts";
import { State } from "./state.ts";

/** Which origin a command works on. All but `init`, `serve` and `restore` may run while it serves, and take effect at once. */
export interface OriginFolder {
  readonly dataDir: string;
}

/** The parts of an origin that commands change. */
export interface OpenOrigin {
  readonly state: State;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly clock: Clock;
}

/** Opens the origin of a folder for as long as `work` takes. @throws {ConfigurationError} there is none */
export async function withOrigin<T>(dataDir: string, work: (origin: OpenOrigin) => T | Promise<T>): Promise<T> {
  const clock = systemClock;
  using state = await State.open(dataDir, clock.now());
  readSecret(state, "key_fragment"); // fails where there is no origin
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  return await work({ state, accounts, organizations: new Organizations({ state, clock }), clock });
}
