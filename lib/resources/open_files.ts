import { readContentKey } from "../crypto/content_key_file.ts";
import type { DeviceKey } from "../crypto/grant.ts";
import { HASH_BYTES } from "../crypto/open_units.ts";
import { UNIT_COUNT_LIMIT } from "../crypto/unit_layout.ts";
import { ConfigurationError, IntegrityError, NotFoundError } from "../errors.ts";
import { bigPart, hashList, openWhole } from "../split/big_part.ts";
import type { Manifest } from "../split/manifest.ts";
import {
  checkManifest,
  committedKey,
  type ManifestRules,
  type OpenedSmallPart,
  openSmallPart,
} from "../split/open_small_part.ts";
import { parseSmallPart } from "../split/small_part_v2.ts";
import type { ByteStream } from "../streams.ts";
import { openWholeFile, readSmallFile } from "../system/files.ts";
import { readSmallPartFile } from "./small_part_file.ts";

/** Who opens: a device with its grant, or whoever holds the raw content key in a file. */
export type KeySource = { readonly device: DeviceKey; readonly user?: string | undefined } | {
  readonly contentKeyFile: string;
};

/** Which files are opened, and by what rules. */
export interface OpenFilesRequest {
  readonly small: string;
  readonly big: string;
  /** The hash list, where it is not in the manifest. */
  readonly hashes: string;
  readonly key: KeySource;
  readonly rules: ManifestRules;
  /** Compare the digest of the content as well: where it goes to a sink that cannot take it back. */
  readonly checksContent: boolean;
}

/** What is opened, and its plaintext; the stream fails with {@link IntegrityError}. */
export interface OpenedFiles {
  readonly manifest: Manifest;
  readonly plain: ByteStream;
}

/**
 * Opens a small part and a big part that lie in files. Nothing of the big part is read before everything about the small part is right.
 * @throws {NotFoundError} a file is missing; {IntegrityError} with the step that failed; {ConfigurationError} the content key's file is unfit
 */
export async function openFiles(request: OpenFilesRequest): Promise<OpenedFiles> {
  const opened = await openKey(request);
  const { manifest } = opened;
  const list = "list" in manifest.seg ? undefined : await readSmallFile(request.hashes, UNIT_COUNT_LIMIT * HASH_BYTES);
  const part = await bigPart(opened, await hashList(manifest, list));
  const { sizeBytes, body } = await openWholeFile(request.big);
  if (sizeBytes !== manifest.big.size) {
    await body.cancel();
    const message = `The big part has ${sizeBytes} bytes, and ${manifest.big.size} were published`;
    throw new IntegrityError(message, { step: "size" });
  }
  return { manifest, plain: openWhole(body, part, request.checksContent ? manifest.plain.sha256 : undefined) };
}

async function openKey({ small, key, rules }: OpenFilesRequest): Promise<OpenedSmallPart> {
  const bytes = await readSmallPartFile(small);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${small}": there is no such file`);
  const part = parseSmallPart(bytes);
  if ("device" in key) return await openSmallPart(part, { ...rules, ...key });
  const signed = await checkManifest(part.manifest, rules);
  const raw = await readContentKey(key.contentKeyFile);
  if (raw === undefined) throw new ConfigurationError([`Cannot read "${key.contentKeyFile}": there is no such file`]);
  return { ...signed, contentKey: await committedKey(raw, signed.manifest) };
}
