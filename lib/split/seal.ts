import { type Bytes, wipe } from "../bytes.ts";
import { recoveryHeader } from "../crypto/age_header.ts";
import { importContentKey, keyCommitment } from "../crypto/content_key.ts";
import { sealUnits } from "../crypto/seal_units.ts";
import { type SuiteName, SUITES } from "../crypto/suites.ts";
import { HASH_BYTES } from "../crypto/open_units.ts";
import { InvalidInputError } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import { associatedData, bigPartKey, INLINE_UNITS, type Manifest, type ResourceVersion } from "./manifest.ts";

/** What is published, and how. */
export interface SealRequest extends ResourceVersion {
  readonly seq: number;
  readonly iat: number;
  readonly exp: number;
  readonly arch: readonly string[];
  readonly suite: SuiteName;
  /** A content key from elsewhere; a fresh one is made without it. Is overwritten. */
  readonly contentKey?: Bytes | undefined;
  /** An age recipient who can open `rec ‖ big part` without us; only with `C20P-AGE`, and with a fresh content key. */
  readonly recovery?: string | undefined;
}

/** A resource while it is sealed. Disposing it overwrites the content key. */
export interface SealingResource extends Disposable {
  /** The big part. */
  readonly body: ByteStream;
  /** The raw content key, for grants and escrow. Secret. */
  readonly contentKey: Bytes;
  /** The manifest of what passed, and the hash list of its units. @throws {Error} before the body has ended */
  finish(): Promise<{ readonly manifest: Manifest; readonly hashes: Bytes }>;
}

/**
 * Seals a plaintext of any size in one pass: the big part streams, and its manifest is known when it has ended.
 * @throws {InvalidInputError} the content key is none of the suite, or the recovery key cannot be used
 */
export async function sealResource(source: ByteStream, request: SealRequest): Promise<SealingResource> {
  const suite = SUITES[request.suite];
  const { raw, rec } = await contentKeyFor(request);
  const contentKey = await importContentKey(raw.slice());
  const hdr = suite.newHeader();
  const cipher = await suite.unitCipher(contentKey, hdr, associatedData(request));
  const { body, facts } = sealUnits(source, suite.layout, cipher);
  return {
    body,
    contentKey: raw,
    async finish() {
      const { big, plain, hashes } = facts();
      const { folder, name, version, seq, iat, exp, arch } = request;
      const manifest: Manifest = {
        ...{ folder, name, version, seq, iat, exp, arch, suite: request.suite, hdr, plain, rec },
        kc: await keyCommitment(contentKey),
        big: { ...big, key: bigPartKey(big.sha256) },
        seg: await unitHashes(hashes),
      };
      return { manifest, hashes };
    },
    [Symbol.dispose]: () => wipe(raw),
  };
}

async function unitHashes(list: Bytes): Promise<Manifest["seg"]> {
  const n = list.byteLength / HASH_BYTES;
  if (n <= INLINE_UNITS) return { n, list };
  return { n, sha256: new Uint8Array(await crypto.subtle.digest("SHA-256", list)) };
}

async function contentKeyFor({ suite, contentKey, recovery }: SealRequest): Promise<{ raw: Bytes; rec?: Bytes }> {
  const { contentKeyBytes } = SUITES[suite];
  if (recovery !== undefined) {
    if (suite !== "C20P-AGE") {
      throw new InvalidInputError("recovery", `A recovery key goes with C20P-AGE, not with ${suite}`);
    }
    if (contentKey !== undefined) throw new InvalidInputError("recovery", "A recovery key makes its own content key");
    const { header, fileKey } = await recoveryHeader(recovery);
    return { raw: fileKey, rec: header };
  }
  if (contentKey === undefined) return { raw: crypto.getRandomValues(new Uint8Array(contentKeyBytes)) };
  if (contentKey.byteLength === contentKeyBytes) return { raw: contentKey };
  throw new InvalidInputError(
    "contentKey",
    `A content key of ${suite} has ${contentKeyBytes} bytes, not ${contentKey.byteLength}`,
  );
}
