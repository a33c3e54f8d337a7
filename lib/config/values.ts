import { isLoopback } from "../http/loopback.ts";

const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  "HS256",
]);

/** Reads the value of a setting. @throws {Error} whose message completes "NAME …" */
export type ParseValue<T> = (value: string) => T;

/** Any text. */
export function text(value: string): string {
  return value;
}

/** A server's address: https, or http on this machine itself; without a user name or password. */
export function serverUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error("must be a URL such as https://api.example.com");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new Error("must be https, except for this machine itself");
  }
  if (url.username || url.password) throw new Error("must not hold a user name or password");
  return url;
}

/** A whole number, in no more digits than `most` has. */
export function numberFrom(least: number, most: number, what = "a number"): ParseValue<number> {
  return (value) => {
    const number = /^\d+$/.test(value) && value.length <= String(most).length ? Number(value) : NaN;
    if (!(number >= least && number <= most)) throw new Error(`must be ${what} from ${least} to ${most}`);
    return number;
  };
}

/** A number of bytes such as `20G`. */
export function byteSize(value: string): number {
  const [, figure = "", unit = ""] = /^(\d{1,15})([KMGT]?)$/i.exec(value) ?? [];
  const size = Number(figure || NaN) * 1024 ** (unit === "" ? 0 : "KMGT".indexOf(unit.toUpperCase()) + 1);
  if (!Number.isSafeInteger(size)) throw new Error("must be a size such as 500M or 20G");
  return size;
}

/** One of these words. */
export function oneOf<T extends string>(...words: readonly T[]): ParseValue<T> {
  return (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new Error(`must be one of ${words.join(", ")}`);
    return word;
  };
}

/** Words with commas between them, one at least. */
export function listOf(value: string): readonly string[] {
  const words = value.split(",").map((word) => word.trim()).filter((word) => word !== "");
  if (words.length === 0) throw new Error("must name at least one");
  return words;
}

/** @param fault what is said of a word that is none of these */
function listWhere(isRight: (word: string) => boolean, fault: string): ParseValue<readonly string[]> {
  return (value) => {
    const words = listOf(value);
    const wrong = words.find((word) => !isRight(word));
    if (wrong !== undefined) throw new Error(`holds "${wrong}"${fault}`);
    return words;
  };
}

/** Images, with or without a tag. */
export const imageNames: ParseValue<readonly string[]> = listWhere(
  (name) => /^[a-z0-9][a-z0-9._\/:-]{0,254}$/.test(name),
  ", which is not an image name",
);

/** A tag of an image. */
export function imageTag(value: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(value)) {
    throw new Error("must be an image tag such as latest or 1.4.2");
  }
  return value;
}

/** Algorithms of JWS that tokens can be signed with. */
export const algorithms: ParseValue<readonly string[]> = listWhere(
  (name) => SIGNATURE_ALGORITHMS.has(name),
  `; known are ${[...SIGNATURE_ALGORITHMS].join(", ")}`,
);

/** Where the Docker engine listens. */
export function dockerHost(value: string): string {
  const isKnown = /^unix:\/\/\/.|^tcp:\/\/(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}$/i.test(value);
  if (!isKnown) throw new Error("must be unix:///path or tcp://host:port");
  return value;
}

/** Origins of web pages, as browsers send them. */
export const origins: ParseValue<readonly string[]> = listWhere(
  (name) => URL.canParse(name) && new URL(name).origin === name && /^https?:/.test(name),
  ", which is not an origin such as https://app.example.com",
);

const lowerCaseHosts = listWhere(
  (name) => URL.canParse(`http://${name}`) && new URL(`http://${name}`).host === name,
  ", which is not a host name without a port",
);

/** Names of hosts, in lower case. */
export function hostNames(value: string): readonly string[] {
  return lowerCaseHosts(value.toLowerCase());
}

/** A path that means the same everywhere. */
export function absolutePath(value: string): string {
  if (!value.startsWith("/")) throw new Error("must be an absolute path");
  return value;
}

/** Absolute paths, with commas. */
export function folders(value: string): readonly string[] {
  return listOf(value).map(absolutePath);
}

/** `folder/name` */
export function resourceName(value: string): { readonly folder: string; readonly name: string } {
  const [folder = "", name = "", ...rest] = value.split("/");
  const isName = (word: string) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(word) && !word.includes("..");
  if (rest.length > 0 || !isName(folder) || !isName(name)) throw new Error("must be folder/name");
  return { folder, name };
}
