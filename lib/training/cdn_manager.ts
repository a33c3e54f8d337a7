import type { Bytes } from "../bytes.ts";
import { DigestCheck } from "../cdn/digest.ts";
import { openStore } from "../cdn/open.ts";
import type { ByteSource, ObjectStore } from "../cdn/store.ts";
import { type CdnSettings, parseCdnFile } from "../config/cdn_file.ts";
import { NotFoundError } from "../errors.ts";
import { parseName } from "../split/names.ts";
import { streamOf, watched } from "../streams.ts";
import { systemClock } from "../system/clock.ts";
import { writeStream } from "../system/atomic_file.ts";

/** Raw objects of the CDN, for scripts that lay them there themselves. Fails with the errors of {@link ObjectStore}. */
export class CdnManager {
  readonly #store: ObjectStore;

  private constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Opens the CDN of a `cdn.yaml`: its text, or what was read from it. @throws {ConfigurationError} */
  static async open(settings: string | CdnSettings): Promise<CdnManager> {
    const parsed = typeof settings === "string" ? await parseCdnFile(settings) : settings;
    return new CdnManager(await openStore(parsed, { clock: systemClock }));
  }

  /** Writes an object whole, or not at all. */
  async upload(bucket: string, name: string, object: Bytes | ByteSource): Promise<void> {
    const source = object instanceof Uint8Array ? sourceOf(object) : object;
    await this.#store.put(parseName("bucket", bucket), parseName("name", name), source);
  }

  /** Fetches an object into the file `path`, which appears when it is complete and its digest right. Returns its size in bytes. */
  async download(bucket: string, name: string, path: string): Promise<number> {
    const facts = await this.#store.head(parseName("bucket", bucket), parseName("name", name));
    if (facts === undefined) throw new NotFoundError(`Cannot download "${bucket}/${name}": the CDN has no such object`);
    const { body } = await this.#store.get(bucket, name, { ifMatch: facts.etag });
    const check = new DigestCheck(facts.digests, facts.sizeBytes);
    await writeStream(path, watched(body, { look: (chunk) => check.update(chunk), end: () => check.verify() }));
    return facts.sizeBytes;
  }
}

function sourceOf(bytes: Bytes): ByteSource {
  return {
    sizeBytes: bytes.byteLength,
    open: (start = 0, end = bytes.byteLength) => Promise.resolve(streamOf(bytes.subarray(start, end))),
  };
}
