import { OPTIONS } from "../../lib/config/options.ts";
import { PLATFORM_OPTIONS } from "../../lib/config/platform_options.ts";
import type { PlatformSettings } from "../../lib/config/platform_settings.ts";
import type { Form, Program } from "./programs.ts";
import type { Site } from "./site.ts";

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

/** A flag that is the same at every site. */
export interface FixedFlag {
  readonly flag: string;
  readonly forms: readonly Form[];
  readonly reason: string;
}

const MIB = 1024 ** 2;
/** Everything: no list. */
const ALL = "";
const ENGINE_HOST = "docker.invalid:80";
const VARIABLES = Object.values(OPTIONS).map(({ name }) => name);
/** The last two say where tokens are kept. */
const PLATFORM_VARIABLES = [
  ...Object.values(PLATFORM_OPTIONS).map(({ name }) => name),
  ...["AIGNOSTICS_SHARE_TOKEN", "AIGNOSTICS_ENV_FILE", "HOME", "XDG_CACHE_HOME"],
];

/** Flags of every program. */
export const FIXED_FLAGS: readonly FixedFlag[] = [
  {
    flag: "--no-prompt",
    forms: ["compiled", "launcher"],
    reason: "What is not granted is refused, and nobody is asked.",
  },
  {
    flag: "--ignore-env",
    forms: ["compiled", "launcher"],
    reason: "A variable that is not granted is not set, instead of an error: packages look for dozens.",
  },
  {
    flag: "--deny-import",
    forms: ["compiled", "launcher"],
    reason: "No code comes over the network (takes effect together with `--cached-only`).",
  },
  {
    flag: "--cached-only",
    forms: ["compiled", "launcher"],
    reason: "Closes the seven hosts that Deno lets every program import from.",
  },
  { flag: "--no-remote", forms: ["launcher"], reason: "The program is one file: nothing else is imported." },
  { flag: "--no-npm", forms: ["launcher"], reason: "The same for packages." },
  {
    flag: "--no-config",
    forms: ["compiled", "launcher"],
    reason: "No deno.json is looked for, in the working folder or above the program.",
  },
  { flag: "--no-lock", forms: ["launcher"], reason: "No lock file is looked for or written." },
  { flag: "--quiet", forms: ["launcher"], reason: "Standard error belongs to the program's log." },
  {
    flag: "--v8-flags=--max-semi-space-size=1",
    forms: ["compiled", "launcher"],
    reason: "Young objects are collected early, so that an idle service stays small.",
  },
  {
    flag: "--unstable-no-legacy-abort",
    forms: ["compiled", "launcher"],
    reason: "A request's signal says that its caller has left, not that its answer is finished.",
  },
];

/** A variable that the runtime of every program gets. */
export interface RuntimeVariable {
  readonly name: string;
  readonly value: string;
  readonly reason: string;
}

/** What the runtime of every program gets beside its settings and the folder of its code cache. */
export const RUNTIME_VARIABLES: readonly RuntimeVariable[] = [
  { name: "DENO_NO_UPDATE_CHECK", value: "1", reason: "The runtime asks nobody for a newer one." },
  {
    name: "MALLOC_ARENA_MAX",
    value: "2",
    reason: "A pool of memory for each of the runtime's many threads would hold on to what none of them needs.",
  },
  {
    name: "MALLOC_MMAP_THRESHOLD_",
    value: String(4 * MIB),
    reason:
      "Larger pieces go back to the system as soon as they are released. It is fixed, or the C library would raise it.",
  },
  { name: "MALLOC_TRIM_THRESHOLD_", value: String(MIB), reason: "So does what is free at the end of a pool." },
];

/** All rights of all programs: nothing else is granted, to any of them. */
export const GRANTS: readonly Grant[] = [
  {
    right: "net",
    programs: ["device"],
    what: "`HOST:PORT`",
    reason: "It listens there, and nowhere else.",
    values: ({ settings: { host, port } }) => [`${bracketed(host)}:${port}`],
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
    values: ({ origin: { host, port } }) => [`${bracketed(host)}:${port}`],
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
    what: "`HARDWARE_FILE`, else `HARDWARE_ROOT`",
    reason:
      "Hardware facts that were collected outside, or bind mounts of what the kernel says: `/proc` and `/sys` themselves stay closed.",
    values: ({ settings: { hardwareFile, hardwareRoot } }) => [hardwareFile ?? hardwareRoot],
  },
  {
    right: "read",
    programs: ["device"],
    what: "`CDN_CONFIG`, `JWT_HS256_SECRET_FILE`, `PUBLISHER_KEY_FILE`, `settingsFile`",
    reason: "Where the site has them.",
    values: ({ settings: { cdnConfig, jwtHs256SecretFile, publisherKeyFile }, settingsFile }) =>
      present(cdnConfig, jwtHs256SecretFile, publisherKeyFile, settingsFile),
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
    programs: ["cli"],
    what: "everything but `/proc`, `/sys`, `/dev`",
    reason: "A person names the files to load into.",
    values: () => [ALL],
  },
  {
    right: "env",
    programs: ["device", "cli"],
    what: "the names of [configuration.md](configuration.md)",
    reason: "Settings, and no other variable.",
    values: () => VARIABLES,
  },
  {
    right: "env",
    programs: ["cli"],
    what: "`AIGNOSTICS_*`, `HOME`, `XDG_CACHE_HOME`, when `AIGNOSTICS_API_ROOT` is set",
    reason: "Settings of the platform, and where its tokens are kept.",
    values: ({ platform }) => platform === undefined ? [] : PLATFORM_VARIABLES,
  },
  {
    right: "env",
    programs: ["origin"],
    what: "`ORIGIN_MASTER_KEY`",
    reason: "The key that content keys are wrapped by, where it does not lie in a file.",
    values: () => ["ORIGIN_MASTER_KEY"],
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
    right: "ffi",
    programs: ["device", "cli"],
    what: "`CRYPTO_LIBRARY`, when `CRYPTO_ACCEL` is not `none`",
    reason:
      "OpenSSL's AES for v1, by one absolute path: no other library. Native code stands outside of this sandbox, so it is granted only where the site says so.",
    values: ({ settings: { cryptoAccel, cryptoLibrary } }) => cryptoAccel === "none" ? [] : present(cryptoLibrary),
  },
];

/** Names of the variables that a program may read. */
export function grantedVariables(program: Program, site: Site): readonly string[] {
  return grantedRights(program, site).get("env") ?? [];
}

/** What a program may do at a site, by kind of right; an empty list means everything of that kind. */
export function grantedRights(program: Program, site: Site): ReadonlyMap<Right, readonly string[]> {
  const rights = new Map<Right, readonly string[]>();
  for (const { right, programs, values } of GRANTS) {
    const granted = programs.includes(program) ? values(site) : [];
    if (granted.length > 0) rights.set(right, [...new Set([...rights.get(right) ?? [], ...granted])]);
  }
  return new Map([...rights].map(([right, values]) => [right, values.filter((value) => value !== ALL)]));
}

/** The whole list of flags for `deno run` or `deno compile`. */
export function programFlags(program: Program, site: Site, form: Form): string[] {
  const fixed = FIXED_FLAGS.filter(({ forms }) => forms.includes(form)).map(({ flag }) => flag);
  const granted = [...grantedRights(program, site)].map(([right, values]) =>
    values.length === 0 ? `--allow-${right}` : `--allow-${right}=${values.join(",")}`
  );
  return [...fixed, ...granted];
}

/** `host:port` of each address that the site has. */
function platformServers({ apiRoot, oauth }: PlatformSettings): string[] {
  const { tokenUrl, deviceUrl, jwsJsonUrl, revocationUrl, redirectUri } = oauth;
  return hostsOf(apiRoot, tokenUrl, deviceUrl, jwsJsonUrl, revocationUrl, redirectUri);
}

function hostsOf(...urls: readonly (URL | undefined)[]): string[] {
  return present(...urls).map(({ protocol, hostname, port }) =>
    `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`
  );
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function socketOf(dockerHost: string): string | undefined {
  return /^unix:\/\/(\/.+)$/.exec(dockerHost)?.[1];
}

function engineHosts(dockerHost: string): string[] {
  const socket = socketOf(dockerHost);
  return socket === undefined ? [dockerHost.replace(/^tcp:\/\//, "")] : [`unix:${socket}`, ENGINE_HOST];
}

function present<T>(...values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}
