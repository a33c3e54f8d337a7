import { join } from "node:path";
import { parseRate } from "../http/rate_limit.ts";
import type { Environment } from "../system/environment.ts";
import {
  absolutePath,
  algorithms,
  byteSize,
  dockerHost,
  folders,
  hostNames,
  imageNames,
  imageTag,
  listOf,
  numberFrom,
  oneOf,
  origins,
  type ParseValue,
  resourceName,
  serverUrl,
  text,
} from "./values.ts";

/** One setting of the table: the same row makes the flag, the variable, the check, the help text and the documentation. */
export interface Option<T> {
  /** Name of the environment variable and of the key in a settings file. */
  readonly name: string;
  /** Long flag without dashes. */
  readonly flag: string;
  /** Value that is used when nobody sets one; `undefined` when the setting may stay empty. */
  readonly fallback: (environment: Environment) => string | undefined;
  /** How the default is written in the documentation. */
  readonly fallbackText: string;
  /** One sentence without a full stop. */
  readonly doc: string;
  readonly parse: ParseValue<T>;
}

/** The setting's value may be missing. */
export type Optional<T> = T | undefined;

const SEVEN_IMAGES = [
  "azaion/annotations",
  "azaion/flights",
  "azaion/detections",
  "azaion/gps-denied-onboard",
  "azaion/gps-denied-desktop",
  "azaion/autopilot",
  "azaion/ai-training",
].join(",");

function stateFolder(environment: Environment): string {
  const stateHome = environment("XDG_STATE_HOME");
  if (stateHome !== undefined) return join(stateHome, "tallystick");
  const home = environment("HOME");
  return home === undefined || home === "/root" ? "/var/lib/tallystick" : join(home, ".local/state/tallystick");
}

function always(value: string | undefined): (environment: Environment) => string | undefined {
  return () => value;
}

/** A row of the table; its flag is the name in lower case, with dashes. */
export function option<T>(
  name: string,
  parse: ParseValue<T>,
  fallback: string | undefined | ((environment: Environment) => string | undefined),
  doc: string,
  fallbackText: string = typeof fallback === "string" ? fallback : "none",
): Option<T> {
  return {
    name,
    flag: name.toLowerCase().replaceAll("_", "-"),
    parse,
    fallback: typeof fallback === "function" ? fallback : always(fallback),
    fallbackText,
    doc,
  };
}

/** Every setting of the device service and of the command line. */
export const OPTIONS = {
  resourceApiUrl: option(
    "RESOURCE_API_URL",
    serverUrl,
    undefined,
    "Origin or any Azaion-compatible API; https, except on this machine",
    "required",
  ),
  host: option("HOST", text, "127.0.0.1", "Address that the device service listens on"),
  port: option(
    "PORT",
    numberFrom(0, 65535, "a port number"),
    "8080",
    "Port that the device service listens on; 0 takes a free one",
  ),
  deviceUrl: option(
    "DEVICE_URL",
    serverUrl,
    (environment) =>
      environment("TLS_CERT_FILE") === undefined
        ? `http://127.0.0.1:${environment("PORT") ?? "8080"}`
        : `https://localhost:${environment("PORT") ?? "8080"}`,
    "Device service that the commands talk to",
    "http://127.0.0.1:PORT; https://localhost:PORT with TLS_CERT_FILE",
  ),
  imagesPath: option("IMAGES_PATH", text, "/opt/azaion/images.enc", "Encrypted image archive that an unlock opens"),
  apiVersion: option("API_VERSION", imageTag, "latest", "Tag that the images must carry"),
  images: option(
    "IMAGES",
    imageNames,
    SEVEN_IMAGES,
    "Names of the images that must be there after an unlock, with commas",
    "the seven of the Azaion suite",
  ),
  modelCacheDir: option("MODEL_CACHE_DIR", text, "models", "Folder of cached big parts"),
  modelCacheQuota: option(
    "MODEL_CACHE_QUOTA",
    byteSize,
    undefined,
    "Most bytes in MODEL_CACHE_DIR: 500M, 20G; what was used longest ago goes first; K, M, G and T are powers of 1024",
    "no limit",
  ),
  stateDir: option(
    "STATE_DIR",
    text,
    stateFolder,
    "Folder of the program's own state",
    "$XDG_STATE_HOME/tallystick, /var/lib/tallystick as root",
  ),
  dockerHost: option("DOCKER_HOST", dockerHost, "unix:///var/run/docker.sock", "Docker engine"),
  dockerVia: option(
    "DOCKER_VIA",
    oneOf("socket", "cli"),
    "socket",
    "socket: speak to the engine at DOCKER_HOST itself; cli: by the program DOCKER_PROGRAM",
  ),
  dockerProgram: option(
    "DOCKER_PROGRAM",
    absolutePath,
    "/usr/bin/docker",
    "Absolute path of the docker program, for DOCKER_VIA=cli",
  ),
  cryptoAccel: option(
    "CRYPTO_ACCEL",
    oneOf("auto", "libcrypto", "none"),
    "none",
    "How v1's AES is done: none: by the runtime; libcrypto: by CRYPTO_LIBRARY; auto: by CRYPTO_LIBRARY where it can be used",
  ),
  cryptoLibrary: option(
    "CRYPTO_LIBRARY",
    absolutePath,
    undefined,
    "Absolute path of OpenSSL's libcrypto.so.3, for CRYPTO_ACCEL; such as /usr/lib/aarch64-linux-gnu/libcrypto.so.3",
  ),
  hardwareRoot: option("HARDWARE_ROOT", text, "/", "Folder under which proc/ and sys/ are read for the hardware facts"),
  hardwareFile: option(
    "HARDWARE_FILE",
    text,
    undefined,
    "File with the hardware facts, as tally hardware --collect writes it, in place of HARDWARE_ROOT",
  ),
  jwtJwksUrl: option(
    "JWT_JWKS_URL",
    serverUrl,
    undefined,
    "Keys that tokens are verified with",
    "<RESOURCE_API_URL>/.well-known/jwks.json",
  ),
  jwtIssuer: option("JWT_ISSUER", listOf, undefined, "Issuers of which tokens must name one, with commas", "any"),
  jwtAudience: option("JWT_AUDIENCE", listOf, undefined, "Audiences of which tokens must name one, with commas", "any"),
  jwtAlgorithms: option(
    "JWT_ALGORITHMS",
    algorithms,
    "ES256,EdDSA,RS256",
    "Signature algorithms that are accepted, with commas; HS256 needs JWT_HS256_SECRET_FILE",
  ),
  jwtHs256SecretFile: option(
    "JWT_HS256_SECRET_FILE",
    text,
    undefined,
    "File (mode 0600) with the secret of an API that signs with HS256",
  ),
  jwtVerify: option(
    "JWT_VERIFY",
    oneOf("on", "off"),
    "on",
    "off accepts unverified tokens of the API; logged at every start",
  ),
  callerAuth: option(
    "CALLER_AUTH",
    oneOf("session", "bearer"),
    undefined,
    "session: local callers act as whoever is signed in; bearer: every call brings its own token",
    "session on loopback, bearer elsewhere",
  ),
  tlsCertFile: option(
    "TLS_CERT_FILE",
    absolutePath,
    undefined,
    "File in PEM with the certificate of the device service, and those between it and its authority: it then speaks TLS only",
  ),
  tlsKeyFile: option("TLS_KEY_FILE", absolutePath, undefined, "File (mode 0600) in PEM with the key of TLS_CERT_FILE"),
  allowedHosts: option(
    "ALLOWED_HOSTS",
    hostNames,
    undefined,
    "Names by which the device may be called beside those of loopback, with commas; others are refused",
    "loopback only on loopback, any elsewhere",
  ),
  corsOrigins: option(
    "CORS_ORIGINS",
    origins,
    undefined,
    "Origins of web pages that may call the device, with commas, each as https://app.example.com",
    "none: no page of another site",
  ),
  maxTransfers: option(
    "MAX_TRANSFERS",
    numberFrom(1, 1000),
    "8",
    "Loads and uploads that run at once; eight times as many wait for a minute at most, further ones get 503",
  ),
  cdnConfig: option(
    "CDN_CONFIG",
    text,
    undefined,
    "Local file with the CDN settings; mode 0600 where it holds keys",
    "cdn.yaml, loaded encrypted from the API",
  ),
  resourceFormat: option(
    "RESOURCE_FORMAT",
    oneOf("auto", "v1"),
    "auto",
    "auto: format v2 where the server offers it, v1 otherwise; v1: whatever the server offers",
  ),
  publisherKeyFile: option(
    "PUBLISHER_KEY_FILE",
    text,
    undefined,
    "Private key of the publisher (mode 0600, made by tally keys new), for uploads in format v2",
  ),
  imagesResource: option(
    "IMAGES_RESOURCE",
    resourceName,
    undefined,
    "folder/name under which the archive at IMAGES_PATH is published in format v2; its small part comes from the API",
  ),
  mediaDirs: option(
    "MEDIA_DIRS",
    folders,
    undefined,
    "Folders (USB sticks, shares) that are looked into before the CDN, each laid out as a CDN folder is; with commas",
  ),
  limitRate: option(
    "LIMIT_RATE",
    parseRate,
    undefined,
    "Most bytes a second to and from the CDN, all transfers together: 500K, 2M; K, M and G are powers of 1024",
    "no limit",
  ),
  updatePublicKeyFile: option(
    "UPDATE_PUBLIC_KEY_FILE",
    absolutePath,
    undefined,
    "Publisher's Ed25519 public key in PEM, which tally self-update verifies new programs with",
  ),
  updateUrl: option("UPDATE_URL", serverUrl, undefined, "New program that tally self-update fetches"),
  logLevel: option(
    "LOG_LEVEL",
    oneOf("debug", "info", "warning", "error"),
    "info",
    "Least severe level that is logged",
  ),
  logDir: option(
    "LOG_DIR",
    absolutePath,
    undefined,
    "Folder in which the log is kept as well, a file a day; it always goes to standard error",
  ),
  logRetentionDays: option(
    "LOG_RETENTION_DAYS",
    numberFrom(1, 3650, "a number of days"),
    "30",
    "Days after which a file in LOG_DIR is removed",
  ),
} as const;

type Table = typeof OPTIONS;
type Always =
  | "resourceApiUrl"
  | "host"
  | "port"
  | "deviceUrl"
  | "imagesPath"
  | "apiVersion"
  | "images"
  | "modelCacheDir"
  | "stateDir"
  | "dockerHost"
  | "dockerVia"
  | "dockerProgram"
  | "cryptoAccel"
  | "hardwareRoot"
  | "jwtAlgorithms"
  | "jwtVerify"
  | "callerAuth"
  | "maxTransfers"
  | "resourceFormat"
  | "logLevel"
  | "logRetentionDays";

/** Key of a setting in {@link OPTIONS} and in {@link Settings}. */
export type SettingKey = keyof Table;

type ValueOf<K extends SettingKey> = Table[K] extends Option<infer T> ? T : never;

/** All settings, checked. Those without a default may be missing. */
export type Settings = { readonly [K in SettingKey]: K extends Always ? ValueOf<K> : Optional<ValueOf<K>> };
