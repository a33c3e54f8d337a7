import type { PlatformSettings } from "../config/platform_settings.ts";
import type { Secret } from "../config/secret.ts";
import { InterruptedError, NotSignedInError, TallyError, TokenExpiredError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { isTransient } from "../http/retry.ts";
import type { Clock } from "../system/clock.ts";
import { abandonable } from "./abandonable.ts";
import { type AccessToken, accessTokenVerifier, readUnverified, type VerifyAccessToken } from "./access_token.ts";
import { type OpenBrowser, signInWithBrowser } from "./browser_flow.ts";
import { type DevicePrompt, signInWithDevice } from "./device_flow.ts";
import { findIssuer, type Issuer } from "./issuer.ts";
import type { OAuthDeps } from "./oauth_call.ts";
import { TokenCache } from "./token_cache.ts";
import { refreshGrant, revokeGrant, type TokenGrant } from "./token_grant.ts";

/** How a sign-in reaches a person. */
export interface SignInUi {
  /** Missing where there is no browser: then a code is shown. */
  readonly openBrowser?: OpenBrowser | undefined;
  /** Shows the code that has to be confirmed. */
  readonly showPrompt: (prompt: DevicePrompt) => void;
  /** Tells why something goes another way than asked. */
  readonly note: (sentence: string) => void;
}

/** What a session needs. */
export interface PlatformSessionDeps {
  readonly settings: PlatformSettings;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** Without it nobody is asked: who is not signed in gets an error. */
  readonly ui?: SignInUi | undefined;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
}

/** How a sign-out went. */
export interface SignOut {
  readonly wasSignedIn: boolean;
  /** Whether the issuer has made the refresh token useless. */
  readonly isRevoked: boolean;
}

/** How long before its end a token is not used any more, if another can be had. */
const BUFFER_MS = 5 * 60_000;
/** How long after an attempt a token is renewed again at the earliest. */
const RENEWAL_PAUSE_MS = 30_000;

/**
 * Who is signed in at the platform. A token comes from memory, else from the cache, else from a refresh, else from a sign-in by a
 * person. It is checked whenever it comes in; a cached one is used unchecked, up to its own end, only while its issuer
 * cannot be reached. All calls may run at the same time, in several processes too: one of them renews, and the others take
 * what it got.
 */
export class PlatformSession {
  readonly #deps: PlatformSessionDeps;
  readonly #oauth: OAuthDeps;
  readonly #cache: TokenCache;
  #issuer: Promise<{ readonly issuer: Issuer; readonly verify: VerifyAccessToken }> | undefined;
  #held: AccessToken | undefined;
  #nextRenewalMs = 0;
  #pending: Promise<AccessToken> | undefined;

  constructor(deps: PlatformSessionDeps) {
    const { settings, http, clock } = deps;
    this.#deps = deps;
    this.#oauth = { http, clock, retry: settings.retries.auth, timeoutMs: settings.timeoutsMs.auth };
    this.#cache = new TokenCache(settings, clock);
  }

  /**
   * A token that is good for five minutes at least, where one can be had. `signal` ends only this caller's wait.
   * @throws {NotSignedInError} nobody is signed in; {TokenExpiredError} the sign-in has ended; {ConfigurationError};
   * {UnavailableError}, {UpstreamTimeoutError} the issuer is away, and there is no token to go on with
   */
  async accessToken(signal?: AbortSignal): Promise<AccessToken> {
    const held = this.#held;
    if (held !== undefined && (this.#isFresh(held) || this.#isGoodForNow(held))) return held;
    this.#pending ??= this.#acquire().finally(() => this.#pending = undefined);
    return await abandonable(this.#pending, signal);
  }

  /** Signs somebody in anew, whoever is signed in now. @throws as {@link accessToken} */
  async signIn(): Promise<AccessToken> {
    const { ui, signal } = this.#deps;
    if (ui === undefined) throw new NotSignedInError(`Nobody is signed in at ${this.#deps.settings.apiRoot.host}`);
    const { issuer } = await this.#open();
    const grant = await this.#ask(issuer, ui);
    const checked = await this.#verified(grant);
    using _lock = await this.#cache.lock(signal);
    await this.#cache.write(grant);
    return this.#held = checked;
  }

  /** Makes the refresh token useless, where the issuer can, and removes all tokens whatever the issuer says. */
  async signOut(): Promise<SignOut> {
    using _lock = await this.#cache.lock(this.#deps.signal);
    this.#held = undefined;
    const grant = await this.#cache.read();
    await this.#cache.remove();
    if (grant === undefined) return { wasSignedIn: false, isRevoked: false };
    return { wasSignedIn: true, isRevoked: await this.#revoke(grant) };
  }

  async #revoke({ refreshToken, clientId }: TokenGrant): Promise<boolean> {
    if (refreshToken === undefined) return false;
    try {
      const { issuer } = await this.#open();
      return await revokeGrant(issuer, { refreshToken, clientId }, this.#oauth, this.#deps.signal);
    } catch (error) {
      if (!(error instanceof TallyError) || error instanceof InterruptedError) throw error;
      return false; // the caller is told that it is not
    }
  }

  async #acquire(): Promise<AccessToken> {
    const grant = await this.#cache.read();
    const present = await this.#checked(grant);
    if (present !== undefined && this.#isFresh(present)) return this.#held = present;
    const renewed = await this.#renew();
    if (renewed !== undefined) {
      this.#nextRenewalMs = this.#deps.clock.now() + RENEWAL_PAUSE_MS;
      return this.#held = renewed;
    }
    if (this.#deps.ui !== undefined) return await this.signIn();
    const where = this.#deps.settings.apiRoot.host;
    throw grant === undefined
      ? new NotSignedInError(`Nobody is signed in at ${where}`)
      : new TokenExpiredError(`The sign-in at ${where} has ended`);
  }

  /** Under a lock: whoever waits for it looks first whether another process has renewed meanwhile. */
  async #renew(): Promise<AccessToken | undefined> {
    using _lock = await this.#cache.lock(this.#deps.signal);
    const grant = await this.#cache.read();
    const present = await this.#checked(grant);
    if (present !== undefined && this.#isFresh(present)) return present;
    try {
      for (const candidate of this.#candidates(grant)) {
        const renewed = await this.#refresh(candidate);
        if (renewed !== undefined) return renewed;
      }
    } catch (error) {
      if (present !== undefined && isAway(error)) return present;
      throw error;
    }
    if (grant !== undefined && present === undefined) await this.#cache.remove();
    else if (grant?.refreshToken !== undefined) await this.#cache.write({ ...grant, refreshToken: undefined });
    return present;
  }

  #candidates(grant: TokenGrant | undefined): { refreshToken: Secret; clientId: string | undefined }[] {
    const { refreshToken } = this.#deps.settings;
    return [
      ...(grant?.refreshToken === undefined ? [] : [{ refreshToken: grant.refreshToken, clientId: grant.clientId }]),
      ...(refreshToken === undefined ? [] : [{ refreshToken, clientId: undefined }]),
    ];
  }

  /** `undefined` when the issuer does not take the refresh token any more. */
  async #refresh(
    { refreshToken, clientId }: { refreshToken: Secret; clientId: string | undefined },
  ): Promise<AccessToken | undefined> {
    const { issuer } = await this.#open();
    const request = { refreshToken, clientId: clientId ?? issuer.clientIdInteractive };
    try {
      const grant = await refreshGrant(issuer, request, this.#oauth, this.#deps.signal);
      const checked = await this.#verified(grant);
      await this.#cache.write(grant);
      return checked;
    } catch (error) {
      if (error instanceof NotSignedInError || error instanceof TokenExpiredError) return undefined;
      throw error;
    }
  }

  /** The access token of a grant; `undefined` when it is of no use. */
  async #checked(grant: TokenGrant | undefined): Promise<AccessToken | undefined> {
    try {
      return grant === undefined ? undefined : await this.#verified(grant);
    } catch (error) {
      if (error instanceof NotSignedInError || error instanceof TokenExpiredError) return undefined;
      throw error;
    }
  }

  /** Checked with the keys of the issuer; while nobody can fetch them, a token that came from the issuer is good until its end. */
  async #verified({ accessToken }: TokenGrant): Promise<AccessToken> {
    const token = accessToken.reveal();
    const unverified = readUnverified(token, this.#deps.clock);
    try {
      const { verify } = await this.#open();
      return await verify(token);
    } catch (error) {
      if (isAway(error)) return unverified;
      throw error;
    }
  }

  async #ask(issuer: Issuer, { openBrowser, showPrompt, note }: SignInUi): Promise<TokenGrant> {
    const { settings, signal } = this.#deps;
    if (openBrowser !== undefined) {
      const grant = await signInWithBrowser(issuer, settings, { ...this.#oauth, openBrowser }, signal);
      if (grant === "port_taken") {
        note(`Port ${issuer.redirectUri.port} is taken by another program: using a code instead`);
      } else if (grant === "no_browser") note("No browser could be opened: using a code instead");
      else return grant;
    }
    return await signInWithDevice(issuer, settings, { ...this.#oauth, showPrompt }, signal);
  }

  #open(): Promise<{ readonly issuer: Issuer; readonly verify: VerifyAccessToken }> {
    this.#issuer ??= this.#find().catch((error) => {
      this.#issuer = undefined;
      throw error;
    });
    return this.#issuer;
  }

  async #find(): Promise<{ readonly issuer: Issuer; readonly verify: VerifyAccessToken }> {
    const { settings, http, clock, signal } = this.#deps;
    const issuer = await findIssuer(settings, { http, signal });
    const { leewayMs, cacheTtlsMs } = settings;
    return { issuer, verify: accessTokenVerifier(issuer, { http, clock, leewayMs, keyAgeMs: cacheTtlsMs.jwkSet }) };
  }

  /** One that could not be renewed a moment ago is used on, so that not every call waits for an issuer that is away. */
  #isGoodForNow({ expiresAtMs }: AccessToken): boolean {
    const nowMs = this.#deps.clock.now();
    return nowMs < this.#nextRenewalMs && nowMs < expiresAtMs;
  }

  #isFresh({ expiresAtMs }: AccessToken): boolean {
    return expiresAtMs - BUFFER_MS > this.#deps.clock.now();
  }
}

/** Whether nobody answers; in looking for the issuer's address, too. */
function isAway(error: unknown): boolean {
  return isTransient(error) || error instanceof TallyError && isTransient(error.cause);
}
