import { createHash } from "node:crypto";
import type { Bytes } from "../../lib/bytes.ts";
import { randomNumbers } from "../../tests/support/random.ts";

/** Bytes that no compression helps, another sequence for each seed. */
export function contentOf(seed: number, sizeBytes: number): Bytes {
  const next = randomNumbers(seed);
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = next() * 2 ** 32;
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

/** Lower-case hex SHA-256 of a stream, or of bytes. */
export async function sha256Of(source: AsyncIterable<Uint8Array> | Bytes): Promise<string> {
  const hash = createHash("sha256");
  if (source instanceof Uint8Array) return hash.update(source).digest("hex");
  for await (const chunk of source) hash.update(chunk);
  return hash.digest("hex");
}
