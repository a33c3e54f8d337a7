import { type Bytes, utf8, wipe } from "../bytes.ts";
import type { Libcrypto } from "./libcrypto.ts";

const HARDWARE_SALT = "_%$$$)0_";
const API_KEY_SALT = "-#%@AzaionKey@%#---";
const RESOURCE_KEY_TEXT = "-#%@AzaionKey@%#---234sdfklgvhjbnn";

/** Base64 (standard, padded) of SHA-384 of the UTF-8 text: the form of every v1 key string. */
async function sha384Base64(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-384", utf8(text))).toBase64();
}

/** Lower-case hex SHA-256. */
export async function sha256Hex(bytes: Bytes): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** v1 hardware hash of a hardware string (`CPU: …. GPU: …. Memory: …. DriveSerial: …`). */
export function hardwareHash(hardware: string): Promise<string> {
  return sha384Base64(`Azaion_${hardware}${HARDWARE_SALT}`);
}

/** v1 key string that the API encrypts for: one user on one device. */
export function apiKeyString(email: string, password: string, hardwareHash: string): Promise<string> {
  return sha384Base64(`${email}-${password}-${hardwareHash}${API_KEY_SALT}`);
}

/** v1 key string of all split resources. It is a constant of the format: whoever has this code has the key. */
export function resourceKeyString(): Promise<string> {
  return sha384Base64(RESOURCE_KEY_TEXT);
}

/** A v1 key for AES-256-CBC. */
export interface CbcKey {
  /** Not extractable. */
  readonly web: CryptoKey;
  /** Decrypts whole blocks faster than WebCrypto, to the same bytes, where there is something that does. */
  readonly decryptBlocks?: (iv: Bytes, blocks: Bytes) => Promise<Bytes>;
}

/** AES-256-CBC key of a v1 key string: SHA-256 of its UTF-8 bytes. */
export function aesKey(keyString: string, library?: Libcrypto): Promise<CbcKey> {
  return cbcKey(utf8(keyString), library);
}

/** AES-256-CBC key of a v1 image archive: SHA-256 of the key fragment's bytes. */
export function archiveKey(fragment: Bytes, library?: Libcrypto): Promise<CbcKey> {
  return cbcKey(fragment, library);
}

async function cbcKey(secret: Bytes, library: Libcrypto | undefined): Promise<CbcKey> {
  const raw = new Uint8Array(await crypto.subtle.digest("SHA-256", secret));
  const web = await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["encrypt", "decrypt"]);
  if (library === undefined) {
    wipe(raw);
    return { web };
  }
  return { web, decryptBlocks: (iv, blocks) => library.decryptBlocks(raw, iv, blocks) };
}
