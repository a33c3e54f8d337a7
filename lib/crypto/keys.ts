import { type Bytes, utf8 } from "../bytes.ts";

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

/** AES-256-CBC key of a v1 key string: SHA-256 of its UTF-8 bytes. Not extractable. */
export function aesKey(keyString: string): Promise<CryptoKey> {
  return cbcKey(utf8(keyString));
}

/** AES-256-CBC key of a v1 image archive: SHA-256 of the key fragment's bytes. Not extractable. */
export function archiveKey(fragment: Bytes): Promise<CryptoKey> {
  return cbcKey(fragment);
}

async function cbcKey(secret: Bytes): Promise<CryptoKey> {
  const raw = await crypto.subtle.digest("SHA-256", secret);
  return await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["encrypt", "decrypt"]);
}
