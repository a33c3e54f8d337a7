import { z } from "zod";
import { type Bytes, fromBase64Url, toBase64Url, utf8 } from "../bytes.ts";
import { ENCAPSULATED_BYTES, type Grant } from "../crypto/grant.ts";
import { IntegrityError } from "../errors.ts";
import { parseCanonical } from "./canonical_json.ts";
import { TIME_LIMIT_SECONDS } from "./manifest.ts";

/** Media type of a small part of format v2. v1's has another: they are told apart by this alone. */
export const SMALL_PART_MEDIA_TYPE = "application/vnd.tallystick.small+json";

/** As much as one QR code holds (version 40, level L). Every small part that can be made is smaller. */
export const SMALL_PART_LIMIT_BYTES = 2_953;

/** Bytes of the user in a grant, as UTF-8 in JSON. */
export const USER_LIMIT_BYTES = 128;

/** What the authenticated side gives for one device: the signed manifest, and the content key wrapped to that device. */
export interface SmallPart {
  /** JWS Compact of the manifest. */
  readonly manifest: string;
  readonly grant: Grant;
}

const wire = z.strictObject({
  v: z.literal(2),
  manifest: z.string(),
  grant: z.strictObject({
    kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    user: z.string().refine(isUser, "is no name of a user"),
    exp: z.int().min(0).max(TIME_LIMIT_SECONDS),
    enc: bytes([ENCAPSULATED_BYTES]),
    ct: bytes([32, 48]),
  }),
});

/** Whether a text can stand for the user in a grant: NFC, no control characters, at most {@link USER_LIMIT_BYTES}; empty where there is none. */
export function isUser(text: string): boolean {
  return text.isWellFormed() && text.normalize("NFC") === text && !/\p{Cc}/u.test(text) &&
    utf8(JSON.stringify(text)).byteLength - 2 <= USER_LIMIT_BYTES;
}

/** A small part as bytes. @throws {IntegrityError} step `form`: no reader would take it */
export function serializeSmallPart({ manifest, grant: { kid, user, exp, enc, ct } }: SmallPart): Bytes {
  const grant = { kid, user, exp, enc: toBase64Url(enc), ct: toBase64Url(ct) };
  const bytes = utf8(JSON.stringify({ v: 2, manifest, grant }));
  parseSmallPart(bytes);
  return bytes;
}

/** Reads a small part, strictly; nothing in it is believed yet. @throws {IntegrityError} step `form` */
export function parseSmallPart(bytes: Bytes): SmallPart {
  if (bytes.byteLength > SMALL_PART_LIMIT_BYTES) {
    throw new IntegrityError(`A small part has at most ${SMALL_PART_LIMIT_BYTES} bytes`, { step: "form" });
  }
  const { manifest, grant } = parseCanonical(bytes, wire, "The small part");
  return { manifest, grant };
}

function bytes(sizes: readonly number[]): z.ZodType<Bytes> {
  return z.string().transform((text, context) => {
    const decoded = fromBase64Url(text);
    if (decoded !== undefined && sizes.includes(decoded.byteLength)) return decoded;
    context.addIssue({ code: "custom", message: `is not base64url of ${sizes.join(" or ")} bytes` });
    return z.NEVER;
  });
}
