import type { AccessKey, S3CdnSettings } from "../config/cdn_file.ts";
import { s3ClientConfig } from "./s3_user.ts";

/** What a signed address is good for. */
export interface PresignOptions {
  readonly method: "GET" | "PUT";
  readonly bucket: string;
  readonly key: string;
  /** At most seven days: S3 takes no more. */
  readonly expiresSeconds: number;
  /** From when on it is good. */
  readonly nowMs: number;
}

/** Makes an address that lets whoever has it read or write one object of an S3 server for a while. Nothing is sent. */
export async function presignS3(settings: S3CdnSettings, user: AccessKey, options: PresignOptions): Promise<URL> {
  const { GetObjectCommand, PutObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
  const client = new S3Client(s3ClientConfig(settings, user));
  const target = { Bucket: options.bucket, Key: options.key };
  const validity = { expiresIn: options.expiresSeconds, signingDate: new Date(options.nowMs) };
  try {
    const command = options.method === "GET" ? new GetObjectCommand(target) : new PutObjectCommand(target);
    return new URL(await getSignedUrl(client, command, validity));
  } finally {
    client.destroy();
  }
}
