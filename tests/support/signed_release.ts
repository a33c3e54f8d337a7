import { createHash } from "node:crypto";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";

/** A publisher with a key of its own. */
export interface Publisher {
  readonly publicKeyPem: string;
  /** `SHA256SUMS` over one file, and its signature. */
  sign(name: string, file: Bytes): Promise<{ sums: Bytes; signature: Bytes }>;
}

/** Makes a publisher. */
export async function makePublisher(): Promise<Publisher> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: "Ed25519" }, true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)).toBase64();
  return {
    publicKeyPem: `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`,
    async sign(name, file) {
      const sums = utf8(`${createHash("sha256").update(file).digest("hex")}  ${name}\n`);
      return { sums, signature: new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, sums)) };
    },
  };
}

/** A file that begins as a shipped one does, with `fillBytes` behind it. */
export function shippedFile(name: string, version: string, fillBytes = 1000): Bytes {
  return concat(
    utf8(`#!/bin/sh\n# ${name} ${version}: this launcher\n`),
    new Uint8Array(fillBytes).fill(version.length),
  );
}
