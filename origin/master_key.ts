import { join } from "node:path";
import { type Bytes, concat, utf8, wipe } from "../lib/bytes.ts";
import { ConfigurationError } from "../lib/errors.ts";
import { KNOWN_SECRETS } from "../lib/redaction/known_secrets.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { writeSmallFile } from "../lib/system/atomic_file.ts";
import { isSymbolicLink, readPrivateBytes } from "../lib/system/files.ts";

/** A key that wraps content keys, and its name. */
export interface MasterKey {
  /** Made from the key; tells nothing of it. */
  readonly id: string;
  /** 32 bytes. */
  readonly raw: Bytes;
}

/** Which content key a wrapped one is: it opens in no other place. */
export interface ContentKeyPlace {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
}

/** Where master keys come from. The first one wraps; the others open what was wrapped before a rotation. */
export interface MasterKeySource {
  /** Text of a variable, which stands in for the file: keys in base64url, with commas. */
  readonly text: string | undefined;
  /** File (mode 0600) with a key per line. */
  readonly path: string;
}

/** Variable with the master key. */
export const MASTER_KEY_VARIABLE = "ORIGIN_MASTER_KEY";
const FILE_NAME = "master.key";
const FILE_LIMIT_BYTES = 64 * 1024;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const ID_BYTES = 8;
const ID_LABEL = "tallystick master key";
const PLACE_LABEL = "tallystick content key";
const FORM = /^[A-Za-z0-9_-]{43}$/;

/** The source of an origin: the environment, else a file, which lies in the data folder unless another is named. */
export function masterKeySource(
  { dataDir, masterKeyFile }: { readonly dataDir: string; readonly masterKeyFile?: string | undefined },
): MasterKeySource {
  return { text: processEnvironment(MASTER_KEY_VARIABLE), path: masterKeyFile ?? join(dataDir, FILE_NAME) };
}

/** A fresh master key. */
export function newMasterKey(): Promise<MasterKey> {
  return namedKey(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
}

/**
 * The master keys as they stand now, the wrapping one first; none when there is no file yet.
 * @throws {ConfigurationError} others may read the file, or it holds anything but keys
 */
export async function readMasterKeys({ text, path }: MasterKeySource): Promise<MasterKey[]> {
  if (text !== undefined) return await parseKeys(text.split(","), "The master key of the environment");
  const secret = await readPrivateBytes(path, FILE_LIMIT_BYTES);
  if (secret === undefined) return [];
  try {
    return await parseKeys(new TextDecoder().decode(secret).split("\n"), `The master key file "${path}"`);
  } finally {
    wipe(secret);
  }
}

/**
 * Writes the file (mode 0600), whole or not at all, so that it survives a power cut.
 * @throws {ConfigurationError} it is a link, or the sandbox lets nothing be written there: then whoever laid it there changes it
 */
export async function writeMasterKeys(path: string, keys: readonly MasterKey[]): Promise<void> {
  if (await isSymbolicLink(path)) throw notOurs(path, "it is a link");
  const lines = keys.map(({ raw }) => `${raw.toBase64({ alphabet: "base64url", omitPadding: true })}\n`);
  const bytes = utf8(lines.join(""));
  try {
    await writeSmallFile(path, bytes);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw notOurs(path, "the sandbox of this program does not let it, so make it beforehand", { cause: error });
  } finally {
    wipe(bytes);
  }
}

function notOurs(path: string, why: string, options?: ErrorOptions): ConfigurationError {
  return new ConfigurationError([`Cannot write the master key file "${path}": ${why}`], options);
}

/** nonce (12 B) || AES-256-GCM of the content key, bound to its place. */
export async function wrapContentKey(key: MasterKey, place: ContentKeyPlace, cek: Bytes): Promise<Bytes> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt(parameters(nonce, place), await gcmKey(key, "encrypt"), cek);
  return concat(nonce, new Uint8Array(sealed));
}

/** @throws {ConfigurationError} it was wrapped by another key or for another place */
export async function unwrapContentKey(key: MasterKey, place: ContentKeyPlace, wrapped: Bytes): Promise<Bytes> {
  try {
    const nonce = wrapped.subarray(0, NONCE_BYTES);
    const opening = await gcmKey(key, "decrypt");
    return new Uint8Array(
      await crypto.subtle.decrypt(parameters(nonce, place), opening, wrapped.subarray(NONCE_BYTES)),
    );
  } catch (error) {
    throw new ConfigurationError([
      `The content key of "${place.folder}/${place.name}" cannot be opened: the database was changed from outside`,
    ], { cause: error });
  }
}

function parameters(iv: Bytes, { folder, name, version }: ContentKeyPlace): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: utf8([PLACE_LABEL, folder, name, version].join("\0")) };
}

function gcmKey({ raw }: MasterKey, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, [usage]);
}

async function parseKeys(lines: readonly string[], what: string): Promise<MasterKey[]> {
  const words = lines.map((line) => line.trim()).filter((line) => line !== "");
  if (words.length === 0 || words.some((word) => !FORM.test(word))) {
    throw new ConfigurationError([`${what} is not 32 bytes in base64url`]);
  }
  return await Promise.all(words.map((word) => namedKey(Uint8Array.fromBase64(word, { alphabet: "base64url" }))));
}

async function namedKey(raw: Bytes): Promise<MasterKey> {
  const digest = await crypto.subtle.digest("SHA-256", concat(utf8(ID_LABEL), raw));
  const key = { id: new Uint8Array(digest).subarray(0, ID_BYTES).toHex(), raw };
  KNOWN_SECRETS.keepFor(key, raw);
  return key;
}
