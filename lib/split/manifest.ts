import { z } from "zod";
import { type Bytes, fromBase64Url, toBase64Url, utf8 } from "../bytes.ts";
import { HASH_BYTES } from "../crypto/open_units.ts";
import type { SizedDigest } from "../crypto/seal_units.ts";
import { SUITE_NAMES, type SuiteName, SUITES } from "../crypto/suites.ts";
import { UNIT_COUNT_LIMIT, unitCount } from "../crypto/unit_layout.ts";
import { IntegrityError } from "../errors.ts";
import { parseCanonical } from "./canonical_json.ts";
import { NAME_PATTERN } from "./names.ts";

/** Hash lists of up to this many units stand in the manifest itself; longer ones are objects of their own. */
export const INLINE_UNITS = 16;
/** The last second of the year 9999. */
export const TIME_LIMIT_SECONDS = 253_402_300_799;
/** Architectures that one manifest may name. */
export const ARCHITECTURE_LIMIT = 4;
/** Form of a version. */
export const VERSION_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
/** Form of an architecture, as Go and Docker name them: `amd64`, `arm64`. */
export const ARCHITECTURE_PATTERN = /^[a-z0-9]{1,8}$/;

const RECOVERY_BYTES_LIMIT = 170;

/** Which version of which resource. */
export interface ResourceVersion {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
}

/** The hashes of all units: here (32 B each), or the digest of an object that holds them. */
export type UnitHashes =
  | { readonly n: number; readonly list: Bytes }
  | { readonly n: number; readonly sha256: Bytes };

/** What the publisher signs: everything about one version of a resource but its content key. */
export interface Manifest extends ResourceVersion {
  /** Grows with every version; a device never goes back. */
  readonly seq: number;
  /** When it was made, in seconds since 1970. */
  readonly iat: number;
  /** From then on no device takes it, in seconds since 1970. */
  readonly exp: number;
  /** The architectures that it is for; none means any. */
  readonly arch: readonly string[];
  readonly suite: SuiteName;
  /** The header of the big part. */
  readonly hdr: Bytes;
  /** The commitment to the content key. */
  readonly kc: Bytes;
  /** The big part: its name in the store, which is {@link bigPartKey} of its digest. */
  readonly big: SizedDigest & { readonly key: string };
  readonly seg: UnitHashes;
  readonly plain: SizedDigest;
  /** An age header for the recovery key; in front of the big part it makes a file for `age -d`. */
  readonly rec?: Bytes | undefined;
}

const time = z.int().min(0).max(TIME_LIMIT_SECONDS);
const size = z.int().min(0);
const digest = bytes(HASH_BYTES, HASH_BYTES);
const name = z.string().regex(NAME_PATTERN).refine((text) => !text.includes(".."), "has two dots behind each other");

const wire = z.strictObject({
  v: z.literal(2),
  folder: name,
  name,
  version: z.string().regex(VERSION_PATTERN),
  seq: z.int().min(0),
  iat: time,
  exp: time,
  arch: z.array(z.string().regex(ARCHITECTURE_PATTERN)).max(ARCHITECTURE_LIMIT),
  suite: z.string().regex(/^[A-Za-z0-9-]{1,32}$/),
  hdr: bytes(1, 64),
  kc: digest,
  big: z.strictObject({ key: z.string(), size, sha256: digest }),
  seg: z.union([
    z.strictObject({ n: z.int().min(1).max(INLINE_UNITS), list: bytes(HASH_BYTES, INLINE_UNITS * HASH_BYTES) }),
    z.strictObject({ n: z.int().min(INLINE_UNITS + 1).max(UNIT_COUNT_LIMIT), sha256: digest }),
  ]),
  plain: z.strictObject({ size, sha256: digest }),
  rec: bytes(1, RECOVERY_BYTES_LIMIT).optional(),
});

/** Name of a big part in the store: lower-case hex of its SHA-256, and `.big`. A stale one cannot have it. */
export function bigPartKey(sha256: Bytes): string {
  return `${sha256.toHex()}.big`;
}

/** Name of the object with the hash list of a big part (32 B for each unit). */
export function hashListKey(bigKey: string): string {
  return `${bigKey}.hashes`;
}

/** What the key of `A256GCM-HKDF-1M` is bound to: `"v2" 00 folder 00 name 00 version`. */
export function associatedData({ folder, name, version }: ResourceVersion): Bytes {
  return utf8(`v2\0${folder}\0${name}\0${version}`);
}

/** The payload of a manifest, as it is signed. @throws {IntegrityError} step `form`: no reader would take it */
export function serializeManifest(manifest: Manifest): Bytes {
  const { folder, name, version, seq, iat, exp, arch, suite, hdr, kc, big, seg, plain, rec } = manifest;
  const payload = utf8(JSON.stringify({
    ...{ v: 2, folder, name, version, seq, iat, exp, arch, suite, hdr: toBase64Url(hdr), kc: toBase64Url(kc) },
    big: { key: big.key, size: big.size, sha256: toBase64Url(big.sha256) },
    seg: "list" in seg ? { n: seg.n, list: toBase64Url(seg.list) } : { n: seg.n, sha256: toBase64Url(seg.sha256) },
    plain: { size: plain.size, sha256: toBase64Url(plain.sha256) },
    ...(rec === undefined ? {} : { rec: toBase64Url(rec) }),
  }));
  parseManifest(payload);
  return payload;
}

/** Reads the payload of a manifest, strictly. @throws {IntegrityError} step `form`; step `suite`: it is of a suite that we do not know */
export function parseManifest(payload: Bytes): Manifest {
  const { v: _, suite, ...fields } = parseCanonical(payload, wire, "The manifest");
  const manifest = { ...fields, suite: knownSuite(suite) };
  for (const [holds, sentence] of consistency(manifest)) {
    if (!holds) throw new IntegrityError(`The manifest contradicts itself: ${sentence}`, { step: "form" });
  }
  return manifest;
}

function knownSuite(suite: string): SuiteName {
  const known = SUITE_NAMES.find((name) => name === suite);
  if (known !== undefined) return known;
  throw new IntegrityError(`The manifest is of the suite "${suite}", which this program does not know`, {
    step: "suite",
  });
}

function consistency({ suite, hdr, big, seg, rec, iat, exp }: Manifest): readonly (readonly [boolean, string])[] {
  const { layout, name } = SUITES[suite];
  return [
    [hdr.byteLength === layout.headerBytes, "its header is not one of its suite"],
    [big.key === bigPartKey(big.sha256), "the name of its big part is not made of its digest"],
    [seg.n === unitCount(layout, big.size), "its big part has another number of units"],
    [!("list" in seg) || seg.list.byteLength === seg.n * HASH_BYTES, "its hash list has another number of units"],
    [rec === undefined || name === "C20P-AGE", "only an age payload can have a recovery header"],
    [iat <= exp, "it expires before it is made"],
  ];
}

function bytes(minBytes: number, maxBytes: number): z.ZodType<Bytes> {
  return z.string().transform((text, context) => {
    const decoded = fromBase64Url(text);
    if (decoded !== undefined && decoded.byteLength >= minBytes && decoded.byteLength <= maxBytes) return decoded;
    context.addIssue({ code: "custom", message: `is not base64url of ${minBytes} to ${maxBytes} bytes` });
    return z.NEVER;
  });
}
