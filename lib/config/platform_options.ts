import { join } from "node:path";
import { isLoopback } from "../http/loopback.ts";
import type { Environment } from "../system/environment.ts";
import { type Option, option as plainOption } from "./options.ts";
import { ENVIRONMENTS, type KnownEnvironment } from "./platform_environments.ts";
import { Secret } from "./secret.ts";
import { numberFrom, type ParseValue, serverUrl } from "./values.ts";

/** What every variable of the platform begins with. */
export const PLATFORM_PREFIX = "AIGNOSTICS_";

const WAIT_LIMIT_SECONDS = 600;
const CACHE_LIMIT_SECONDS = 7 * 86_400;
const BY_ENVIRONMENT = "by environment";
const KNOWN = Object.keys(ENVIRONMENTS) as KnownEnvironment[];

/** An installation of the platform; `url` ends with a slash, and is missing for an origin that has not been named. */
export interface PlatformRoot {
  readonly environment: KnownEnvironment | "custom";
  readonly url: URL | undefined;
}

function textOf(least: number, most: number): ParseValue<string> {
  return (value) => {
    if (value.length < least || value.length > most) throw new Error(`must have ${least} to ${most} characters`);
    return value;
  };
}

function secretOf(least: number, most: number): ParseValue<Secret> {
  const check = textOf(least, most);
  return (value) => new Secret(check(value));
}

function secondsOf(least: number, most: number): ParseValue<number> {
  return (value) => {
    const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (!(seconds >= least && seconds <= most)) throw new Error(`must be a number of seconds from ${least} to ${most}`);
    return seconds * 1000;
  };
}

const countOfTries = numberFrom(0, 10);

function attempts(value: string): number {
  return Math.max(1, countOfTries(value));
}

function scopes(value: string): readonly string[] {
  const words = value.split(/[\s,]+/).filter((word) => word !== "");
  if (value.length < 3 || words.length === 0) throw new Error("must name at least one scope, with commas");
  return words;
}

function redirectUri(value: string): URL {
  const url = serverUrl(value);
  if (url.protocol !== "http:" || !isLoopback(url.hostname) || url.port === "") {
    throw new Error("must be http on this machine with a port, such as http://localhost:8989/");
  }
  return url;
}

function statusPage(value: string): URL {
  if (/["'<>\[\]{}\s]/.test(value)) throw new Error("must not hold quotes, brackets or spaces");
  return serverUrl(value);
}

/** A known environment by its name or its address, with or without the slash at its end; or any other address. */
function apiRoot(value: string): PlatformRoot {
  const name = value === "dev" ? "development" : value;
  if (Object.hasOwn(ENVIRONMENTS, name)) return rootOf(name as KnownEnvironment);
  const url = serverUrl(value);
  if (url.search || url.hash) throw new Error("must not hold a query or a fragment");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.search = url.hash = ""; // a bare ? or # stands in the text, but not in these
  const known = KNOWN.find((candidate) => rootOf(candidate).url?.href === url.href);
  return { environment: known ?? "custom", url };
}

function rootOf(environment: KnownEnvironment): PlatformRoot {
  const { apiRoot } = ENVIRONMENTS[environment];
  return { environment, url: apiRoot === undefined ? undefined : new URL(apiRoot) };
}

function cacheFolder(environment: Environment): string {
  const home = environment("HOME") ?? ".";
  return join(environment("XDG_CACHE_HOME") ?? join(home, ".cache"), "aignostics");
}

type RowOf<T> = Parameters<typeof plainOption<T>> extends [string, ...infer Row] ? Row : never;

/** A row of this table; its flag goes without the prefix. */
function option<T>(name: string, ...[parse, fallback, doc, fallbackText]: RowOf<T>): Option<T> {
  return { ...plainOption(name, parse, fallback, doc, fallbackText), name: PLATFORM_PREFIX + name };
}

function timeout(name: string, what: string): Option<number> {
  return option(
    `${name}_TIMEOUT`,
    secondsOf(0.1, 300),
    variable("REQUEST_TIMEOUT_SECONDS", "30"),
    `Seconds for ${what}, 0.1 to 300`,
    `${PLATFORM_PREFIX}REQUEST_TIMEOUT_SECONDS`,
  );
}

function retryAttempts(name: string, what: string): Option<number> {
  return option(`${name}_RETRY_ATTEMPTS`, attempts, "4", `Tries of ${what} in all, 0 to 10`);
}

function retryWait(name: string, bound: "MIN" | "MAX", what: string): Option<number> {
  const isAuthorization = name === "AUTH" && bound === "MIN";
  return option(
    `${name}_RETRY_WAIT_${bound}`,
    secondsOf(0, WAIT_LIMIT_SECONDS),
    isAuthorization ? variable("AUTHORIZATION_BACKOFF_SECONDS", "3") : bound === "MIN" ? "0.1" : "60",
    bound === "MIN"
      ? `Seconds before the second try of ${what}; doubles with each`
      : `Most seconds before a try of ${what}`,
    isAuthorization ? `${PLATFORM_PREFIX}AUTHORIZATION_BACKOFF_SECONDS` : bound === "MIN" ? "0.1" : "60",
  );
}

function cacheTtl(name: string, what: string, seconds: string): Option<number> {
  return option(
    `${name}_CACHE_TTL`,
    secondsOf(0, CACHE_LIMIT_SECONDS),
    seconds,
    `Seconds for which ${what} may be answered from memory, 0 to ${CACHE_LIMIT_SECONDS}`,
  );
}

function variable(name: string, otherwise: string): (environment: Environment) => string {
  return (environment) => environment(PLATFORM_PREFIX + name) ?? otherwise;
}

/** Every setting of the platform client. Times are in seconds as text, and in milliseconds once parsed. */
export const PLATFORM_OPTIONS = {
  apiRoot: option(
    "API_ROOT",
    apiRoot,
    "production",
    "Platform API: its address, or production, staging, development (dev), test, or embedded: the origin at RESOURCE_API_URL, else at http://127.0.0.1:8090",
  ),
  audience: option("AUDIENCE", textOf(10, 100), undefined, "Audience of the tokens", BY_ENVIRONMENT),
  authorizationBaseUrl: option(
    "AUTHORIZATION_BASE_URL",
    serverUrl,
    undefined,
    "Where a browser signs in",
    BY_ENVIRONMENT,
  ),
  tokenUrl: option("TOKEN_URL", serverUrl, undefined, "Where tokens are given out", BY_ENVIRONMENT),
  redirectUri: option(
    "REDIRECT_URI",
    redirectUri,
    undefined,
    "Where the browser brings the answer: http on this machine, with a port",
    BY_ENVIRONMENT,
  ),
  deviceUrl: option("DEVICE_URL", serverUrl, undefined, "Where the device flow begins", BY_ENVIRONMENT),
  jwsJsonUrl: option("JWS_JSON_URL", serverUrl, undefined, "Keys that tokens are verified with", BY_ENVIRONMENT),
  clientIdInteractive: option(
    "CLIENT_ID_INTERACTIVE",
    textOf(1, 200),
    undefined,
    "Public client of the sign-in with a browser",
    BY_ENVIRONMENT,
  ),
  clientIdDevice: option(
    "CLIENT_ID_DEVICE",
    textOf(1, 200),
    undefined,
    "Public client of the device flow; the known installations build none in",
    BY_ENVIRONMENT,
  ),
  refreshToken: option("REFRESH_TOKEN", secretOf(10, 1000), undefined, "Refresh token to sign in with"),
  token: option("TOKEN", secretOf(1, 16_384), undefined, "Access token that is used as it is, in place of a sign-in"),
  organizationId: option("ORGANIZATION_ID", textOf(1, 200), undefined, "Organisation to sign in to"),
  scope: option("SCOPE", scopes, "offline_access", "Scopes to ask for, with commas"),
  statusPageUrl: option("STATUS_PAGE_URL", statusPage, undefined, "Page that tells of disturbances", BY_ENVIRONMENT),
  cacheDir: option(
    "CACHE_DIR",
    textOf(1, 4096),
    cacheFolder,
    "Folder of the tokens",
    "$XDG_CACHE_HOME/aignostics, ~/.cache/aignostics",
  ),
  authLeeway: option("AUTH_LEEWAY_SECONDS", secondsOf(0, 300), "10", "Seconds by which clocks may differ, 0 to 300"),
  requestTimeout: option(
    "REQUEST_TIMEOUT_SECONDS",
    secondsOf(0.1, 300),
    "30",
    "Seconds for a call, where no other setting is stronger",
  ),
  authorizationBackoff: option(
    "AUTHORIZATION_BACKOFF_SECONDS",
    secondsOf(0, WAIT_LIMIT_SECONDS),
    "3",
    "Seconds before the second try of a sign-in",
  ),
  healthTimeout: timeout("HEALTH", "a health check"),
  authTimeout: timeout("AUTH", "a call to the issuer"),
  meTimeout: timeout("ME", "the question who is signed in"),
  applicationTimeout: timeout("APPLICATION", "a call about applications"),
  applicationVersionTimeout: timeout("APPLICATION_VERSION", "a call about versions"),
  runTimeout: timeout("RUN", "a call about runs"),
  runCancelTimeout: timeout("RUN_CANCEL", "a cancel"),
  runDeleteTimeout: timeout("RUN_DELETE", "a removal of results"),
  runSubmitTimeout: timeout("RUN_SUBMIT", "a submission"),
  authRetryAttempts: retryAttempts("AUTH", "a call to the issuer"),
  authRetryWaitMin: retryWait("AUTH", "MIN", "a call to the issuer"),
  authRetryWaitMax: retryWait("AUTH", "MAX", "a call to the issuer"),
  meRetryAttempts: retryAttempts("ME", "the question who is signed in"),
  meRetryWaitMin: retryWait("ME", "MIN", "the question who is signed in"),
  meRetryWaitMax: retryWait("ME", "MAX", "the question who is signed in"),
  applicationRetryAttempts: retryAttempts("APPLICATION", "a call about applications"),
  applicationRetryWaitMin: retryWait("APPLICATION", "MIN", "a call about applications"),
  applicationRetryWaitMax: retryWait("APPLICATION", "MAX", "a call about applications"),
  applicationVersionRetryAttempts: retryAttempts("APPLICATION_VERSION", "a call about versions"),
  applicationVersionRetryWaitMin: retryWait("APPLICATION_VERSION", "MIN", "a call about versions"),
  applicationVersionRetryWaitMax: retryWait("APPLICATION_VERSION", "MAX", "a call about versions"),
  runRetryAttempts: retryAttempts("RUN", "a call about runs"),
  runRetryWaitMin: retryWait("RUN", "MIN", "a call about runs"),
  runRetryWaitMax: retryWait("RUN", "MAX", "a call about runs"),
  meCacheTtl: cacheTtl("ME", "who is signed in", "300"),
  applicationCacheTtl: cacheTtl("APPLICATION", "an application", "300"),
  applicationVersionCacheTtl: cacheTtl("APPLICATION_VERSION", "a version", "300"),
  runCacheTtl: cacheTtl("RUN", "a run", "15"),
  authJwkSetCacheTtl: cacheTtl("AUTH_JWK_SET", "the keys of the issuer", "86400"),
} as const;

/** Key of a setting of the platform client. */
export type PlatformOptionKey = keyof typeof PLATFORM_OPTIONS;

/** Value of a setting, once parsed. */
export type PlatformValue<K extends PlatformOptionKey> = (typeof PLATFORM_OPTIONS)[K] extends Option<infer T> ? T
  : never;
