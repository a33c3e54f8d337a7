import type { Bytes } from "../bytes.ts";
import { ConfigurationError, ConflictError, IntegrityError } from "../errors.ts";

/** What a shipped file says of itself in its second line, which its digest covers. */
export interface ShippedProgram {
  /** `tally-device-aarch64`: the program and the processor that it is for. */
  readonly name: string;
  /** `major.minor.patch`. */
  readonly version: string;
}

const PEM = /-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----/;
const HEADER = /^#!\/bin\/sh\n# (tally-[a-z]+-[a-z0-9_]+) (\d{1,9}\.\d{1,9}\.\d{1,9}): /;
const SUM = /^([0-9a-f]{64}) [ *](\S+)$/;

/**
 * Checks the detached signature (64 B) over `SHA256SUMS`.
 * @param publicKeyPem Ed25519 key as `openssl pkey -pubout` writes it
 * @throws {IntegrityError} when it is not that key's signature of these bytes; {ConfigurationError} when that is no such key
 * @see RFC 8032, RFC 8410
 */
export async function verifySums(sums: Bytes, signature: Bytes, publicKeyPem: string): Promise<void> {
  const key = await importKey(publicKeyPem);
  if (await crypto.subtle.verify("Ed25519", key, signature, sums)) return;
  throw new IntegrityError("SHA256SUMS is not signed by the publisher's key");
}

async function importKey(pem: string): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("spki", Uint8Array.fromBase64(PEM.exec(pem)?.[1] ?? ""), "Ed25519", false, [
      "verify",
    ]);
  } catch (error) {
    throw new ConfigurationError(["UPDATE_PUBLIC_KEY_FILE does not hold an Ed25519 public key in PEM"], {
      cause: error,
    });
  }
}

/** The SHA-256 that `SHA256SUMS` has for a file, in hex. @throws {IntegrityError} when it has none, or more than one */
export function digestOf(sums: Bytes, name: string): string {
  const lines = new TextDecoder().decode(sums).split("\n").map((line) => SUM.exec(line));
  const [found, second] = lines.filter((match) => match?.[2] === name);
  if (found?.[1] === undefined || second !== undefined) {
    throw new IntegrityError(`The signed SHA256SUMS must name "${name}" exactly once`);
  }
  return found[1];
}

/** Reads the first bytes of a file of the launcher form; `undefined` when it is anything else. */
export function readHeader(head: Uint8Array): ShippedProgram | undefined {
  const [, name, version] = HEADER.exec(new TextDecoder("latin1").decode(head)) ?? [];
  return name === undefined || version === undefined ? undefined : { name, version };
}

/** What an update is measured against. */
export interface UpdateLimits {
  /** Program and processor that are wanted. */
  readonly name: string;
  /** Version that is installed: the lowest that is taken. */
  readonly floor: string;
  readonly allowDowngrade: boolean;
}

/**
 * Decides whether a file, whose digest has been verified, may take the place of the installed one.
 * @throws {IntegrityError} when it says no version or is another program; {ConflictError} when it is older
 */
export function checkUpdate(
  found: ShippedProgram | undefined,
  { name, floor, allowDowngrade }: UpdateLimits,
): ShippedProgram {
  if (found === undefined) throw new IntegrityError("The new file does not say its version: exchange it by hand");
  if (found.name !== name) throw new IntegrityError(`The new file is "${found.name}" and not "${name}"`);
  if (!allowDowngrade && compareVersions(found.version, floor) < 0) {
    throw new ConflictError(`Version ${found.version} is older than ${floor}, which is installed`);
  }
  return found;
}

function compareVersions(one: string, other: string): number {
  const numbers = other.split(".").map(Number);
  const differences = one.split(".").map((part, index) => Number(part) - (numbers[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
}
