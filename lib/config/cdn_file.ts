import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Reach } from "../http/address_guard.ts";
import { isLoopback } from "../http/loopback.ts";
import { isOutOfReach } from "../http/reach.ts";
import { requirePrivate } from "../system/files.ts";
import { readNamedFile } from "../system/named_file.ts";
import { Secret } from "./secret.ts";
import { serverUrl } from "./values.ts";

const FILE_LIMIT_CHARACTERS = 64 * 1024;
const DEFAULT_REGION = "us-east-1";

/** Name and secret of an S3 user. */
export interface AccessKey {
  /** `…_access_key` */
  readonly id: Secret;
  /** `…_access_secret` */
  readonly secret: Secret;
}

/** An S3-compatible CDN. */
export interface S3CdnSettings {
  /** Tells the kinds of {@link CdnSettings} apart. */
  readonly kind: "s3";
  /** Where the server is; buckets are the first part of the path. */
  readonly endpoint: URL;
  /** As the server calls its place; it is part of every signature. */
  readonly region: string;
  /** Who reads. */
  readonly downloader: AccessKey;
  /** Who writes. Missing: nothing can be written. */
  readonly uploader?: AccessKey;
}

/** A web server; big parts lie at `<baseUrl>/<bucket>/<key>`. */
export interface HttpCdnSettings {
  /** Tells the kinds of {@link CdnSettings} apart. */
  readonly kind: "http";
  /** What buckets and keys are appended to. */
  readonly baseUrl: URL;
  /** Bearer token; missing: reading is free for all. */
  readonly downloader?: Secret;
  /** Bearer token; missing: nothing can be written. */
  readonly uploader?: Secret;
}

/** A folder: a USB stick, a share of the site. */
export interface DirectoryCdnSettings {
  /** Tells the kinds of {@link CdnSettings} apart. */
  readonly kind: "directory";
  /** The folder; buckets are folders in it. */
  readonly path: string;
}

/** Where the big parts lie, and who may read and write them there. */
export type CdnSettings = S3CdnSettings | HttpCdnSettings | DirectoryCdnSettings;

/** An empty value counts as not given. */
const value = z.string("must be a text").trim().transform((text) => text === "" ? undefined : text).optional();

const fileSchema = z.strictObject({
  host: value,
  type: value.pipe(z.enum(["s3", "http"], "must be s3 or http").optional()),
  region: value,
  downloader_access_key: value,
  downloader_access_secret: value,
  uploader_access_key: value,
  uploader_access_secret: value,
  downloader_token: value,
  uploader_token: value,
});

type CdnFile = z.infer<typeof fileSchema>;

/**
 * Reads the CDN settings (`cdn.yaml`), at most 64 Ki characters. A `host` of `file:///…` is a folder; otherwise `type`
 * says `s3` or `http`, and without it a file with a `downloader_access_key` means S3. Every value is taken as text, so
 * that a key such as `0012e4` stays what it is.
 * @param reach how far the host may lead: settings that came from a server lead to no folder and no other service of this machine
 * @throws {ConfigurationError} with every fault; no message holds a value of the file
 */
export async function parseCdnFile(yaml: string, reach: Reach = "loopback"): Promise<CdnSettings> {
  const parsed = fileSchema.safeParse(await parseYaml(yaml));
  if (!parsed.success) throw faulty(parsed.error.issues.flatMap(faultsOf));
  const file = parsed.data;
  if (file.host === undefined) throw faulty(["host is missing"]);
  if (/^file:/i.test(file.host)) {
    if (reach !== "loopback") throw faulty(["host is a folder, which only settings of this machine may name"]);
    return directorySettings(file.host);
  }
  const host = hostUrl(file.host);
  if (isOutOfReach(host, reach)) throw faulty([outOfReach(host)]);
  const kind = file.type ?? (file.downloader_access_key === undefined ? "http" : "s3");
  return kind === "s3" ? s3Settings(file, host) : httpSettings(file, host);
}

/**
 * The text of a local settings file, checked.
 * @throws {ConfigurationError} there is none, it has faults, or it holds keys and others than its owner may read it
 */
export async function readCdnFile(path: string): Promise<string> {
  const file = await readNamedFile(path, FILE_LIMIT_CHARACTERS);
  if (file === undefined) throw new ConfigurationError([`Cannot read CDN_CONFIG "${path}": there is no such file`]);
  const text = new TextDecoder().decode(file.bytes);
  const settings = await parseCdnFile(text);
  if (settings.kind !== "directory" && (settings.downloader ?? settings.uploader) !== undefined) {
    await requirePrivate(path);
  }
  return text;
}

async function parseYaml(text: string): Promise<unknown> {
  if (text.length > FILE_LIMIT_CHARACTERS) throw faulty([`is larger than ${FILE_LIMIT_CHARACTERS} characters`]);
  const { LineCounter, parseDocument } = await import("yaml"); // 15 MiB of memory, for those who have a CDN
  const lineCounter = new LineCounter();
  try {
    // Pretty errors would show lines of the file, which hold secrets.
    const document = parseDocument(text, {
      ...{ schema: "failsafe", prettyErrors: false, lineCounter },
      logLevel: "error", // so would warnings, on standard error
    });
    const [error] = document.errors;
    if (error !== undefined) throw faulty([`is not YAML: see line ${lineCounter.linePos(error.pos[0]).line}`]);
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw faulty(["is not a list of name: value lines"]); // aliases, or nested too deep
  }
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => `${shownKey(key)} is not a setting`);
  return [issue.path.length === 0 ? "is not a list of name: value lines" : `${issue.path.join(".")} ${issue.message}`];
}

/** In a file that lacks a blank or a line break, what looks like a name may hold a secret. */
function shownKey(key: string): string {
  return /^\w{1,64}$/.test(key) ? key : "one of the names";
}

function directorySettings(host: string): DirectoryCdnSettings {
  try {
    return { kind: "directory", path: fileURLToPath(host) };
  } catch {
    throw faulty(["host must be a folder such as file:///media/usb"]);
  }
}

/** Azaion's files name a bare host or a URL. */
function hostUrl(host: string): URL {
  try {
    const url = serverUrl(host.includes("://") ? host : `https://${host}`);
    if (url.search === "" && url.hash === "" && !/[?#]/.test(url.href)) return url;
  } catch (error) {
    throw faulty([`host ${messageOf(error)}`]);
  }
  throw faulty(["host must not hold a ? or #"]);
}

function outOfReach(host: URL): string {
  return isLoopback(host.hostname)
    ? "host is this machine, which only its own settings may name"
    : "host is an address that no CDN may have";
}

function s3Settings(file: CdnFile, endpoint: URL): S3CdnSettings {
  const faults = misplaced(file, ["downloader_token", "uploader_token"], "http");
  const downloader = accessKey(file, "downloader", faults);
  const uploader = accessKey(file, "uploader", faults);
  if (downloader === undefined && faults.length === 0) faults.push("downloader_access_key is missing");
  if (downloader === undefined || faults.length > 0) throw faulty(faults);
  const region = file.region ?? DEFAULT_REGION;
  return { kind: "s3", endpoint, region, downloader, ...(uploader === undefined ? {} : { uploader }) };
}

function accessKey(file: CdnFile, user: "downloader" | "uploader", faults: string[]): AccessKey | undefined {
  const id = file[`${user}_access_key`];
  const secret = file[`${user}_access_secret`];
  if (id !== undefined && secret !== undefined) return { id: new Secret(id), secret: new Secret(secret) };
  if (id !== undefined) faults.push(`${user}_access_secret is missing`);
  if (secret !== undefined) faults.push(`${user}_access_key is missing`);
  return undefined;
}

function httpSettings(file: CdnFile, baseUrl: URL): HttpCdnSettings {
  const faults = misplaced(file, ["region"], "s3");
  if (faults.length > 0) throw faulty(faults);
  return {
    kind: "http",
    baseUrl,
    ...(file.downloader_token === undefined ? {} : { downloader: new Secret(file.downloader_token) }),
    ...(file.uploader_token === undefined ? {} : { uploader: new Secret(file.uploader_token) }),
  };
}

function misplaced(file: CdnFile, keys: readonly (keyof CdnFile)[], type: string): string[] {
  return keys.filter((key) => file[key] !== undefined).map((key) => `${key} is only for type ${type}`);
}

function faulty(faults: readonly string[]): ConfigurationError {
  return new ConfigurationError(faults.map((fault) => `The CDN settings: ${fault}`));
}
