import type { Bytes } from "../../lib/bytes.ts";
import { toBase64Url } from "../../lib/bytes.ts";
import { generateJwk, type PrivateJwk, publicHalf } from "../../lib/crypto/okp_key.ts";
import { hashListKey, type Manifest } from "../../lib/split/manifest.ts";
import { type PublisherKey, publisherKey, signManifest } from "../../lib/split/manifest_signature.ts";
import { type SealRequest, sealResource } from "../../lib/split/seal.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import type { OriginSite, Reply } from "./origin_site.ts";

/** The resource that tests of format v2 publish. */
export const V2_RESOURCE = { folder: "models", name: "detector.onnx" };

const LIMIT_BYTES = 128 * 1024 * 1024;
const DAY_SECONDS = 24 * 3600;

/** A version, with everything that only its publisher knows. */
export interface V2Version {
  readonly manifest: Manifest;
  /** JWS. */
  readonly jws: string;
  readonly big: Bytes;
  readonly hashes: Bytes;
  readonly contentKey: Bytes;
}

/** A publisher whom an origin trusts, with an account there. */
export class V2Publisher {
  readonly site: OriginSite;
  readonly jwk: PrivateJwk;
  readonly token: string;
  readonly #key: PublisherKey;

  private constructor(site: OriginSite, jwk: PrivateJwk, key: PublisherKey, token: string) {
    this.site = site;
    this.jwk = jwk;
    this.#key = key;
    this.token = token;
  }

  static async at(site: OriginSite): Promise<V2Publisher> {
    const jwk = await generateJwk("Ed25519");
    await ORIGIN_COMMANDS["publisher add"]({ dataDir: site.dataDir, key: publicHalf(jwk), name: "ci" });
    const { token } = await site.user("ResourceUploader", `publisher-${crypto.randomUUID()}@example.com`);
    return new V2Publisher(site, jwk, await publisherKey(jwk), token);
  }

  /** Seals a version; nothing is sent. */
  async seal(plain: Bytes, changes: Partial<SealRequest> = {}): Promise<V2Version> {
    const iat = Math.floor(Date.now() / 1000);
    const { seq = 1 } = changes;
    const sealing = await sealResource(streamOf(plain), {
      ...{ ...V2_RESOURCE, version: `1.${seq}`, seq, iat, exp: iat + DAY_SECONDS, arch: [], suite: "C20P-AGE" },
      ...changes,
    });
    const big = await collect(sealing.body, LIMIT_BYTES);
    const { manifest, hashes } = await sealing.finish();
    return { manifest, jws: await this.sign(manifest), big, hashes, contentKey: sealing.contentKey };
  }

  sign(manifest: Manifest): Promise<string> {
    return signManifest(manifest, this.#key);
  }

  /** Sends a manifest and its content key, as they are. */
  send({ jws, contentKey }: Pick<V2Version, "jws" | "contentKey">, resource = V2_RESOURCE): Promise<Reply> {
    return this.site.call("POST", `/v2/resources/${resource.folder}/${resource.name}`, {
      token: this.token,
      json: { manifest: jws, cek: toBase64Url(contentKey) },
    });
  }

  /** Lays a big part, and its hash list where it has one, into the object store of the origin. */
  async putBigPart({ manifest, big, hashes }: V2Version): Promise<void> {
    const { folder, big: { key }, seg } = manifest;
    await this.#put(folder, key, big);
    if ("sha256" in seg) await this.#put(folder, hashListKey(key), hashes);
  }

  /** Seals a version and publishes all of it. */
  async publish(plain: Bytes, changes: Partial<SealRequest> = {}): Promise<V2Version> {
    const version = await this.seal(plain, changes);
    await this.putBigPart(version);
    const reply = await this.send(version, version.manifest);
    if (reply.status !== 201) throw new Error(`The version was not taken: ${reply.status} ${reply.text}`);
    return version;
  }

  async #put(folder: string, key: string, bytes: Bytes): Promise<void> {
    const { writer: token } = await this.site.objectTokens();
    const reply = await this.site.call("PUT", `/objects/${folder}/${key}`, { token, body: bytes });
    if (reply.status >= 300) throw new Error(`The object was not taken: ${reply.status} ${reply.text}`);
  }
}
