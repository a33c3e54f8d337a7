import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { parseSettings } from "../../lib/config/config.ts";
import { OPTIONS, type SettingKey, type Settings } from "../../lib/config/options.ts";
import { PLATFORM_OPTIONS } from "../../lib/config/platform_options.ts";
import { parsePlatformSettings, type PlatformSettings } from "../../lib/config/platform_settings.ts";
import { AUTHORITY_VARIABLES } from "../../lib/http/authorities.ts";
import { isLoopback } from "../../lib/http/loopback.ts";
import type { Program } from "./programs.ts";
import { NETWORK_VARIABLES, PLATFORM_VARIABLES, PROXIES } from "./variables.ts";

/** The place that a program is made for. What is not named here, it cannot reach there. */
export interface Site {
  /** Settings that hold at this site, checked; a program in the sandbox can change only those that widen nothing. */
  readonly settings: Settings;
  /** The same as they are baked into the program, by name: defaults, which the environment may change. */
  readonly variables: Readonly<Record<string, string>>;
  /** `host:port` of every CDN. */
  readonly cdnHosts: readonly string[];
  /** Folders that are CDNs: a USB stick. */
  readonly cdnFolders: readonly string[];
  /** Proxies that lead out of the site. */
  readonly proxies: readonly URL[];
  /** Files of certificate authorities. */
  readonly authorityFiles: readonly string[];
  /** Program that shows a person a page, by its absolute path. */
  readonly browser: string | undefined;
  /** Settings file that `--config` may name. */
  readonly settingsFile: string | undefined;
  /** The platform that the command line speaks to, where `AIGNOSTICS_API_ROOT` is among the settings. */
  readonly platform: PlatformSettings | undefined;
  /** `host:port` of where the platform keeps files. */
  readonly platformHosts: readonly string[];
  /** What the origin serves, and where. */
  readonly origin: {
    readonly dataDir: string;
    /** File of the master key, where it does not lie in that folder. */
    readonly masterKeyFile?: string | undefined;
    readonly host: string;
    readonly port: number;
    /** Folder of its log files, where the site has one. */
    readonly logDir?: string | undefined;
    /** Docker engine of applications that are container images, where the site has such. */
    readonly dockerHost?: string | undefined;
    /** Whether inputs of runs may come from other servers. */
    readonly remoteInputs: boolean;
  };
}

/** What the command line says about the site, before the file. */
export interface SiteFlags {
  /** What is made for the site: a device cannot do without an API. */
  readonly program?: Program;
  /** `host:port` of the API. */
  readonly api?: string | undefined;
  /** `host:port`, with commas. */
  readonly cdn?: string | undefined;
}

/** Where things lie on an installed device, unless the site says otherwise. */
const INSTALLED: Readonly<Record<string, string>> = {
  MODEL_CACHE_DIR: "/var/lib/tallystick/models",
  STATE_DIR: "/var/lib/tallystick/state",
};

const host = z.string().regex(/^(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*:\d{1,5}$/, "must be host:port");
const path = z.string().regex(/^\/[^,\n]*$/, "must be an absolute path without commas");
const value = z.string().regex(/^[^'\n]*$/, "must be one line without single quotes");
const siteSchema = z.strictObject({
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String).pipe(value)).default(
    {},
  ),
  cdn: z.array(z.union([host, path])).default([]),
  platform: z.array(host).default([]),
  browser: path.optional(),
  settingsFile: path.optional(),
  origin: z.strictObject({
    dataDir: path.default("/var/lib/tallystick-origin"),
    masterKeyFile: path.optional(),
    host: z.string().default("127.0.0.1"),
    port: z.number().int().min(0).max(65535).default(8090),
    dockerHost: z.string().regex(
      /^unix:\/\/\/[^,\n]+$|^tcp:\/\/[\w.:[\]-]+:\d{1,5}$/,
      "must be unix:///path or tcp://host:port",
    )
      .optional(),
    logDir: path.optional(),
    remoteInputs: z.boolean().default(false),
  }).prefault({}),
});

/** What a site may set beside {@link OPTIONS}. */
const ELSEWHERE: ReadonlySet<string> = new Set(["BROWSER", ...NETWORK_VARIABLES, ...PLATFORM_VARIABLES]);

/** Settings that a program cannot do without, wherever it runs. */
const REQUIRED: Readonly<Record<Program, readonly SettingKey[]>> = { device: ["resourceApiUrl"], origin: [], cli: [] };

/** Paths among the settings: they become flags, and a flag's list is split at commas. */
const PATH_SETTINGS = [
  "modelCacheDir",
  "imagesPath",
  "hardwareFile",
  "hardwareRoot",
  "cdnConfig",
  "jwtHs256SecretFile",
  "stateDir",
  "publisherKeyFile",
  "cryptoLibrary",
  "dockerProgram",
  "logDir",
] as const;

/**
 * Reads what a site is.
 * @param yaml text of a site file: `settings`, `cdn`, `platform`, `browser`, `settingsFile`, `origin`; may be empty
 * @throws {ConfigurationError} with what is wrong in the settings, {z.ZodError} in the rest
 */
export function parseSite(yaml: string, { api, cdn, program = "device" }: SiteFlags = {}): Site {
  const file = siteSchema.parse(parseYaml(yaml, { maxAliasCount: 0 }) ?? {});
  const places = cdn === undefined ? file.cdn : z.array(host).parse(cdn.split(","));
  const variables: Readonly<Record<string, string>> = {
    ...INSTALLED,
    ...file.settings,
    ...(api === undefined ? {} : { RESOURCE_API_URL: apiUrl(api) }),
    ...(file.browser === undefined ? {} : { BROWSER: file.browser }),
  };
  const settings = settingsOf(variables, REQUIRED[program]);
  for (const key of PATH_SETTINGS) {
    path.optional().parse(settings[key], {
      error: () => `${OPTIONS[key].name} must be an absolute path without commas`,
    });
  }
  return {
    settings,
    variables,
    cdnHosts: places.filter((place) => !place.startsWith("/")),
    cdnFolders: places.filter((place) => place.startsWith("/")),
    platform: platformOf(variables),
    platformHosts: file.platform,
    proxies: PROXIES.flatMap((name) => proxyUrl(variables[name])),
    authorityFiles: AUTHORITY_VARIABLES.flatMap((name) => path.optional().parse(variables[name]) ?? []),
    browser: file.browser,
    settingsFile: file.settingsFile,
    origin: file.origin,
  };
}

/** The same site with one more setting. */
export function withVariable(site: Site, name: string, value: string): Site {
  const variables = { ...site.variables, [name]: value };
  return { ...site, variables, settings: settingsOf(variables, []) };
}

/** Some defaults follow from other variables. */
function settingsOf(variables: Readonly<Record<string, string>>, required: readonly SettingKey[]): Settings {
  const own = Object.entries(variables).filter(([name]) => !ELSEWHERE.has(name));
  return parseSettings({ flags: {}, environment: (name) => variables[name], file: Object.fromEntries(own) }, required);
}

function platformOf(variables: Readonly<Record<string, string>>): PlatformSettings | undefined {
  if (variables[PLATFORM_OPTIONS.apiRoot.name] === undefined) return undefined;
  return parsePlatformSettings({ flags: {}, environment: (name) => variables[name], files: [] });
}

function proxyUrl(text: string | undefined): URL[] {
  return text === undefined ? [] : [new URL(text.includes("://") ? text : `http://${text}`)];
}

function apiUrl(api: string): string {
  const name = host.parse(api).replace(/:\d+$/, "");
  return `${isLoopback(name) ? "http" : "https"}://${api}`;
}
