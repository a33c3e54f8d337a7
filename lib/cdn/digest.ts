import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Bytes, release } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import type { Digests } from "./store.ts";

/** A digest that is computed chunk by chunk and then compared once. */
interface RunningDigest {
  update(chunk: Bytes): void;
  matches(): boolean;
}

/**
 * Checks bytes that pass by against the strongest digest that a store knows of them (SHA-256, else CRC-32, else MD5, else
 * an S3 multipart MD5), and always against their size. Call {@link update} with every chunk in order, then {@link verify} once.
 */
export class DigestCheck {
  readonly #digest: RunningDigest | undefined;
  readonly #sizeBytes: number;
  #seenBytes = 0;

  constructor(expected: Digests, sizeBytes: number) {
    this.#digest = strongest(expected);
    this.#sizeBytes = sizeBytes;
  }

  /** Whether there is a digest to check; without one only the size is. */
  get hasDigest(): boolean {
    return this.#digest !== undefined;
  }

  update(chunk: Bytes): void {
    this.#seenBytes += chunk.byteLength;
    this.#digest?.update(chunk);
  }

  /** @throws {IntegrityError} when size or digest differ */
  verify(): void {
    if (this.#seenBytes !== this.#sizeBytes) {
      throw new IntegrityError(`Expected ${this.#sizeBytes} bytes from the CDN and got ${this.#seenBytes}`);
    }
    if (this.#digest?.matches() === false) {
      throw new IntegrityError("The bytes from the CDN are not those that were published: their digest differs");
    }
  }
}

/**
 * Compares a file that is here with what a store says of an object. Reads the stream to its end, or cancels it where the
 * answer is known before.
 * @param sizeBytes size of the object in the store
 * @returns `unknown` when the store gives no digest and the size is the same
 */
export async function matchesDigests(
  stream: ByteStream,
  digests: Digests,
  sizeBytes: number,
): Promise<"equal" | "different" | "unknown"> {
  const digest = strongest(digests);
  let seenBytes = 0;
  for await (const chunk of stream) {
    seenBytes += chunk.byteLength;
    if (seenBytes > sizeBytes) return "different";
    digest?.update(chunk);
    release(chunk);
  }
  if (seenBytes !== sizeBytes) return "different";
  if (digest === undefined) return "unknown";
  return digest.matches() ? "equal" : "different";
}

function strongest({ sha256, crc32, md5, multipartMd5 }: Digests): RunningDigest | undefined {
  if (sha256 !== undefined) return hashDigest("sha256", sha256);
  if (crc32 !== undefined) return crc32Digest(crc32);
  if (md5 !== undefined) return hashDigest("md5", md5);
  if (multipartMd5 !== undefined) return multipartDigest(multipartMd5.hex, multipartMd5.partSizeBytes);
  return undefined;
}

function hashDigest(algorithm: "sha256" | "md5", hex: string): RunningDigest {
  const hash = createHash(algorithm);
  return { update: (chunk) => void hash.update(chunk), matches: () => hash.digest("hex") === hex };
}

function crc32Digest(expected: number): RunningDigest {
  let sum = 0;
  return { update: (chunk) => void (sum = crc32(chunk, sum)), matches: () => sum === expected };
}

/** MD5 over the MD5s of the parts, as S3 makes the ETag of an upload in parts. */
function multipartDigest(hex: string, partSizeBytes: number): RunningDigest {
  const whole = createHash("md5");
  let part: Hash = createHash("md5");
  let partBytes = 0;
  const endPart = () => {
    whole.update(part.digest());
    part = createHash("md5");
    partBytes = 0;
  };
  return {
    update(chunk) {
      for (let rest = chunk; rest.byteLength > 0;) {
        const piece = rest.subarray(0, partSizeBytes - partBytes);
        part.update(piece);
        partBytes += piece.byteLength;
        if (partBytes === partSizeBytes) endPart();
        rest = rest.subarray(piece.byteLength);
      }
    },
    matches() {
      if (partBytes > 0) endPart();
      return whole.digest("hex") === hex;
    },
  };
}
