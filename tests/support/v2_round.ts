import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { hashListKey } from "../../lib/split/manifest.ts";
import type { SealRequest } from "../../lib/split/seal.ts";
import { OriginSite } from "./origin_site.ts";
import { type RangeServer, rangeServer, type SeenRequest } from "./range_server.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { V2Device, type V2DeviceOptions } from "./v2_device.ts";
import { V2Publisher, type V2Version } from "./v2_publisher.ts";

/** An origin, a publisher, a web server that is the CDN, and a device on which an Operator is signed in. */
export class V2Round implements AsyncDisposable {
  readonly site: OriginSite;
  readonly publisher: V2Publisher;
  readonly cdn: RangeServer;
  readonly email: string;
  device: V2Device;
  readonly #folder: TempFolder;

  private constructor(parts: Pick<V2Round, "site" | "publisher" | "cdn" | "email" | "device">, folder: TempFolder) {
    this.site = parts.site;
    this.publisher = parts.publisher;
    this.cdn = parts.cdn;
    this.email = parts.email;
    this.device = parts.device;
    this.#folder = folder;
  }

  static async start(options: V2DeviceOptions = {}): Promise<V2Round> {
    const folder = await tempFolder();
    const site = await OriginSite.start();
    const publisher = await V2Publisher.at(site);
    const cdn = rangeServer();
    const device = await V2Device.start(site, await withCdn(cdn, folder, options));
    const { email } = await site.user("Operator");
    await device.signIn(email);
    return new V2Round({ site, publisher, cdn, email, device }, folder);
  }

  /** Seals a version, and lays it into the CDN. */
  async publish(plain: Bytes, changes: Partial<SealRequest> = {}): Promise<V2Version> {
    const version = await this.publisher.seal(plain, changes);
    const reply = await this.publisher.send(version, version.manifest);
    if (reply.status !== 201) throw new Error(`The version was not taken: ${reply.status} ${reply.text}`);
    this.serve(version);
    return version;
  }

  /** Lays a version into the CDN, or into another one. */
  serve({ manifest: { folder, big: { key } }, big, hashes }: V2Version, cdn: RangeServer = this.cdn): void {
    cdn.files.set(`${folder}/${key}`, { bytes: big, etag: key });
    cdn.files.set(`${folder}/${hashListKey(key)}`, { bytes: hashes, etag: `${key}-hashes` });
  }

  /** Ends the device and starts it with what it has kept; with another CDN, where one is given. */
  async restart(options: V2DeviceOptions = {}, cdn: RangeServer = this.cdn): Promise<void> {
    await this.device.stop();
    this.device = await V2Device.start(this.site, await withCdn(cdn, this.#folder, options), this.device);
    await this.device.signIn(this.email);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device[Symbol.asyncDispose]();
    await this.cdn[Symbol.asyncDispose]();
    await this.site[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Writes the settings of a CDN; the path. */
export async function writeCdnFile({ url }: RangeServer, folder: string): Promise<string> {
  const path = join(folder, "cdn.yaml");
  await Deno.writeTextFile(path, `host: ${url.href}\ntype: http\n`, { mode: 0o600 });
  return path;
}

/** How many bytes of big parts were asked for. */
export function askedBytes(requests: readonly SeenRequest[]): number {
  const bigParts = requests.filter(({ path }) => path.endsWith(".big"));
  return bigParts.reduce((sum, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
    return sum + Number(last) + 1 - Number(first);
  }, 0);
}

async function withCdn(cdn: RangeServer, folder: TempFolder, options: V2DeviceOptions): Promise<V2DeviceOptions> {
  return { ...options, flags: { "cdn-config": await writeCdnFile(cdn, folder.path), ...options.flags } };
}
