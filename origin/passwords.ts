import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { RateLimitedError } from "../lib/errors.ts";

/** Work factors of scrypt (RFC 7914): N = 2^costLog2. */
interface ScryptParameters {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

const PARAMETERS: ScryptParameters = { costLog2: 15, blockSize: 8, parallelization: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const GENERATED_BYTES = 18; // 24 characters of base64url
const RUNNING_LIMIT = 2; // each takes 32 MiB and one core
const WAITING_LIMIT = 256; // about ten seconds of work
const RETRY_AFTER_SECONDS = 5;
const STORED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Stands for the hash of whoever does not exist: the same work, and nothing hashes to it. */
const NOBODY = `$scrypt$ln=15,r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;

/** A password that nobody guesses: 24 characters of base64url. */
export function randomPassword(): string {
  return crypto.getRandomValues(new Uint8Array(GENERATED_BYTES)).toBase64({ alphabet: "base64url" });
}

/**
 * Hashes passwords with scrypt, off the event loop, two at a time. Stored form (PHC string, base64 without padding):
 * `$scrypt$ln=15,r=8,p=1$salt (16 B)$hash (32 B)`. Every call fails with `RateLimitedError` when too many wait.
 */
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** The stored form of a new password, under a fresh salt. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#inTurn(() => derive(password, salt, HASH_BYTES, PARAMETERS));
    const { costLog2, blockSize, parallelization } = PARAMETERS;
    return `$scrypt$ln=${costLog2},r=${blockSize},p=${parallelization}$${unpadded(salt)}$${unpadded(hash)}`;
  }

  /** Whether the password is the one that was stored. Without a stored one: `false`, after the same work. */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const { parameters, salt, hash } = parseStored(stored ?? NOBODY);
    const derived = await this.#inTurn(() => derive(password, salt, hash.byteLength, parameters));
    return timingSafeEqual(derived, hash) && stored !== undefined;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= RUNNING_LIMIT) await this.#turn();
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= WAITING_LIMIT) {
      throw new RateLimitedError("Too many sign-ins are waiting", RETRY_AFTER_SECONDS);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function parseStored(stored: string) {
  const [, costLog2, blockSize, parallelization, salt, hash] = STORED.exec(stored) ?? [];
  if (salt === undefined || hash === undefined) throw new Error("A stored password hash has an unknown form");
  return {
    parameters: {
      costLog2: Number(costLog2),
      blockSize: Number(blockSize),
      parallelization: Number(parallelization),
    },
    salt: Uint8Array.fromBase64(salt),
    hash: Uint8Array.fromBase64(hash),
  };
}

function derive(password: string, salt: Uint8Array, sizeBytes: number, parameters: ScryptParameters) {
  const { costLog2, blockSize, parallelization } = parameters;
  const cost = 2 ** costLog2;
  const maxmem = 256 * cost * blockSize; // twice what scrypt needs
  return new Promise<Uint8Array>((resolve, reject) => {
    scrypt(
      password,
      salt,
      sizeBytes,
      { cost, blockSize, parallelization, maxmem },
      (error, hash) => error === null ? resolve(hash) : reject(error),
    );
  });
}

function unpadded(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}
