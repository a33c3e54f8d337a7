import { RateLimitedError } from "../errors.ts";
import { clientNetwork } from "../http/client_network.ts";
import type { Clock } from "../system/clock.ts";
import { abandonable } from "./abandonable.ts";

/** Who tries to sign in: the account's name as it was typed, and the address that the call comes from; those of one IPv6 network are one. */
export interface Attempt {
  readonly account: string;
  readonly client: string;
}

/** How many calls a minute are let through. */
export interface SignInAllowance {
  /** Failed sign-ins of one account. */
  readonly failuresPerAccount: number;
  /** Failed sign-ins from one address. */
  readonly failuresPerClient: number;
  /** Sign-ins from one address, right or wrong. */
  readonly callsPerClient: number;
}

const WINDOW_MS = 60_000;
const FIRST_LOCK_MS = 60_000;
const LONGEST_LOCK_MS = 15 * 60_000;
const FORGOTTEN_AFTER_MS = 60 * 60_000;
const PASTS_LIMIT = 10_000;

/** How one attempt goes on. */
export interface AttemptOptions<T> {
  /** Ends the wait for its turn. */
  readonly signal?: AbortSignal | undefined;
  /** Whether a result says that the password was right: only then what the account has failed with is forgotten. Every result does unless given. */
  readonly isProof?: (result: T) => boolean;
}

/** What is remembered of one account or one address. */
interface Past {
  failuresMs: number[];
  callsMs: number[];
  readonly pending: Set<Promise<void>>;
  lockedUntilMs: number;
  /** How often it was locked without an hour of rest in between. */
  locks: number;
  lastMs: number;
}

/** What may keep an attempt out: the past of its account or of its address, and how many failures either may have. */
interface Gate {
  readonly past: Past;
  readonly failures: number;
}

/**
 * Slows down who guesses passwords: after too many failures in a minute an account, or an address, is refused for a minute, and
 * for twice as long each time it goes on, up to a quarter of an hour; never for good. Sign-ins under way count as failures
 * until they end, so that guesses in parallel gain nothing: they wait for their turn. What is remembered is bounded.
 */
export class SignInLimit {
  readonly #allowance: SignInAllowance;
  readonly #isRefusal: (error: unknown) => boolean;
  readonly #clock: Clock;
  readonly #pasts = new Map<string, Past>();

  /** @param isRefusal whether an error of a sign-in says that name or password are wrong: other errors are nobody's guess */
  constructor(allowance: SignInAllowance, isRefusal: (error: unknown) => boolean, clock: Clock) {
    this.#allowance = allowance;
    this.#isRefusal = isRefusal;
    this.#clock = clock;
  }

  /**
   * Runs `signIn` when this account and this address may try.
   * @throws {RateLimitedError} they may not, until the time that it names; and whatever `signIn` throws
   */
  async attempt<T>(
    { account, client }: Attempt,
    signIn: () => Promise<T>,
    { signal, isProof = () => true }: AttemptOptions<T> = {},
  ): Promise<T> {
    const byClient = this.#gate(`client ${clientNetwork(client)}`, this.#allowance.failuresPerClient);
    this.#countCall(byClient.past);
    this.#refuseLocked(byClient); // before there is room for the account: who is refused names as many as there are
    const byAccount = this.#gate(`account ${accountKey(account)}`, this.#allowance.failuresPerAccount);
    const gates = [byClient, byAccount];
    const leave = await this.#enter(gates, signal);
    try {
      const result = await signIn();
      if (isProof(result)) Object.assign(byAccount.past, { failuresMs: [], locks: 0 });
      return result;
    } catch (error) {
      if (this.#isRefusal(error)) gates.forEach((gate) => this.#countFailure(gate));
      throw error;
    } finally {
      leave();
    }
  }

  /**
   * Waits while sign-ins under way might, by failing, use up what is left; the check and the entry are one step.
   * @returns to be called when the sign-in has ended
   * @throws {RateLimitedError} a gate is locked
   */
  async #enter(gates: readonly Gate[], signal: AbortSignal | undefined): Promise<() => void> {
    for (;;) {
      gates.forEach((gate) => this.#refuseLocked(gate));
      const busy = gates.find(({ past, failures }) =>
        past.pending.size > 0 && past.failuresMs.length + past.pending.size >= failures
      );
      if (busy === undefined) return enter(gates);
      await abandonable(Promise.race(busy.past.pending), signal);
    }
  }

  #refuseLocked({ past }: Gate): void {
    const waitMs = past.lockedUntilMs - this.#clock.now();
    if (waitMs > 0 && waitMs <= LONGEST_LOCK_MS) throw refusal(waitMs); // longer: the clock was set back
  }

  #countCall(past: Past): void {
    if (this.#allowance.callsPerClient === Infinity) return;
    const nowMs = this.#clock.now();
    past.callsMs = inWindow(past.callsMs, nowMs);
    const oldestMs = past.callsMs[0];
    if (oldestMs !== undefined && past.callsMs.length >= this.#allowance.callsPerClient) {
      throw refusal(oldestMs + WINDOW_MS - nowMs);
    }
    past.callsMs.push(nowMs);
  }

  #countFailure({ past, failures }: Gate): void {
    const nowMs = this.#clock.now();
    past.failuresMs = [...inWindow(past.failuresMs, nowMs), nowMs];
    if (past.failuresMs.length < failures) return;
    past.lockedUntilMs = nowMs + Math.min(FIRST_LOCK_MS * 2 ** past.locks, LONGEST_LOCK_MS);
    past.locks++;
    past.failuresMs = [];
  }

  #gate(key: string, failures: number): Gate {
    const nowMs = this.#clock.now();
    const known = this.#pasts.get(key);
    const isFresh = known !== undefined && (known.pending.size > 0 || known.lastMs > nowMs - FORGOTTEN_AFTER_MS);
    const past = isFresh ? known : newPast();
    past.lastMs = nowMs;
    this.#pasts.delete(key); // the map's order is that of the last use
    this.#pasts.set(key, past);
    if (this.#pasts.size > PASTS_LIMIT) this.#pasts.delete(this.#leastWanted(nowMs));
    return { past, failures };
  }

  /** Of those that nothing stands against, the one that was not used for longest; where something stands against all, of these. */
  #leastWanted(nowMs: number): string {
    for (const [key, past] of this.#pasts) {
      if (past.locks === 0 && past.pending.size === 0 && inWindow(past.failuresMs, nowMs).length === 0) return key;
    }
    const [oldest = ""] = this.#pasts.keys();
    return oldest;
  }
}

/** Names that an API may take for one are one here, too: in upper or lower case, and with accents that are composed or not. */
function accountKey(name: string): string {
  return name.normalize("NFKC").trim().toLowerCase();
}

function enter(gates: readonly Gate[]): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const { past } of gates) past.pending.add(promise);
  return () => {
    for (const { past } of gates) past.pending.delete(promise);
    resolve();
  };
}

function inWindow(timesMs: readonly number[], nowMs: number): number[] {
  return timesMs.filter((ms) => ms > nowMs - WINDOW_MS && ms <= nowMs);
}

function newPast(): Past {
  return { failuresMs: [], callsMs: [], pending: new Set(), lockedUntilMs: 0, locks: 0, lastMs: 0 };
}

function refusal(waitMs: number): RateLimitedError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new RateLimitedError(`Too many sign-ins: try again in ${seconds} s`, seconds);
}
