import type { HeadObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import type { S3CdnSettings } from "../config/cdn_file.ts";
import { NotAllowedError, UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { Clock } from "../system/clock.ts";
import { emptyObject, storedObject } from "./answer.ts";
import { checkObjectName, type ObjectName } from "./object_name.ts";
import { pairingOf } from "./pairing.ts";
import { isEmptyRange, rangeHeader } from "./range.ts";
import { S3Transport } from "./s3_transport.ts";
import { checksumBytes, fromBase64Crc, target, upload } from "./s3_upload.ts";
import { noneFor, type S3CallOptions, S3User, type Sdk, type SendOptions } from "./s3_user.ts";
import { statusError } from "./status_error.ts";
import type { ByteSource, Digests, GetOptions, ObjectFacts, ObjectStore, PutOptions, StoredObject } from "./store.ts";

const SHA256_BYTES = 32;

/** What the store is built from. */
export interface S3StoreDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  /** Longest silence within a body. */
  readonly stallMs?: number;
}

/** Big parts on an S3-compatible CDN, addressed by path, with one user for reading and another for writing. */
export class S3Store implements ObjectStore {
  readonly #sdk: Sdk;
  readonly #reader: S3User;
  readonly #writer: S3User | undefined;

  private constructor(sdk: Sdk, reader: S3User, writer: S3User | undefined) {
    this.#sdk = sdk;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Imports the SDK; nothing is sent yet. */
  static async open(settings: S3CdnSettings, { http, clock, stallMs }: S3StoreDeps): Promise<S3Store> {
    const sdk = await import("@aws-sdk/client-s3");
    const deps = { transport: new S3Transport(http, stallMs), clock };
    const writer = settings.uploader && new S3User(sdk, settings, settings.uploader, deps);
    return new S3Store(sdk, new S3User(sdk, settings, settings.downloader, deps), writer);
  }

  async head(bucket: string, key: string, options: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> {
    const name = checked(bucket, key);
    const answer = await this.#head(name, options);
    if (answer === undefined) return undefined;
    const { ContentLength: sizeBytes, Metadata } = answer;
    const etag = unquoted(answer.ETag);
    if (etag === undefined || sizeBytes === undefined || !Number.isSafeInteger(sizeBytes)) {
      throw new UpstreamError("CDN", `The CDN gives "${bucket}/${key}" without its length or ETag`);
    }
    const digests = await this.#digests(name, etag, answer, options);
    return { sizeBytes, etag, digests, ...pairingOf(Metadata?.["small-sha256"]) };
  }

  async get(bucket: string, key: string, options: GetOptions = {}): Promise<StoredObject> {
    const name = checked(bucket, key);
    const { range, ifMatch } = options;
    if (isEmptyRange(range)) return await this.#empty(name, options);
    const command = new this.#sdk.GetObjectCommand({
      ...target(name),
      ...(range === undefined ? {} : { Range: rangeHeader(range) }),
      ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
    });
    const action = `read "${bucket}/${key}"`;
    const answer = await this.#reader.call(
      action,
      (client, send) => client.send(command, send).catch(noneFor(416)),
      options,
    );
    if (answer === undefined) return await this.#empty(name, options);
    const { Body: body, ContentLength: contentLength, ContentRange: contentRange, ETag } = answer;
    if (!(body instanceof ReadableStream)) throw new UpstreamError("CDN", `Cannot ${action}: the answer has no body`);
    try {
      return storedObject(`"${bucket}/${key}"`, { body, contentLength, contentRange, etag: unquoted(ETag) }, options);
    } catch (error) {
      await body.cancel();
      throw error;
    }
  }

  async put(bucket: string, key: string, source: ByteSource, options: PutOptions = {}): Promise<ObjectFacts> {
    const { etag, crc32 } = await upload(this.#uploader(), checked(bucket, key), source, options);
    return { sizeBytes: source.sizeBytes, etag, digests: { crc32 }, ...pairingOf(options.pairedWith) };
  }

  async delete(bucket: string, key: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand(target(checked(bucket, key)));
    const remove = async (client: S3Client, send: SendOptions) => {
      await client.send(command, send).catch(noneFor(404));
    };
    await this.#uploader().call(`remove "${bucket}/${key}"`, remove, options);
  }

  async *list(
    bucket: string,
    options: { signal?: AbortSignal } = {},
  ): AsyncIterable<{ key: string; sizeBytes: number }> {
    checkObjectName("bucket", bucket);
    let token: string | undefined;
    do {
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: bucket,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#reader.call(
        `list "${bucket}"`,
        (client, send) => client.send(command, send).catch(noneFor(404)),
        options,
      );
      if (page === undefined) return;
      if (page.Name === undefined) throw new UpstreamError("CDN", `Cannot list "${bucket}": the answer is no list`);
      for (const { Key: key, Size: sizeBytes } of page.Contents ?? []) {
        if (key !== undefined && sizeBytes !== undefined) yield { key, sizeBytes };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  #uploader(): S3User {
    if (this.#writer !== undefined) return this.#writer;
    throw new NotAllowedError("The CDN settings hold no uploader_access_key: nothing can be written");
  }

  #head(name: ObjectName, options: S3CallOptions, partNumber?: number): Promise<HeadObjectCommandOutput | undefined> {
    const part = partNumber === undefined ? {} : { PartNumber: partNumber };
    const command = new this.#sdk.HeadObjectCommand({ ...target(name), ...part, ChecksumMode: "ENABLED" });
    const action = `look up "${name.bucket}/${name.key}"`;
    return this.#reader.call(action, (client, send) => client.send(command, send).catch(noneFor(404)), options);
  }

  /** The checksums that were stored, else what the ETag says: an MD5, or an MD5 of the parts' MD5s. */
  async #digests(
    name: ObjectName,
    etag: string,
    answer: HeadObjectCommandOutput,
    options: S3CallOptions,
  ): Promise<Digests> {
    const stored = storedDigests(etag, answer);
    if (stored !== undefined) return stored;
    if (isOpaqueEtag(answer)) return {};
    if (/^[0-9a-f]{32}$/.test(etag)) return { md5: etag };
    const hex = /^([0-9a-f]{32})-\d{1,5}$/.exec(etag)?.[1];
    const partSizeBytes = hex === undefined ? undefined : (await this.#head(name, options, 1))?.ContentLength;
    return hex === undefined || !partSizeBytes ? {} : { multipartMd5: { hex, partSizeBytes } };
  }

  async #empty(name: ObjectName, options: GetOptions): Promise<StoredObject> {
    const facts = await this.head(name.bucket, name.key, options);
    const what = `"${name.bucket}/${name.key}"`;
    if (facts === undefined) throw statusError(`read ${what}`, 404);
    return emptyObject(what, facts, options);
  }
}

/** Checksums of the whole object. Those of type COMPOSITE are sums over the parts' sums and say nothing of the whole. */
function storedDigests(etag: string, answer: HeadObjectCommandOutput): Digests | undefined {
  const { ChecksumType: type, ChecksumSHA256: sha256, ChecksumCRC32: crc32 } = answer;
  if (type === undefined ? etag.includes("-") : type !== "FULL_OBJECT") return undefined;
  if (sha256 !== undefined) return { sha256: checksumBytes(sha256, SHA256_BYTES).toHex() };
  return crc32 === undefined ? undefined : { crc32: fromBase64Crc(crc32) };
}

/** With these kinds of encryption the ETag has the form of an MD5, but is none of the object. */
function isOpaqueEtag({ ServerSideEncryption, SSECustomerAlgorithm }: HeadObjectCommandOutput): boolean {
  return ServerSideEncryption?.startsWith("aws:kms") === true || SSECustomerAlgorithm !== undefined;
}

function checked(bucket: string, key: string): ObjectName {
  return { bucket: checkObjectName("bucket", bucket), key: checkObjectName("key", key) };
}

function unquoted(etag: string | undefined): string | undefined {
  return etag?.replaceAll('"', "");
}
