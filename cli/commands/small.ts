import type { Command } from "commander";
import { parseManifest } from "../../lib/split/manifest.ts";
import { fromBase64Url } from "../../lib/bytes.ts";
import { NotFoundError } from "../../lib/errors.ts";
import { parseSmallPart, SMALL_PART_LIMIT_BYTES } from "../../lib/split/small_part_v2.ts";
import { readSmallFile } from "../../lib/system/files.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface SmallFlags {
  readonly qr?: true;
}

/** `tally small`: shows what a small part says, or the part itself as a QR code. Nothing in it is believed here. */
export function smallCommand(shell: Shell): Command {
  return verb("small", "Show what a small part says, unverified, or print it as a QR code", [
    ["tally small yolo.small", "name, version, sizes, and whom it is for"],
    ["tally small --qr yolo.small", "in the terminal, to be read by a camera across an air gap"],
  ])
    .argument("<file>", "the small part")
    .option("--qr", "print all of it as one QR code")
    .action(async (path: string, flags: SmallFlags) => {
      const bytes = await readSmallFile(path, SMALL_PART_LIMIT_BYTES);
      if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
      const part = parseSmallPart(bytes);
      await (flags.qr ? printCode(shell, new TextDecoder().decode(bytes)) : show(shell, part));
    });
}

async function printCode({ output }: Shell, text: string): Promise<void> {
  const { renderUnicodeCompact } = await import("uqr");
  output.raw(`${renderUnicodeCompact(text, { ecc: "L" })}\n`);
}

function show({ output }: Shell, { manifest: jws, grant }: ReturnType<typeof parseSmallPart>): void {
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
