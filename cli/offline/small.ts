import { type Bytes, fromBase64Url } from "../../lib/bytes.ts";
import { NotFoundError } from "../../lib/errors.ts";
import { parseManifest } from "../../lib/split/manifest.ts";
import { parseSmallPart, SMALL_PART_LIMIT_BYTES } from "../../lib/split/small_part_v2.ts";
import { readSmallFile } from "../../lib/system/files.ts";
import type { Shell } from "../shell.ts";

/** Prints a small part as one QR code. @throws {IntegrityError} it is none */
export async function printCode({ output }: Shell, path: string): Promise<void> {
  const bytes = await readPart(path);
  parseSmallPart(bytes);
  const { renderUnicodeCompact } = await import("uqr");
  output.raw(`${renderUnicodeCompact(new TextDecoder().decode(bytes), { ecc: "L" })}\n`);
}

/** Shows what a small part says; nothing of it is verified. @throws {IntegrityError} it is none */
export async function showPart({ output }: Shell, path: string): Promise<void> {
  const { manifest: jws, grant } = parseSmallPart(await readPart(path));
  const manifest = parseManifest(fromBase64Url(jws.split(".")[1] ?? "") ?? new Uint8Array(0));
  const { folder, name, version, seq, suite, arch, big, plain, exp } = manifest;
  const expires = new Date(exp * 1000).toISOString();
  const facts = {
    folder,
    name,
    version,
    seq,
    suite,
    arch,
    expires,
    big: big.key,
    bigBytes: big.size,
    sizeBytes: plain.size,
  };
  output.result(
    { ...facts, device: grant.kid, user: grant.user },
    `Resource: ${folder}/${name} ${version} (sequence ${seq})`,
    `Big part: ${big.key}, ${big.size} bytes, ${suite}`,
    `Content:  ${plain.size} bytes${arch.length === 0 ? "" : `, for ${arch.join(" and ")}`}`,
    `Expires:  ${expires}`,
    `Device:   ${grant.kid}`,
    `User:     ${grant.user === "" ? "any" : grant.user}`,
    "Nothing of this has been verified: tally open does.",
  );
}

async function readPart(path: string): Promise<Bytes> {
  const bytes = await readSmallFile(path, SMALL_PART_LIMIT_BYTES);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  return bytes;
}
