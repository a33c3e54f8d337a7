import { decodeJwt, type JWTPayload } from "jose";
import { givenToken } from "../auth/external_token.ts";
import { PlatformSession, type SignInUi } from "../auth/platform_session.ts";
import type { TokenProvider } from "../auth/token_provider.ts";
import { parsePlatformSettings, type PlatformSettings, readPlatformSources } from "../config/platform_settings.ts";
import { ConfigurationError, NotSignedInError, TokenExpiredError } from "../errors.ts";
import { httpClient } from "../http/client.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { type Environment, processEnvironment } from "../system/environment.ts";
import { Client } from "./client.ts";
import type { Health } from "./health.ts";
import { maskUserInfo, type UserInfo, userInfo } from "./user_info.ts";

/** What a service is made of. */
export interface ServiceOptions {
  /** Where the platform is; read from the environment and `.env` files when it is left out. */
  readonly settings?: PlatformSettings;
  /** Gives the token of each request. With it nobody signs in, and no cache is touched. */
  readonly tokenProvider?: TokenProvider;
  /** How a sign-in reaches a person. Without it nobody is asked: who is not signed in gets an error. */
  readonly ui?: SignInUi;
  /** The source of time. */
  readonly clock?: Clock;
  /** Where the settings are read. */
  readonly environment?: Environment;
  /** Ends every sign-in that is under way. */
  readonly signal?: AbortSignal;
}

/** What a service tells of itself. */
export interface ServiceInfo {
  /** `production`, `staging`, …; `custom` for others. */
  readonly environment: string;
  /** Where the platform is. */
  readonly apiRoot: string;
  /** Where tokens are kept. */
  readonly cacheDir: string;
  /** Who is signed in; `null` when nobody is. */
  readonly userInfo: UserInfo | null;
}

/** Signing in at the platform, and how it is. Its {@link Service.client} does the rest. */
export class Service {
  /** Where the platform is, and the limits of its calls. */
  readonly settings: PlatformSettings;
  /** A client that signs its calls with the tokens of this service. */
  readonly client: Client;
  readonly #tokens: TokenProvider;
  readonly #session: PlatformSession | undefined;
  readonly #clock: Clock;

  private constructor(
    { settings, tokenProvider, ui, clock, environment, signal }:
      & Required<
        Pick<ServiceOptions, "settings" | "clock" | "environment" | "signal">
      >
      & Pick<ServiceOptions, "tokenProvider" | "ui">,
  ) {
    const external = tokenProvider ?? (settings.token === undefined ? undefined : givenToken(settings.token));
    const session = external === undefined
      ? new PlatformSession({ settings, http: httpClient("issuer"), clock, ui, signal })
      : undefined;
    this.settings = settings;
    this.#session = session;
    this.#clock = clock;
    this.#tokens = external ?? (async (caller) => (await this.#signInSession().accessToken(caller)).token);
    this.client = new Client({ settings, tokenProvider: this.#tokens, clock, environment });
  }

  /** Reads the settings where none are given; nothing else happens yet. @throws {ConfigurationError} */
  static async open(options: ServiceOptions = {}): Promise<Service> {
    const { environment = processEnvironment, clock = systemClock, signal = new AbortController().signal } = options;
    const settings = options.settings ?? await readSettings(environment);
    return new Service({ ...options, settings, environment, clock, signal });
  }

  /**
   * Makes sure that somebody is signed in. With `relogin` the person signs in anew.
   * @throws {NotSignedInError}, {TokenExpiredError}; {ConfigurationError} tokens come from outside
   */
  async login({ relogin = false }: { relogin?: boolean } = {}): Promise<void> {
    const session = this.#signInSession();
    await (relogin ? session.signIn() : session.accessToken());
  }

  /** Revokes the sign-in and removes its tokens. Tells whether anybody was signed in. */
  async logout(): Promise<boolean> {
    return (await this.#signInSession().signOut()).wasSignedIn;
  }

  /** Who is signed in, with credentials of the organisation: {@link maskUserInfo} before it is shown. */
  async getUserInfo(
    { relogin = false, signal = new AbortController().signal }: { relogin?: boolean; signal?: AbortSignal } = {},
  ): Promise<UserInfo> {
    if (relogin) await this.login({ relogin });
    const me = await this.client.me({ nocache: relogin, signal });
    return userInfo(claimsOf(await this.#tokens(signal)), me, this.#clock.now());
  }

  /** Checks the API without and with a token. It does not fail when the platform is down. */
  async health(options: { signal?: AbortSignal | undefined } = {}): Promise<Health> {
    return await this.client.health(options);
  }

  /** The settings in short, and who is signed in; secrets are masked unless that is switched off. */
  async info(
    { maskSecrets = true, signal }: { maskSecrets?: boolean; signal?: AbortSignal } = {},
  ): Promise<ServiceInfo> {
    const { environment, apiRoot, cacheDir } = this.settings;
    const info = await this.#knownUser(signal);
    const shown = info === null || !maskSecrets ? info : maskUserInfo(info);
    return { environment, apiRoot: apiRoot.href, cacheDir, userInfo: shown };
  }

  async #knownUser(signal: AbortSignal | undefined): Promise<UserInfo | null> {
    try {
      return await this.getUserInfo(signal === undefined ? {} : { signal });
    } catch (error) {
      if (error instanceof NotSignedInError || error instanceof TokenExpiredError) return null;
      throw error;
    }
  }

  #signInSession(): PlatformSession {
    if (this.#session !== undefined) return this.#session;
    throw new ConfigurationError(["Tokens come from outside: nobody signs in or out here"]);
  }
}

/**
 * The settings of the platform from the environment, `./.env`, and the file of `AIGNOSTICS_ENV_FILE` or else
 * `~/.aignostics/.env`.
 * @throws {ConfigurationError} with every fault
 */
export async function readSettings(environment: Environment = processEnvironment): Promise<PlatformSettings> {
  return parsePlatformSettings(await readPlatformSources({}, environment));
}

/** The claims of a token that was checked when it came in, or that others look after. */
function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined; // a token need not be a JWT
  }
}
