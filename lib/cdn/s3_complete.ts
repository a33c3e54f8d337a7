import type { CompleteMultipartUploadCommandInput, HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { NotFoundError, UpstreamError } from "../errors.ts";
import type { ObjectName } from "./object_name.ts";
import type { S3CallOptions, S3User } from "./s3_user.ts";

/** A part as the server took it. */
export interface SentPart {
  readonly PartNumber: number;
  /** With quotes, as the server gave it. */
  readonly ETag: string;
  readonly ChecksumCRC32: string;
}

/** All that is known of an object whose parts have been sent. */
export interface SentObject extends ObjectName {
  readonly uploadId: string;
  readonly sizeBytes: number;
  /** In order. */
  readonly parts: readonly SentPart[];
  /** CRC-32 of the whole, as S3 writes it. */
  readonly crc32: string;
  readonly pairedWith: string | undefined;
}

/**
 * Puts the parts of an upload together. The answer may be lost on the way, and a server that forgets an upload when it is complete says 404 to
 * the repeated request: then what lies there now is compared with what was sent.
 * @returns the object's ETag, where the server gives one
 * @throws {UpstreamError} the server has forgotten the upload, and what lies there is not what was sent
 */
export async function complete(user: S3User, sent: SentObject, options: S3CallOptions): Promise<string | undefined> {
  const { bucket: Bucket, key: Key, uploadId: UploadId, parts, crc32: ChecksumCRC32 } = sent;
  const input: CompleteMultipartUploadCommandInput = {
    ...{ Bucket, Key, UploadId, ChecksumCRC32, ChecksumType: "FULL_OBJECT" },
    MultipartUpload: { Parts: [...parts] },
  };
  const command = new user.sdk.CompleteMultipartUploadCommand(input);
  const action = `write "${Bucket}/${Key}"`;
  try {
    return (await user.call(action, (client, send) => client.send(command, send), options)).ETag;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const found = await head(user, sent, options);
    if (found !== undefined && isWhatWasSent(found, sent)) return found.ETag;
    throw new UpstreamError(
      "CDN",
      `Cannot ${action}: the CDN has forgotten the upload, and what lies there is not what was sent`,
      { cause: error },
    );
  }
}

async function head(
  user: S3User,
  { bucket: Bucket, key: Key }: ObjectName,
  options: S3CallOptions,
): Promise<HeadObjectCommandOutput | undefined> {
  const command = new user.sdk.HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" });
  try {
    return await user.call(`look up "${Bucket}/${Key}"`, (client, send) => client.send(command, send), options);
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

function isWhatWasSent(found: HeadObjectCommandOutput, sent: SentObject): boolean {
  const { ContentLength, ChecksumCRC32, ChecksumType, ETag, Metadata } = found;
  if (ContentLength !== sent.sizeBytes || Metadata?.["small-sha256"] !== sent.pairedWith) return false;
  if (ChecksumCRC32 !== undefined && ChecksumType === "FULL_OBJECT") return ChecksumCRC32 === sent.crc32;
  return ETag?.replaceAll('"', "") === multipartEtag(sent.parts);
}

/** MD5 over the MD5s of the parts, and their number; `undefined` where the server's ETags are none. */
function multipartEtag(parts: readonly SentPart[]): string | undefined {
  const sums = parts.map(({ ETag }) => ETag.replaceAll('"', ""));
  if (!sums.every((sum) => /^[0-9a-f]{32}$/.test(sum))) return undefined;
  return `${createHash("md5").update(Uint8Array.fromHex(sums.join(""))).digest("hex")}-${parts.length}`;
}
