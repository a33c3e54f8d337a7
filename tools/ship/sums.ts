import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { sha256Hex } from "../../lib/crypto/keys.ts";
import { writePublicFile } from "../../lib/system/atomic_file.ts";

const SUMS = "SHA256SUMS";
const SIGNATURE = `${SUMS}.sig`;

/** Writes `SHA256SUMS` over all files of a folder, in the form of `sha256sum`. */
export async function writeSums(folder: string): Promise<void> {
  const names = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map(({ name }) => name);
  const shipped = names.filter((name) => !name.startsWith(".") && !name.startsWith(SUMS)).sort();
  const lines: string[] = [];
  for (const name of shipped) lines.push(`${await sha256Hex(await Deno.readFile(join(folder, name)))}  ${name}\n`);
  await writePublicFile(join(folder, SUMS), utf8(lines.join("")));
}

/**
 * Signs `SHA256SUMS` with Ed25519; the 64 bytes of the signature lie beside it.
 * @param keyPath private key as PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` makes it
 * @see RFC 8032, RFC 8410
 */
export async function signSums(folder: string, keyPath: string): Promise<void> {
  const pem = await Deno.readTextFile(keyPath);
  const body = /-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----/.exec(pem)?.[1];
  if (body === undefined) {
    throw new Error(`"${keyPath}" is not a private key in PEM: make one with openssl genpkey -algorithm ed25519`);
  }
  const key = await crypto.subtle.importKey("pkcs8", Uint8Array.fromBase64(body), "Ed25519", false, ["sign"]);
  const sums = await Deno.readFile(join(folder, SUMS));
  await writePublicFile(join(folder, SIGNATURE), new Uint8Array(await crypto.subtle.sign("Ed25519", key, sums)));
}
