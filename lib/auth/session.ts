import { type Bytes, utf8, wipe } from "../bytes.ts";
import { NotSignedInError } from "../errors.ts";
import { KNOWN_SECRETS } from "../redaction/known_secrets.ts";
import { abandonable } from "./abandonable.ts";
import type { TokenFacts, VerifyToken } from "./claims.ts";
import type { User } from "./roles.ts";

/** Name and password of an account. */
export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** A token and what it says. */
export interface Grant extends TokenFacts {
  readonly token: string;
}

/** Exchanges name and password for a token. @throws {NotSignedInError} they are wrong; other errors when nobody can say */
export type Authenticate = (email: string, password: string, signal?: AbortSignal) => Promise<string>;

/** One sign-in, from its beginning to its end. */
interface Account {
  readonly email: string;
  readonly password: Bytes;
  /** Aborted when the account is signed out or replaced. */
  readonly ended: AbortController;
  grant: Grant;
  /** Keeps the password out of logs and messages. */
  readonly knownPassword: Disposable;
  /** The same for the token. */
  knownToken: Disposable;
  renewal?: Promise<string> | undefined;
}

/**
 * Who is signed in on this device, with the password in memory only: as bytes, which are overwritten at sign-out and when
 * another account takes its place. It is the token source of the API client.
 *
 * All calls may run at the same time. A sign-in that fails leaves the session that was there. A sign-out ends sign-ins and
 * renewals that are under way: none of them brings the session back. A renewal that finds the password refused ends the
 * session, because the account was closed or its password changed; one that cannot reach the API does not.
 */
export class Session {
  readonly #authenticate: Authenticate;
  readonly #verify: VerifyToken;
  #account: Account | undefined;
  #signOuts = 0;

  constructor({ authenticate, verify }: { authenticate: Authenticate; verify: VerifyToken }) {
    this.#authenticate = authenticate;
    this.#verify = verify;
  }

  /** Signs in, in place of whoever is signed in. @throws {NotSignedInError} and whatever `authenticate` and `verify` throw */
  async signIn({ email, password }: Credentials, signal?: AbortSignal): Promise<Grant> {
    const signOutsBefore = this.#signOuts;
    const grant = await this.#grant(email, password, signal);
    if (this.#signOuts !== signOutsBefore) throw signedOut();
    this.#end();
    this.#account = {
      email: ownSpelling(email, grant.user.email),
      password: utf8(password),
      ended: new AbortController(),
      grant,
      knownPassword: KNOWN_SECRETS.hold(password),
      knownToken: KNOWN_SECRETS.hold(grant.token),
    };
    return grant;
  }

  /** Forgets token and password. No error when nobody is signed in. */
  signOut(): void {
    this.#signOuts++;
    this.#end();
  }

  /** Who is signed in, with the role of the latest token. */
  user(): User | undefined {
    return this.#account?.grant.user;
  }

  /** Name and password, from which the key of this user and hardware is made. @throws {NotSignedInError} */
  credentials(): Credentials {
    return credentialsOf(this.#present());
  }

  /** The present token, which may have expired. @throws {NotSignedInError} */
  // deno-lint-ignore require-await -- errors must reject
  async token(): Promise<string> {
    return this.#present().grant.token;
  }

  /**
   * A token newer than `stale`: the present one when it is another, else that of a new sign-in, which simultaneous callers share.
   * `signal` ends only this caller's wait.
   * @throws {NotSignedInError} nobody is signed in any more, or the password is refused, which ends the session;
   * {InterruptedError} the signal was aborted
   */
  async renew(stale: string, signal?: AbortSignal): Promise<string> {
    const account = this.#present();
    if (account.grant.token !== stale) return account.grant.token;
    account.renewal ??= this.#renewed(account).finally(() => account.renewal = undefined);
    return await abandonable(account.renewal, signal);
  }

  async #renewed(account: Account): Promise<string> {
    const { email, password } = credentialsOf(account);
    try {
      const grant = await this.#grant(email, password, account.ended.signal);
      if (account.ended.signal.aborted) throw signedOut();
      account.grant = grant;
      account.knownToken[Symbol.dispose]();
      account.knownToken = KNOWN_SECRETS.hold(grant.token);
      return grant.token;
    } catch (error) {
      if (account.ended.signal.aborted) throw signedOut();
      if (error instanceof NotSignedInError) this.#end();
      throw error;
    }
  }

  async #grant(email: string, password: string, signal: AbortSignal | undefined): Promise<Grant> {
    const token = await this.#authenticate(email, password, signal);
    return { token, ...await this.#verify(token) };
  }

  #present(): Account {
    if (this.#account === undefined) throw new NotSignedInError("Nobody is signed in on this device");
    return this.#account;
  }

  #end(): void {
    const account = this.#account;
    this.#account = undefined;
    if (account === undefined) return;
    wipe(account.password);
    account.knownPassword[Symbol.dispose]();
    account.knownToken[Symbol.dispose]();
    account.ended.abort();
  }
}

/** The API makes keys from its own spelling of the address, so `Anna@…` typed for `anna@…` must become the latter. */
function ownSpelling(typed: string, claimed: string): string {
  return typed.toLowerCase() === claimed.toLowerCase() ? claimed : typed;
}

function credentialsOf({ email, password }: Account): Credentials {
  return { email, password: new TextDecoder().decode(password) };
}

function signedOut(): NotSignedInError {
  return new NotSignedInError("The session was signed out in the meantime");
}
