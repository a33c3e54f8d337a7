import { callbackHost } from "../../lib/auth/loopback.ts";
import { bracketedHost } from "../../lib/http/host_text.ts";
import { INNER_HOST, innerPort } from "../../lib/http/server.ts";
import type { PlatformSettings } from "../../lib/config/platform_settings.ts";
import type { Program } from "./programs.ts";
import type { Site } from "./site.ts";
import {
  DISPLAY_VARIABLES,
  NETWORK_VARIABLES,
  PERSON_VARIABLES,
  PLATFORM_VARIABLES,
  SETTING_VARIABLES,
} from "./variables.ts";

/** A kind of right that Deno grants one by one. */
export type Right = "net" | "read" | "write" | "env" | "sys" | "run" | "ffi";

/** One right, who gets it, and why. */
export interface Grant {
  readonly right: Right;
  readonly programs: readonly Program[];
  /** How the values are written in the documentation. */
  readonly what: string;
  readonly reason: string;
  /** What is granted at a site; nothing when the site has no need. */
  readonly values: (site: Site) => readonly string[];
}

/** Stands for everything: no list. */
export const ALL = "";
const ENGINE_HOST = "docker.invalid:80";

/** All rights of all programs: nothing else is granted, to any of them. */
export const GRANTS: readonly Grant[] = [
  {
    right: "net",
    programs: ["device"],
    what: "`HOST:PORT`",
    reason: "It listens there, and nowhere else.",
    values: ({ settings: { host, port } }) => [`${bracketedHost(host)}:${port}`],
  },
  {
    right: "net",
    programs: ["device"],
    what: "`127.0.0.1:PORT+1`, when `TLS_CERT_FILE` is set",
    reason: "Its TLS server listens there, behind what takes, counts and closes the connections.",
    values: ({ settings: { port, tlsCertFile } }) =>
      tlsCertFile === undefined ? [] : [`${INNER_HOST}:${innerPort(port)}`],
  },
  {
    right: "net",
    programs: ["cli"],
    what: "host of `DEVICE_URL`",
    reason: "The device service that most verbs talk to.",
    values: ({ settings: { deviceUrl } }) => hostsOf(deviceUrl),
  },
  {
    right: "net",
    programs: ["device", "cli"],
    what: "host of `RESOURCE_API_URL`",
    reason: "Sign-in, small parts, the key fragment.",
    values: ({ settings: { resourceApiUrl } }) => hostsOf(resourceApiUrl),
  },
  {
    right: "net",
    programs: ["device", "cli"],
    what: "host of `JWT_JWKS_URL`",
    reason: "Keys that tokens are verified with; the API's own unless the site has another.",
    values: ({ settings: { jwtJwksUrl } }) => hostsOf(jwtJwksUrl),
  },
  {
    right: "net",
    programs: ["device", "cli"],
    what: "hosts of `cdn`",
    reason: "Big parts.",
    values: ({ cdnHosts }) => cdnHosts,
  },
  {
    right: "net",
    programs: ["cli"],
    what: "hosts of `AIGNOSTICS_API_ROOT`, of its issuer, of `platform`",
    reason: "The platform, sign-in there, and where it keeps files.",
    values: ({ platform, platformHosts }) =>
      platform === undefined ? [] : [...platformServers(platform), ...platformHosts],
  },
  {
    right: "net",
    programs: ["cli"],
    what: "`AIGNOSTICS_REDIRECT_URI`, when the site has a `browser`",
    reason: "A browser brings the answer of the issuer there.",
    values: ({ platform, browser }) =>
      platform === undefined || browser === undefined ? [] : [callbackAddress(platform.oauth.redirectUri)],
  },
  {
    right: "net",
    programs: ["device", "cli"],
    what: "hosts of `HTTPS_PROXY` and its kin",
    reason: "The way out, where the site has one.",
    values: ({ proxies }) => hostsOf(...proxies),
  },
  {
    right: "net",
    programs: ["cli"],
    what: "host of `UPDATE_URL`",
    reason: "New programs, where the site has such a server.",
    values: ({ settings: { updateUrl } }) => hostsOf(updateUrl),
  },
  {
    right: "net",
    programs: ["device"],
    what: "`unix:` and the engine's socket, `docker.invalid:80`; or the host of `DOCKER_HOST`",
    reason: "The Docker engine. A call over the socket needs a host in its URL as well: this one can never be dialled.",
    values: ({ settings }) => settings.dockerVia === "cli" ? [] : engineHosts(settings.dockerHost),
  },
  {
    right: "net",
    programs: ["origin"],
    what: "`origin.host:origin.port`",
    reason: "It listens there, and connects to nobody.",
    values: ({ origin: { host, port } }) => [`${bracketedHost(host)}:${port}`],
  },
  {
    right: "net",
    programs: ["origin"],
    what: "the same as above for `origin.dockerHost`",
    reason: "The engine of applications that are container images, where the site has such.",
    values: ({ origin: { dockerHost } }) => dockerHost === undefined ? [] : engineHosts(dockerHost),
  },
  {
    right: "net",
    programs: ["origin"],
    what: "everything, when `origin.remoteInputs` is true",
    reason: "Inputs of runs may lie on any server: the origin itself refuses those of private networks.",
    values: ({ origin: { remoteInputs } }) => remoteInputs ? [ALL] : [],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`MODEL_CACHE_DIR`, folders of `cdn`",
    reason: "Cached big parts; CDNs that are folders.",
    values: ({ settings: { modelCacheDir }, cdnFolders }) => [modelCacheDir, ...cdnFolders],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`IMAGES_PATH`, and `.small` and `.hashes` beside it",
    reason: "The archive that an unlock opens, and its small part and hash list where they came with it.",
    values: ({ settings: { imagesPath } }) => [imagesPath, `${imagesPath}.small`, `${imagesPath}.hashes`],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`STATE_DIR`",
    reason: "The device's key, the publishers that it believes, and what it never goes back behind.",
    values: ({ settings: { stateDir } }) => [stateDir],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`LOG_DIR`",
    reason: "Which log files are there, and how old and large they are.",
    values: ({ settings: { logDir } }) => present(logDir),
  },
  {
    right: "read",
    programs: ["device"],
    what: "`MEDIA_DIRS`",
    reason: "Sticks and shares that are looked into before the CDN.",
    values: ({ settings: { mediaDirs } }) => mediaDirs ?? [],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`HARDWARE_FILE`, else `HARDWARE_ROOT`",
    reason:
      "Hardware facts that were collected outside, or bind mounts of what the kernel says: `/proc` and `/sys` themselves stay closed.",
    values: ({ settings: { hardwareFile, hardwareRoot } }) => [hardwareFile ?? hardwareRoot],
  },
  {
    right: "read",
    programs: ["device"],
    what:
      "`CDN_CONFIG`, `JWT_HS256_SECRET_FILE`, `PUBLISHER_KEY_FILE`, `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`, `TLS_CERT_FILE`, `TLS_KEY_FILE`, `settingsFile`",
    reason: "Where the site has them.",
    values: ({ settings, authorityFiles, settingsFile }) => {
      const { cdnConfig, jwtHs256SecretFile, publisherKeyFile, tlsCertFile, tlsKeyFile } = settings;
      const files = [cdnConfig, jwtHs256SecretFile, publisherKeyFile, tlsCertFile, tlsKeyFile, settingsFile];
      return present(...files, ...authorityFiles);
    },
  },
  {
    right: "read",
    programs: ["device"],
    what: "the engine's socket",
    reason: "Connecting to a socket is reading and writing its path.",
    values: ({ settings }) => settings.dockerVia === "cli" ? [] : present(socketOf(settings.dockerHost)),
  },
  {
    right: "read",
    programs: ["origin"],
    what: "`origin.dataDir`",
    reason: "All that the origin keeps.",
    values: ({ origin: { dataDir } }) => [dataDir],
  },
  {
    right: "read",
    programs: ["origin"],
    what: "`origin.logDir`",
    reason: "The same as the device's `LOG_DIR`.",
    values: ({ origin: { logDir } }) => present(logDir),
  },
  {
    right: "read",
    programs: ["origin"],
    what: "`origin.masterKeyFile`",
    reason:
      "The key that content keys are wrapped by, where the site keeps it elsewhere. It is never written there: make it beforehand.",
    values: ({ origin: { masterKeyFile } }) => present(masterKeyFile),
  },
  {
    right: "read",
    programs: ["origin"],
    what: "the socket of `origin.dockerHost`",
    reason: "See above.",
    values: ({ origin: { dockerHost } }) => present(socketOf(dockerHost)),
  },
  {
    right: "read",
    programs: ["cli"],
    what: "everything but `/proc`, `/sys`, `/dev`",
    reason: "A person names the files to upload; Deno keeps the kernel's folders closed.",
    values: () => [ALL],
  },
  {
    right: "sys",
    programs: ["device", "cli"],
    what: "`statfs`",
    reason: "How much room a disk has is looked at before the first byte of a download; it tells nothing else.",
    values: () => ["statfs"],
  },
  {
    right: "sys",
    programs: ["cli"],
    what: "`uid`, when `AIGNOSTICS_API_ROOT` is set",
    reason: "Tokens that another user has laid into the cache are not used.",
    values: ({ platform }) => platform === undefined ? [] : ["uid"],
  },
  {
    right: "write",
    programs: ["device"],
    what: "`MODEL_CACHE_DIR`, folders of `cdn`",
    reason: "Cached big parts, and uploads on their way.",
    values: ({ settings: { modelCacheDir }, cdnFolders }) => [modelCacheDir, ...cdnFolders],
  },
  {
    right: "write",
    programs: ["device"],
    what: "`STATE_DIR`",
    reason: "See above.",
    values: ({ settings: { stateDir } }) => [stateDir],
  },
  {
    right: "write",
    programs: ["device"],
    what: "`LOG_DIR`",
    reason: "The log, and removing what is too old of it.",
    values: ({ settings: { logDir } }) => present(logDir),
  },
  {
    right: "write",
    programs: ["device"],
    what: "the engine's socket",
    reason: "See above.",
    values: ({ settings }) => settings.dockerVia === "cli" ? [] : present(socketOf(settings.dockerHost)),
  },
  {
    right: "write",
    programs: ["origin"],
    what: "`origin.dataDir`",
    reason: "All that the origin keeps.",
    values: ({ origin: { dataDir } }) => [dataDir],
  },
  {
    right: "write",
    programs: ["origin"],
    what: "`origin.logDir`",
    reason: "The same as the device's `LOG_DIR`.",
    values: ({ origin: { logDir } }) => present(logDir),
  },
  {
    right: "write",
    programs: ["origin"],
    what: "the socket of `origin.dockerHost`",
    reason: "See above.",
    values: ({ origin: { dockerHost } }) => present(socketOf(dockerHost)),
  },
  {
    right: "write",
    programs: ["cli"],
    what: "everything but `/proc`, `/sys`, `/dev`",
    reason: "A person names the files to load into.",
    values: () => [ALL],
  },
  {
    right: "env",
    programs: ["device", "cli"],
    what: "the settings of [configuration.md](configuration.md), `HTTPS_PROXY`, `REQUESTS_CA_BUNDLE` and their kin",
    reason: "Settings, and no other variable.",
    values: () => [...SETTING_VARIABLES, ...NETWORK_VARIABLES],
  },
  {
    right: "env",
    programs: ["cli"],
    what: "`HOME`, `XDG_CACHE_HOME`, `XDG_STATE_HOME`, `NO_COLOR`, `TERM`",
    reason: "Where a person has files of their own, and what their terminal can show.",
    values: () => PERSON_VARIABLES,
  },
  {
    right: "env",
    programs: ["cli"],
    what: "`AIGNOSTICS_*`, when `AIGNOSTICS_API_ROOT` is set",
    reason: "Settings of the platform.",
    values: ({ platform }) => platform === undefined ? [] : PLATFORM_VARIABLES,
  },
  {
    right: "env",
    programs: ["cli"],
    what: "`BROWSER`, `PATH`, `DISPLAY` and their kin, when the site has a `browser`",
    reason: "What that program needs to find the person's display.",
    values: ({ browser }) => browser === undefined ? [] : DISPLAY_VARIABLES,
  },
  {
    right: "env",
    programs: ["origin"],
    what: "`ORIGIN_MASTER_KEY`",
    reason: "The key that content keys are wrapped by, where it does not lie in a file.",
    values: () => ["ORIGIN_MASTER_KEY"],
  },
  {
    right: "env",
    programs: ["origin"],
    what: "`LOG_DIR`, `LOG_RETENTION_DAYS`",
    reason: "Where the log is kept, and how long.",
    values: () => ["LOG_DIR", "LOG_RETENTION_DAYS"],
  },
  {
    right: "run",
    programs: ["device"],
    what: "`DOCKER_PROGRAM`, when `DOCKER_VIA` is `cli`",
    reason: "One program by its absolute path; by the socket, none at all.",
    values: ({ settings: { dockerVia, dockerProgram } }) => dockerVia === "cli" ? [dockerProgram] : [],
  },
  {
    right: "run",
    programs: ["cli"],
    what: "`/usr/bin/systemctl`, when `UPDATE_PUBLIC_KEY_FILE` is set",
    reason: "`tally self-update --service` restarts what it has exchanged.",
    values: ({ settings: { updatePublicKeyFile } }) => updatePublicKeyFile === undefined ? [] : ["/usr/bin/systemctl"],
  },
  {
    right: "run",
    programs: ["cli"],
    what: "`browser`, when the site has one",
    reason: "It shows the page of the sign-in at the platform; without it, a code is confirmed on another device.",
    values: ({ browser }) => present(browser),
  },
  {
    right: "ffi",
    programs: ["device", "cli"],
    what: "`CRYPTO_LIBRARY`, when `CRYPTO_ACCEL` is not `none`",
    reason:
      "OpenSSL's AES for v1, by one absolute path: no other library. Native code stands outside of this sandbox, so it is granted only where the site says so.",
    values: ({ settings: { cryptoAccel, cryptoLibrary } }) => cryptoAccel === "none" ? [] : present(cryptoLibrary),
  },
];

/** The API, and the endpoints of its issuer that are called; where these are discovered, the API names them. */
function platformServers({ apiRoot, oauth }: PlatformSettings): string[] {
  const { tokenUrl, deviceUrl, jwsJsonUrl, revocationUrl } = oauth;
  const issuer = oauth.issuer === undefined ? undefined : new URL(oauth.issuer);
  return hostsOf(apiRoot, issuer, tokenUrl, deviceUrl, jwsJsonUrl, revocationUrl);
}

function callbackAddress(redirectUri: URL): string {
  return `${bracketedHost(callbackHost(redirectUri))}:${redirectUri.port}`;
}

/** `host:port` of each address that the site has. */
function hostsOf(...urls: readonly (URL | undefined)[]): string[] {
  return present(...urls).map(({ protocol, hostname, port }) =>
    `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`
  );
}

function socketOf(dockerHost: string | undefined): string | undefined {
  return /^unix:\/\/(\/.+)$/.exec(dockerHost ?? "")?.[1];
}

function engineHosts(dockerHost: string): string[] {
  const socket = socketOf(dockerHost);
  return socket === undefined ? [dockerHost.replace(/^tcp:\/\//, "")] : [`unix:${socket}`, ENGINE_HOST];
}

function present<T>(...values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}
