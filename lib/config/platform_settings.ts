import { join } from "node:path";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { RetryPolicy } from "../http/retry.ts";
import { requirePrivate } from "../system/files.ts";
import type { Environment } from "../system/environment.ts";
import type { Setting } from "./config.ts";
import { readDotenv } from "./dotenv.ts";
import { AUTH0_PATHS, ENVIRONMENTS, type KnownEnvironment, REDIRECT_URI } from "./platform_environments.ts";
import {
  PLATFORM_OPTIONS,
  PLATFORM_PREFIX,
  type PlatformOptionKey,
  type PlatformRoot,
  type PlatformValue,
} from "./platform_options.ts";
import { serverUrl } from "./values.ts";
import type { Secret } from "./secret.ts";

/** What is known of the issuer from settings and from the table of environments; the rest is discovered. */
export interface GivenOAuth {
  /** The `iss` of its tokens. */
  readonly issuer?: string | undefined;
  /** Whom its access tokens are for. */
  readonly audience?: string | undefined;
  /** Where people sign in. */
  readonly authorizationBaseUrl?: URL | undefined;
  /** Where codes become tokens. */
  readonly tokenUrl?: URL | undefined;
  /** Where codes for another device come from. */
  readonly deviceUrl?: URL | undefined;
  /** Its public keys. */
  readonly jwsJsonUrl?: URL | undefined;
  /** Where tokens are made useless. */
  readonly revocationUrl?: URL | undefined;
  /** Name of this program, where people sign in in a browser. */
  readonly clientIdInteractive?: string | undefined;
  /** Name of this program, where they confirm a code. */
  readonly clientIdDevice?: string | undefined;
  /** Where the browser comes back to, on this machine. */
  readonly redirectUri: URL;
}

/** Longest time of a call, by what it is about. */
export type PlatformTimeouts = Readonly<
  Record<
    "health" | "auth" | "me" | "application" | "applicationVersion" | "run" | "runCancel" | "runDelete" | "runSubmit",
    number
  >
>;

/** Areas of the platform whose calls are repeated, each with its own policy. */
export type RetriedArea = "auth" | "me" | "application" | "applicationVersion" | "run";

/** How long an answer may be taken from memory, by what it is about. */
export type PlatformCacheTtls = Readonly<
  Record<"me" | "application" | "applicationVersion" | "run" | "jwkSet", number>
>;

/** Everything that the platform client needs to know, checked. */
export interface PlatformSettings {
  /** Which installation it is. */
  readonly environment: KnownEnvironment | "custom";
  /** Ends with a slash: `new URL("api/v1/me", apiRoot)`. */
  readonly apiRoot: URL;
  /** What is known of its issuer. */
  readonly oauth: GivenOAuth;
  /** What tokens are asked to allow. */
  readonly scopes: readonly string[];
  /** Where people sign in who have several. */
  readonly organizationId: string | undefined;
  /** A refresh token that somebody gave in the settings. */
  readonly refreshToken: Secret | undefined;
  /** An access token that is used as it is: no sign-in, no cache. */
  readonly token: Secret | undefined;
  /** Where the installation tells of disturbances. */
  readonly statusPageUrl: URL | undefined;
  /** Where tokens are kept. */
  readonly cacheDir: string;
  /** By how much clocks may differ. */
  readonly leewayMs: number;
  /** Longest time of each kind of call. */
  readonly timeoutsMs: PlatformTimeouts;
  /** How each kind of call is repeated. */
  readonly retries: Readonly<Record<RetriedArea, RetryPolicy>>;
  /** How long each kind of answer stays good. */
  readonly cacheTtlsMs: PlatformCacheTtls;
}

/** What the settings of the platform are read from, strongest first. */
export interface PlatformSources {
  /** By setting name, with its prefix. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Environment;
  /** `.env` files, strongest first. */
  readonly files: readonly Readonly<Record<string, string>>[];
}

const KEYS = Object.keys(PLATFORM_OPTIONS) as PlatformOptionKey[];
/** What a file may hold only when nobody but its owner may read it. */
const SECRET_NAMES = ["TOKEN", "REFRESH_TOKEN", "SHARE_TOKEN"].map((name) => PLATFORM_PREFIX + name);
const EMBEDDED_ROOT = "http://127.0.0.1:8090/";
const CURRENT_FILE = ".env";
const HOME_FILE = ".aignostics/.env";

/**
 * Reads `./.env`, and the file of `AIGNOSTICS_ENV_FILE` or else `~/.aignostics/.env`.
 * @param flags by setting name, such as `AIGNOSTICS_API_ROOT`
 * @throws {ConfigurationError} a file that is there cannot be read, or holds tokens and can be read by others, or the one that was named is not there
 */
export async function readPlatformSources(
  flags: Readonly<Record<string, string | undefined>>,
  environment: Environment,
): Promise<PlatformSources> {
  const named = flags[`${PLATFORM_PREFIX}ENV_FILE`] ?? environment(`${PLATFORM_PREFIX}ENV_FILE`);
  const other = named ?? join(environment("HOME") ?? ".", HOME_FILE);
  const files = [await readDotenv(CURRENT_FILE), await readDotenv(other)];
  for (const [index, path] of [CURRENT_FILE, other].entries()) {
    if (SECRET_NAMES.some((name) => files[index]?.[name] !== undefined)) await requirePrivate(path);
  }
  if (named !== undefined && files[1] === undefined) {
    throw new ConfigurationError([`Cannot read the settings in "${named}": there is no such file`]);
  }
  return { flags, environment, files: files.filter((file) => file !== undefined) };
}

/** Every setting as text, with its origin: flag before environment before `.env` files before default. */
export function collectPlatformSettings(sources: PlatformSources): ReadonlyMap<PlatformOptionKey, Setting> {
  const lookUp = (name: string) => lookUpIn(sources, name)?.text;
  return new Map(KEYS.map((key) => {
    const { name, fallback } = PLATFORM_OPTIONS[key];
    return [key, { name, ...(lookUpIn(sources, name) ?? { text: fallback(lookUp), origin: "default" as const }) }];
  }));
}

/**
 * Checks all settings at once.
 * @throws {ConfigurationError} with every fault, not just the first
 */
export function parsePlatformSettings(sources: PlatformSources): PlatformSettings {
  const faults: string[] = [];
  const values: { [K in PlatformOptionKey]?: unknown } = {};
  for (const [key, { name, text, origin }] of collectPlatformSettings(sources)) {
    if (text === undefined) continue;
    try {
      values[key] = PLATFORM_OPTIONS[key].parse(text);
    } catch (error) {
      if (origin !== "default") faults.push(`${name} ${messageOf(error)}`); // else it follows from a fault in another one
    }
  }
  const parsed = values as PlatformValues;
  faults.push(...reversedWaits(parsed));
  if (faults.length > 0) throw new ConfigurationError(faults);
  return settingsOf(parsed, sources);
}

type PlatformValues = { readonly [K in PlatformOptionKey]: PlatformValue<K> };

const AREAS: readonly RetriedArea[] = ["auth", "me", "application", "applicationVersion", "run"];

function lookUpIn({ flags, environment, files }: PlatformSources, name: string): Omit<Setting, "name"> | undefined {
  if (flags[name] !== undefined) return { text: flags[name], origin: "flag" };
  const variable = environment(name);
  if (variable !== undefined) return { text: variable, origin: "environment" };
  const file = files.find((candidate) => candidate[name] !== undefined);
  return file === undefined ? undefined : { text: file[name], origin: "file" };
}

function reversedWaits(values: PlatformValues): string[] {
  return AREAS.filter((area) => values[`${area}RetryWaitMin`] > values[`${area}RetryWaitMax`]).map((area) =>
    `${PLATFORM_OPTIONS[`${area}RetryWaitMin`].name} is above ${PLATFORM_OPTIONS[`${area}RetryWaitMax`].name}`
  );
}

function settingsOf(values: PlatformValues, sources: PlatformSources): PlatformSettings {
  const { environment, url } = values.apiRoot;
  const statusPage = environment === "custom" ? undefined : ENVIRONMENTS[environment].statusPageUrl;
  return {
    environment,
    apiRoot: url ?? embeddedRoot(sources),
    oauth: oauthOf(values),
    scopes: values.scope,
    organizationId: values.organizationId,
    refreshToken: values.refreshToken,
    token: values.token,
    statusPageUrl: values.statusPageUrl ?? (statusPage === undefined ? undefined : new URL(statusPage)),
    cacheDir: values.cacheDir,
    leewayMs: values.authLeeway,
    timeoutsMs: {
      health: values.healthTimeout,
      auth: values.authTimeout,
      me: values.meTimeout,
      application: values.applicationTimeout,
      applicationVersion: values.applicationVersionTimeout,
      run: values.runTimeout,
      runCancel: values.runCancelTimeout,
      runDelete: values.runDeleteTimeout,
      runSubmit: values.runSubmitTimeout,
    },
    retries: {
      auth: policyOf(values, "auth"),
      me: policyOf(values, "me"),
      application: policyOf(values, "application"),
      applicationVersion: policyOf(values, "applicationVersion"),
      run: policyOf(values, "run"),
    },
    cacheTtlsMs: {
      me: values.meCacheTtl,
      application: values.applicationCacheTtl,
      applicationVersion: values.applicationVersionCacheTtl,
      run: values.runCacheTtl,
      jwkSet: values.authJwkSetCacheTtl,
    },
  };
}

function policyOf(values: PlatformValues, area: RetriedArea): RetryPolicy {
  return {
    attempts: values[`${area}RetryAttempts`],
    baseDelayMs: values[`${area}RetryWaitMin`],
    maxDelayMs: values[`${area}RetryWaitMax`],
  };
}

/** @throws {ConfigurationError} */
function embeddedRoot(sources: PlatformSources): URL {
  const text = lookUpIn(sources, "RESOURCE_API_URL")?.text ?? EMBEDDED_ROOT;
  try {
    const url = serverUrl(text);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  } catch (error) {
    throw new ConfigurationError([`RESOURCE_API_URL ${messageOf(error)}`]);
  }
}

/** Each single setting is stronger than what is known of its environment. */
function oauthOf(values: PlatformValues): GivenOAuth {
  const known = knownOAuth(values.apiRoot);
  return {
    issuer: values.authorizationBaseUrl === undefined ? known.issuer : `${values.authorizationBaseUrl.origin}/`,
    audience: values.audience ?? known.audience,
    authorizationBaseUrl: values.authorizationBaseUrl ?? known.authorizationBaseUrl,
    tokenUrl: values.tokenUrl ?? known.tokenUrl,
    deviceUrl: values.deviceUrl ?? known.deviceUrl,
    jwsJsonUrl: values.jwsJsonUrl ?? known.jwsJsonUrl,
    revocationUrl: values.tokenUrl === undefined ? known.revocationUrl : undefined,
    clientIdInteractive: values.clientIdInteractive ?? known.clientIdInteractive,
    clientIdDevice: values.clientIdDevice ?? known.clientIdDevice,
    redirectUri: values.redirectUri ?? known.redirectUri,
  };
}

function knownOAuth({ environment }: PlatformRoot): GivenOAuth {
  const redirectUri = new URL(REDIRECT_URI);
  if (environment === "custom") return { redirectUri };
  const { issuer, audience, clientIdInteractive, clientIdDevice } = ENVIRONMENTS[environment];
  const clients = { audience, clientIdInteractive, clientIdDevice, redirectUri };
  if (issuer === undefined) return clients;
  const under = (path: string) => new URL(path, issuer);
  return {
    ...clients,
    issuer,
    authorizationBaseUrl: under(AUTH0_PATHS.authorizationBaseUrl),
    tokenUrl: under(AUTH0_PATHS.tokenUrl),
    deviceUrl: under(AUTH0_PATHS.deviceUrl),
    jwsJsonUrl: under(AUTH0_PATHS.jwsJsonUrl),
    revocationUrl: under(AUTH0_PATHS.revocationUrl),
  };
}
