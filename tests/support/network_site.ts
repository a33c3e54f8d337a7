import assert from "node:assert/strict";
import { join } from "node:path";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import type { Bytes } from "../../lib/bytes.ts";
import { writeKeyPair } from "../../lib/crypto/key_file.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { impatientClock } from "./impatient_clock.ts";
import { filesBelow, OriginSite } from "./origin_site.ts";
import { type S3Server, startS3Server } from "./s3_server.ts";
import { serveStaticFiles, type StaticFiles } from "./static_files.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { V2Device } from "./v2_device.ts";
import { V2Publisher } from "./v2_publisher.ts";

/** Folder, and bucket, of everything that is published here. */
export const FOLDER = "models";
const LIMIT_BYTES = 64 * 1024 * 1024;
/** A device that keeps nothing. */
const KEEPS_NOTHING = { "model-cache-quota": "1" };
const EMAIL = "admin@example.com";

/** Format of resources. */
export type Format = "v1" | "v2";
/** Where devices find big parts: on the S3 server, in the object store of the origin, or on a plain web server, which has a copy of what is on the S3 server. */
export type CdnKind = "s3" | "origin" | "web";

/** Ways to both servers, in place of their own addresses. */
export interface Ways {
  readonly api: URL;
  readonly cdn: URL;
}

/** What a site is made of. */
interface SiteParts {
  readonly origin: OriginSite;
  readonly s3: S3Server;
  readonly web: StaticFiles;
  readonly publisher: V2Publisher;
  readonly folder: TempFolder;
}

/** An origin and an S3 server, both real; who publishes, and who reads what is published, go there directly. */
export class NetworkSite implements AsyncDisposable {
  readonly origin: OriginSite;
  readonly s3: S3Server;
  readonly cdnKind: CdnKind;
  /** Whom the origin trusts. */
  readonly publisher: V2Publisher;
  readonly #web: StaticFiles;
  readonly #folder: TempFolder;
  readonly #parts: AsyncDisposableStack;
  readonly #direct = new Map<string, Promise<V2Device>>();
  #count = 0;

  private constructor(
    cdnKind: CdnKind,
    parts: SiteParts,
    stack: AsyncDisposableStack,
  ) {
    this.cdnKind = cdnKind;
    this.origin = parts.origin;
    this.s3 = parts.s3;
    this.publisher = parts.publisher;
    this.#web = parts.web;
    this.#folder = parts.folder;
    this.#parts = stack;
  }

  /** @param program path of versitygw */
  static async start(program: string, cdnKind: CdnKind = "s3"): Promise<NetworkSite> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempFolder());
    const [origin, s3] = await Promise.all([OriginSite.start(), startS3Server({ program, bucket: FOLDER })]);
    stack.use(origin);
    stack.use(s3);
    const web = stack.use(serveStaticFiles());
    const publisher = await V2Publisher.at(origin);
    await writeKeyPair(join(folder.path, "publisher.key"), publisher.jwk);
    await origin.user("Admin", EMAIL);
    return new NetworkSite(cdnKind, { origin, s3, web, publisher, folder }, stack.move());
  }

  /** Name of the account that may do everything here. */
  get email(): string {
    return EMAIL;
  }

  /** The servers' own addresses. */
  get ways(): Ways {
    return { api: new URL(this.origin.url), cdn: this.#urlOf(this.cdnKind) };
  }

  /** Ends it when the site ends. */
  owns(resource: AsyncDisposable): void {
    this.#parts.use(resource);
  }

  /** A name that nothing here has. */
  newName(): string {
    return `resource-${++this.#count}.bin`;
  }

  /** The key of a publisher whom the origin trusts. */
  get publisherKeyPath(): string {
    return join(this.#folder.path, "publisher.key");
  }

  /** Settings of a CDN that is reached there. @returns path of the file */
  async cdnFile(cdn: URL, kind = this.cdnKind): Promise<string> {
    const path = join(this.#folder.path, `cdn-${++this.#count}.yaml`);
    await Deno.writeTextFile(path, await this.#cdnYaml(cdn, kind), { mode: 0o600 });
    return path;
  }

  /** A device on these ways, on which nobody is signed in. */
  async device({ api, cdn }: Ways, format: Format, flags: Readonly<Record<string, string>> = {}): Promise<V2Device> {
    const cdnConfig = await this.cdnFile(cdn);
    return await V2Device.start(this.origin, {
      clock: impatientClock,
      flags: {
        "resource-api-url": api.href,
        "cdn-config": cdnConfig,
        "publisher-key-file": this.publisherKeyPath,
        "resource-format": format === "v1" ? "v1" : "auto",
        ...flags,
      },
    });
  }

  /** Publishes a version past all faults. */
  async publish(name: string, plain: Bytes, format: Format): Promise<void> {
    const { services } = await this.#directDevice(format, {});
    using staged = await services.stage(streamOf(plain));
    assert.equal(staged.format, format);
    await staged.publish({ folder: FOLDER, name });
    if (this.cdnKind === "web") await this.#copyToWeb();
  }

  /** What everybody gets who loads it now, past all faults and caches. */
  async read(name: string, format: Format): Promise<Bytes> {
    const { services } = await this.#directDevice(format, KEEPS_NOTHING);
    const { body } = await services.load({ folder: FOLDER, name });
    return await collect(body, LIMIT_BYTES);
  }

  /** Uploads to the S3 server that were begun and neither finished nor given up. */
  async unfinishedUploads(): Promise<readonly string[]> {
    const { Uploads = [] } = await this.s3.root.send(new ListMultipartUploadsCommand({ Bucket: FOLDER }));
    return Uploads.map(({ Key = "" }) => Key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of this.#direct.values()) await (await device)[Symbol.asyncDispose]();
    await this.#parts[Symbol.asyncDispose]();
  }

  #urlOf(kind: CdnKind): URL {
    if (kind === "web") return this.#web.url;
    return kind === "s3" ? this.s3.endpoint : new URL("/objects", this.origin.url);
  }

  async #copyToWeb(): Promise<void> {
    const folder = join(this.s3.dataDir, FOLDER);
    for (const name of await filesBelow(folder)) {
      const path = `${FOLDER}/${name}`;
      if (!this.#web.files.has(path)) this.#web.files.set(path, await Deno.readFile(join(folder, name)));
    }
  }

  #directDevice(format: Format, flags: Readonly<Record<string, string>>): Promise<V2Device> {
    const key = JSON.stringify([format, flags]);
    const known = this.#direct.get(key) ?? this.#startDirect(format, flags);
    this.#direct.set(key, known);
    return known;
  }

  async #startDirect(format: Format, flags: Readonly<Record<string, string>>): Promise<V2Device> {
    const kind = this.cdnKind === "web" ? "s3" : this.cdnKind; // a plain web server takes nothing
    const cdnConfig = await this.cdnFile(this.#urlOf(kind), kind);
    const device = await this.device(this.ways, format, { ...flags, "cdn-config": cdnConfig });
    await device.signIn(EMAIL);
    return device;
  }

  async #cdnYaml(url: URL, kind: CdnKind): Promise<string> {
    if (kind === "web") return yaml({ host: url.href, type: "http" });
    if (kind === "origin") {
      const { reader, writer } = await this.origin.objectTokens();
      return yaml({ host: url.href, type: "http", downloader_token: reader, uploader_token: writer });
    }
    const { downloader, uploader } = this.s3.settings;
    return yaml({
      ...{ host: url.origin, type: "s3" },
      ...{ downloader_access_key: downloader.id.reveal(), downloader_access_secret: downloader.secret.reveal() },
      ...{ uploader_access_key: uploader?.id.reveal(), uploader_access_secret: uploader?.secret.reveal() },
    });
  }
}

function yaml(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values).map(([name, value]) => `${name}: ${value}\n`).join("");
}
