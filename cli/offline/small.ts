import { type Bytes, fromBase64Url } from "../../lib/bytes.ts";
import { NotFoundError, UsageError } from "../../lib/errors.ts";
import { readSmallPartFile } from "../../lib/resources/small_part_file.ts";
import { parseManifest } from "../../lib/split/manifest.ts";
import { parseSmallPart } from "../../lib/split/small_part_v2.ts";
import type { Shell } from "../shell.ts";

/** Prints a small part as one QR code. @throws {IntegrityError} it is none; {UsageError} the terminal is too narrow for it */
export async function printCode({ io: { stdout }, output }: Shell, path: string): Promise<void> {
  const bytes = await readPart(path);
  parseSmallPart(bytes);
  const { renderUnicodeCompact } = await import("uqr");
  const code = renderUnicodeCompact(new TextDecoder().decode(bytes), { ecc: "L" });
  const width = code.indexOf("\n");
  if (stdout.isTerminal && stdout.columns() < width) { // broken lines are no code any more
    throw new UsageError(`The code is ${width} columns wide, and the terminal only ${stdout.columns()}`);
  }
  output.raw(`${code}\n`);
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
  const bytes = await readSmallPartFile(path);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  return bytes;
}
