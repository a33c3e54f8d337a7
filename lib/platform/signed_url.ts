import { presignS3 } from "../cdn/s3_presign.ts";
import type { S3CdnSettings } from "../config/cdn_file.ts";
import { ConfigurationError, InvalidInputError } from "../errors.ts";
import { type ServiceAccount, signGcsUrl } from "./gcs_signed_url.ts";

/** Longest validity that Cloud Storage and S3 take: seven days. */
export const LONGEST_EXPIRY_SECONDS = 604_800;

/** An object at a provider. */
export interface ObjectUri {
  /** Google Cloud Storage, or an S3 server. */
  readonly provider: "gs" | "s3";
  /** The bucket. */
  readonly bucket: string;
  /** Name of the object in it. */
  readonly key: string;
}

/** Who signs, for each provider that is used. */
export interface Signers {
  /** The service account of Google Cloud Storage. */
  readonly gs?: () => Promise<ServiceAccount>;
  /** The S3 server with its users: the downloader signs for reading, the uploader for writing. */
  readonly s3?: () => Promise<S3CdnSettings>;
}

/** What a signed address is good for. */
export interface SignedUrlOptions {
  /** To read, or to write; to read where it is left out. */
  readonly method?: "GET" | "PUT";
  /** From one second to seven days. */
  readonly expiresSeconds: number;
  /** From when on it is good, in milliseconds since 1970. */
  readonly nowMs: number;
}

/** Reads `gs://bucket/key` or `s3://bucket/key`. @throws {InvalidInputError} */
export function parseObjectUri(uri: string): ObjectUri {
  const [, provider, bucket = "", key = ""] = /^(gs|s3):\/\/([a-z0-9][a-z0-9._-]{1,221}[a-z0-9])\/(.+)$/s.exec(uri) ??
    [];
  const isKey = key.isWellFormed() && new TextEncoder().encode(key).byteLength <= 1024 && !/[\r\n]/.test(key);
  if ((provider === "gs" || provider === "s3") && isKey) return { provider, bucket, key };
  throw new InvalidInputError("uri", `"${uri}" is not of the form gs://bucket/key or s3://bucket/key`);
}

/**
 * Makes an address that lets whoever has it read (`GET`) or write (`PUT`) one object for a while. Nothing is sent: neither
 * the object nor the right of the signer is looked at.
 * @throws {InvalidInputError} the URI or the validity is wrong; {ConfigurationError} nobody can sign for this provider
 */
export async function signObjectUrl(uri: string, signers: Signers, options: SignedUrlOptions): Promise<string> {
  const { provider, bucket, key } = parseObjectUri(uri);
  const { method = "GET", expiresSeconds, nowMs } = options;
  if (!Number.isSafeInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > LONGEST_EXPIRY_SECONDS) {
    throw new InvalidInputError("expires", "The validity must be from one second to seven days");
  }
  const { gs, s3 } = signers;
  if (provider === "gs" && gs !== undefined) {
    return await signGcsUrl(await gs(), { method, bucket, object: key, expiresSeconds, nowMs });
  }
  if (provider === "s3" && s3 !== undefined) {
    const settings = await s3();
    const user = method === "GET" ? settings.downloader : settings.uploader;
    if (user === undefined) {
      throw new ConfigurationError(["The S3 settings hold no uploader, who could sign for writing"]);
    }
    return (await presignS3(settings, user, { method, bucket, key, expiresSeconds, nowMs })).href;
  }
  throw new ConfigurationError([`Nobody is set who could sign for ${provider}://`]);
}
