import { join } from "node:path";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { BigPartCache } from "../../lib/cdn/cached.ts";
import { Media } from "../../lib/cdn/media.ts";
import { openStore } from "../../lib/cdn/open.ts";
import type { ObjectStore } from "../../lib/cdn/store.ts";
import { aesKey, resourceKeyString } from "../../lib/crypto/keys.ts";
import { NotFoundError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { type LoadResource, resourceLoader } from "../../lib/resources/load.ts";
import { type PublishedResource, type StageUpload, uploadStager } from "../../lib/resources/upload.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { type TestClock, testClock } from "./test_clock.ts";

/** One resource that all tests here work on. */
export const RESOURCE = { folder: "models", name: "detector.onnx" };
const LIMIT = 64 * 1024 * 1024;

/** The two use cases over a real folder as the CDN, a real cache, and small parts in a map. */
export class ResourceSite implements AsyncDisposable {
  readonly smallParts = new Map<string, Bytes>();
  readonly cachePath: string;
  readonly cdnPath: string;
  readonly cache: BigPartCache;
  readonly clock: TestClock;
  readonly load: LoadResource;
  readonly stage: StageUpload;
  /** Stands between the use cases and the CDN: a test may put a fault in. */
  store: ObjectStore;
  /** Called instead of taking a small part, when a test sets it. */
  refuseSmallPart: (() => Promise<void>) | undefined;
  /** Called before something is published. */
  requireApi: () => Promise<void> = () => Promise.resolve();
  readonly #folder: TempFolder;
  readonly #deps;
  /** A stick, which is looked into before the CDN; it is not there until a test makes it. */
  readonly mediumPath: string;

  private constructor(folder: TempFolder, store: ObjectStore, onSleep?: () => Promise<void>) {
    this.#folder = folder;
    this.store = store;
    this.cachePath = join(folder.path, "cache");
    this.cdnPath = join(folder.path, "cdn");
    this.cache = new BigPartCache(this.cachePath);
    this.clock = testClock(onSleep);
    this.mediumPath = join(folder.path, "medium");
    this.#deps = {
      media: new Media([join(folder.path, "not-plugged-in"), this.mediumPath], silentLogger),
      cdn: () => Promise.resolve(this.store),
      cache: this.cache,
      sharedKey: async () => aesKey(await resourceKeyString()),
      log: silentLogger,
      clock: this.clock,
      readApiResource: ({ folder, name }: { folder: string; name: string }) => this.#small(`${folder}/${name}`),
      requireApi: () => this.requireApi(),
      sendSmallPart: ({ folder, name, data }: { folder: string; name: string; data: Bytes }) =>
        this.#takeSmall(`${folder}/${name}`, data),
    };
    this.load = resourceLoader(this.#deps);
    this.stage = uploadStager(this.#deps);
  }

  static async open(onSleep?: () => Promise<void>): Promise<ResourceSite> {
    const folder = await tempFolder();
    const path = join(folder.path, "cdn");
    await Deno.mkdir(path);
    return new ResourceSite(folder, await openStore({ kind: "directory", path }, { clock: testClock() }), onSleep);
  }

  /** A second device on the same API and CDN, with a cache of its own. */
  publisher(): ResourceSite {
    const other = new ResourceSite({
      path: join(this.#folder.path, "other"),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }, this.store);
    other.#deps.sendSmallPart = this.#deps.sendSmallPart;
    return other;
  }

  async publish(plain: Bytes): Promise<PublishedResource> {
    using staged = await this.stage(streamOf(plain));
    return await staged.publish(RESOURCE);
  }

  async loadWhole(): Promise<{ plain: Bytes; source: string; sizeBytes: number }> {
    const { body, source, sizeBytes } = await this.load(RESOURCE);
    const plain = await collect(body, LIMIT);
    await this.cache.settled();
    return { plain, source, sizeBytes };
  }

  /** Path of the cached big part. */
  get cachedPath(): string {
    return join(this.cachePath, RESOURCE.folder, `${RESOURCE.name}.big`);
  }

  /** Everything that lies below the cache, but for empty folders. */
  async cachedFiles(path = this.cachePath): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) {
      names.push(...entry.isDirectory ? await this.cachedFiles(join(path, entry.name)) : [entry.name]);
    }
    return names.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache.settled();
    await this.#folder[Symbol.asyncDispose]();
  }

  #small(name: string): Promise<Bytes> {
    const small = this.smallParts.get(name);
    return small === undefined ? Promise.reject(new NotFoundError(`No "${name}"`)) : Promise.resolve(small.slice());
  }

  async #takeSmall(name: string, data: Bytes): Promise<void> {
    await this.refuseSmallPart?.();
    this.smallParts.set(name, data);
  }
}

/** Some plaintext that differs from version to version. */
export function version(number: number, sizeBytes = 100_000): Bytes {
  const bytes = new Uint8Array(sizeBytes).fill(number);
  bytes.set(utf8(`version ${number}`).subarray(0, sizeBytes));
  return bytes;
}
