import { createCipheriv, createHash } from "node:crypto";
import type { Bytes } from "../../lib/bytes.ts";

/** The reproducible bytes of the test vectors: AES-256-CTR keystream under SHA-256 of the seed, counter from zero. */
export function keystream(seed: string, sizeBytes: number): Bytes {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  const bytes = new Uint8Array(cipher.update(new Uint8Array(sizeBytes)));
  cipher.final();
  return bytes;
}
