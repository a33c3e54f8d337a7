import { join } from "node:path";
import { openStore } from "../../lib/cdn/open.ts";
import type { ObjectStore } from "../../lib/cdn/store.ts";
import type { Bytes } from "../../lib/bytes.ts";
import type { CdnSettings } from "../../lib/config/cdn_file.ts";
import { Secret } from "../../lib/config/secret.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { OriginSite } from "./origin_site.ts";
import { sourceOf } from "./object_source.ts";
import { type S3Server, startS3Server } from "./s3_server.ts";
import { serveStaticFiles } from "./static_files.ts";
import { tempFolder } from "./temp_folder.ts";

/** The bucket that every site has. */
export const BUCKET = "models";

/** A place for big parts, as a device sees it. */
export interface ObjectSite extends AsyncDisposable {
  readonly store: ObjectStore;
  /** The same place for somebody who may only read; absent where everybody may write. */
  readonly readOnly?: ObjectStore;
  /** Puts an object there, by whatever way. */
  seed(key: string, bytes: Bytes): Promise<void>;
}

function open(settings: CdnSettings): Promise<ObjectStore> {
  return openStore(settings, { clock: systemClock });
}

async function seedThrough(store: ObjectStore, key: string, bytes: Bytes): Promise<void> {
  await store.put(BUCKET, key, sourceOf(bytes));
}

/** A folder, as a USB stick is one. */
export async function directorySite(): Promise<ObjectSite> {
  const folder = await tempFolder();
  const path = join(folder.path, "stick");
  await Deno.mkdir(path);
  const store = await open({ kind: "directory", path });
  return {
    store,
    seed: (key, bytes) => seedThrough(store, key, bytes),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** The object store of a real origin. */
export async function originSite(): Promise<ObjectSite> {
  const site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const baseUrl = new URL("/objects", site.url);
  const downloader = new Secret(reader);
  const uploader = new Secret(writer);
  const store = await open({ kind: "http", baseUrl, downloader, uploader });
  return {
    store,
    readOnly: await open({ kind: "http", baseUrl, downloader, uploader: downloader }),
    seed: (key, bytes) => seedThrough(store, key, bytes),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

/** A web server that knows nothing of us. */
export async function staticSite(options: { ignoresRanges: boolean }): Promise<ObjectSite> {
  const server = serveStaticFiles(options);
  const store = await open({ kind: "http", baseUrl: new URL("/pub/", server.url) });
  return {
    store,
    readOnly: store,
    seed: (key, bytes) => Promise.resolve(void server.files.set(`pub/${BUCKET}/${key}`, bytes)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A real S3 server. */
export async function s3Site(program: string): Promise<ObjectSite & { readonly server: S3Server }> {
  const server = await startS3Server({ program, bucket: BUCKET });
  const store = await open(server.settings);
  return {
    server,
    store,
    readOnly: await open({ ...server.settings, uploader: server.settings.downloader }),
    seed: (key, bytes) => seedThrough(store, key, bytes),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
