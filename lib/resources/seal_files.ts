import { join } from "node:path";
import type { Bytes } from "../bytes.ts";
import { readContentKey, writeContentKey } from "../crypto/content_key_file.ts";
import { makeGrant } from "../crypto/grant.ts";
import type { PublicJwk } from "../crypto/okp_key.ts";
import { hashListKey, INLINE_UNITS, type Manifest, serializeManifest } from "../split/manifest.ts";
import { type PublisherKey, signManifest } from "../split/manifest_signature.ts";
import { type SealRequest, sealResource } from "../split/seal.ts";
import { serializeSmallPart } from "../split/small_part_v2.ts";
import { type ByteStream, consume } from "../streams.ts";
import { AtomicFile, sweepPartialFiles, writePublicFile, writeSmallFile } from "../system/atomic_file.ts";

/** What is sealed into files, for whom, and where to. */
export interface SealFilesRequest {
  readonly resource: Omit<SealRequest, "contentKey">;
  readonly publisher: PublisherKey;
  /** The devices that get a small part. */
  readonly devices: readonly PublicJwk[];
  /** Whose session the grants are for; empty where there is none. */
  readonly user: string;
  /** The files go into the folder of the resource below it. */
  readonly out: string;
  /** Where the raw content key is read from, or written to when there is no such file. */
  readonly contentKeyFile?: string | undefined;
}

/** What was written. */
export interface SealedFiles {
  readonly manifest: Manifest;
  readonly big: string;
  /** The hash list, where the manifest does not hold it itself. */
  readonly hashes: string | undefined;
  /** One small part for each device. */
  readonly small: readonly { readonly kid: string; readonly path: string }[];
}

const PUBLIC_FILE_MODE = 0o644;
const KID_SHOWN_CHARACTERS = 12;

/**
 * Seals a plaintext into files: `<out>/<folder>/<digest>.big`, its `.hashes` when it needs one, and a `.small` for each device. The big part
 * is whole and has its name before a small part names it. The source is given up on any error.
 * @throws {InvalidInputError} the content key in the file does not fit the suite; {DiskFullError}
 */
export async function sealFiles(source: ByteStream, request: SealFilesRequest): Promise<SealedFiles> {
  try {
    return await sealInto(source, request);
  } catch (error) {
    if (!source.locked) await source.cancel(error); // nobody has begun to read it
    throw error;
  }
}

async function sealInto(source: ByteStream, request: SealFilesRequest): Promise<SealedFiles> {
  const { resource, out, contentKeyFile } = request;
  const contentKey = contentKeyFile === undefined ? undefined : await readContentKey(contentKeyFile);
  const isKeyKept = contentKey !== undefined || contentKeyFile === undefined;
  using sealing = await sealResource(source, { ...resource, contentKey });
  const folder = join(out, resource.folder);
  await sweepPartialFiles(folder); // of a process that was killed while it sealed
  using file = await AtomicFile.create(join(folder, resource.name), PUBLIC_FILE_MODE);
  await consume(sealing.body, (unit) => file.append(unit));
  const { manifest, hashes } = await sealing.finish();
  const big = join(folder, manifest.big.key);
  if (!isKeyKept) await writeContentKey(contentKeyFile, sealing.contentKey); // first: a big part without its key is of no use
  await file.commit(big);
  const list = manifest.seg.n > INLINE_UNITS ? join(folder, hashListKey(manifest.big.key)) : undefined;
  if (list !== undefined) await writePublicFile(list, hashes);
  return { manifest, big, hashes: list, small: await writeSmallParts(folder, manifest, sealing.contentKey, request) };
}

async function writeSmallParts(
  folder: string,
  manifest: Manifest,
  contentKey: Bytes,
  { devices, publisher, user }: SealFilesRequest,
): Promise<SealedFiles["small"]> {
  const jws = await signManifest(manifest, publisher);
  const payload = serializeManifest(manifest);
  const { name, version, exp } = manifest;
  return await Promise.all(devices.map(async (device) => {
    const grant = await makeGrant(contentKey, device, { payload, user, exp });
    const path = join(folder, `${name}@${version}-${grant.kid.slice(0, KID_SHOWN_CHARACTERS)}.small`);
    await writeSmallFile(path, serializeSmallPart({ manifest: jws, grant }));
    return { kid: grant.kid, path };
  }));
}
