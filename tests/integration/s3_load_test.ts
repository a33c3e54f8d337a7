import assert from "node:assert/strict";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { Bytes } from "../../lib/bytes.ts";
import { S3Transport } from "../../lib/cdn/s3_transport.ts";
import { s3ClientConfig } from "../../lib/cdn/s3_user.ts";
import type { Digests } from "../../lib/cdn/store.ts";
import { IntegrityError } from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { bigPartName } from "../../lib/split/plan.ts";
import { patchFile } from "../../lib/system/files.ts";
import { BUCKET, s3Site } from "../support/object_sites.ts";
import { peerPath } from "../support/peers.ts";
import { RESOURCE, ResourceSite, version } from "../support/resource_site.ts";
import type { S3Server } from "../support/s3_server.ts";

const MIB = 1024 * 1024;
const PLAIN_BYTES = 11 * MIB;
const PART_BYTES = 5 * MIB;
const KEY = bigPartName(RESOURCE.name);
const versitygw = peerPath("versitygw");

/** How a big part gets to the server, and the digest that the server then has of it. */
interface Upload {
  readonly how: string;
  readonly digest: keyof Digests;
  readonly put: (server: S3Server, big: Bytes) => Promise<unknown>;
}

const UPLOADS: readonly Upload[] = [
  { how: "that we published", digest: "crc32", put: () => Promise.resolve() },
  {
    how: "that somebody else put there without a checksum",
    digest: "md5",
    put: (server, Body) => plainClient(server).send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body })),
  },
  { how: "that somebody else put there in parts, without a checksum", digest: "multipartMd5", put: putParts },
];

for (const { how, digest, put } of UPLOADS) {
  Deno.test({
    name: `load() from S3 of an object ${how} keeps it when it is right, and nothing of it when a byte is wrong`,
    ignore: versitygw === undefined,
    fn: async () => {
      await using site = await ResourceSite.open();
      await using s3 = await s3Site(versitygw ?? "");
      site.store = s3.store;
      const plain = version(1, PLAIN_BYTES);
      await site.publish(plain);
      const stored = join(s3.server.dataDir, BUCKET, KEY);
      await put(s3.server, await Deno.readFile(stored));
      assert.deepEqual(Object.keys((await s3.store.head(BUCKET, KEY))?.digests ?? {}), [digest]);

      await forget(site);
      const loaded = await site.loadWhole();
      assert.equal(loaded.source, "cdn");
      assert.deepEqual(loaded.plain, plain);
      assert.equal((await site.loadWhole()).source, "cache");

      await forget(site);
      await flipByte(stored, PLAIN_BYTES / 2);
      await assert.rejects(site.loadWhole(), IntegrityError);
      await site.cache.settled();
      assert.deepEqual(await site.cachedFiles(), []);
    },
  });
}

/** A client that sends no checksums. */
function plainClient({ settings }: S3Server): S3Client {
  const key = settings.uploader ?? settings.downloader;
  return new S3Client({ ...s3ClientConfig(settings, key), requestHandler: new S3Transport(httpClient("CDN")) });
}

async function putParts(server: S3Server, big: Bytes): Promise<void> {
  const client = plainClient(server);
  const target = { Bucket: BUCKET, Key: KEY };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const Parts = [];
  for (let start = 0, PartNumber = 1; start < big.byteLength; start += PART_BYTES, PartNumber++) {
    const Body = big.slice(start, start + PART_BYTES);
    const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body }));
    Parts.push({ ETag, PartNumber });
  }
  await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
}

async function forget(site: ResourceSite): Promise<void> {
  await site.cache.settled();
  await Deno.remove(join(site.cachePath, RESOURCE.folder), { recursive: true });
}

async function flipByte(path: string, offset: number): Promise<void> {
  using file = await Deno.open(path, { read: true });
  await file.seek(offset, Deno.SeekMode.Start);
  const byte = new Uint8Array(1);
  await file.read(byte);
  await patchFile(path, offset, byte.map((value) => value ^ 1));
}
