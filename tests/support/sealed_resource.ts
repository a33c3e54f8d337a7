import type { Bytes } from "../../lib/bytes.ts";
import { type DeviceKey, deviceKey, makeGrant } from "../../lib/crypto/grant.ts";
import { generateJwk, type PrivateJwk } from "../../lib/crypto/okp_key.ts";
import type { SuiteName } from "../../lib/crypto/suites.ts";
import type { Manifest } from "../../lib/split/manifest.ts";
import {
  type PublisherKey,
  publisherKey,
  signManifest,
  type TrustStore,
  trustStore,
} from "../../lib/split/manifest_signature.ts";
import type { GrantRules, ManifestRules } from "../../lib/split/open_small_part.ts";
import { type SealRequest, sealResource } from "../../lib/split/seal.ts";
import type { SmallPart } from "../../lib/split/small_part_v2.ts";
import { collect, streamOf } from "../../lib/streams.ts";

/** "Now" in tests of format v2, in seconds since 1970. */
export const NOW_SECONDS = 1_800_000_000;
const LIMIT_BYTES = 64 * 1024 * 1024;

/** A publisher and a device that believes it. */
export interface Parties {
  readonly publisher: PublisherKey;
  readonly trust: TrustStore;
  readonly deviceJwk: PrivateJwk;
  readonly device: DeviceKey;
}

/** One published version, with everything that only its publisher knows. */
export interface SealedResource {
  readonly small: SmallPart;
  readonly big: Bytes;
  readonly hashes: Bytes;
  readonly manifest: Manifest;
  readonly contentKey: Bytes;
}

/** Fresh keys for both. */
export async function parties(): Promise<Parties> {
  const publisherJwk = await generateJwk("Ed25519");
  const deviceJwk = await generateJwk("X25519");
  return {
    publisher: await publisherKey(publisherJwk),
    trust: await trustStore([{ kty: "OKP", crv: "Ed25519", x: publisherJwk.x }]),
    deviceJwk,
    device: await deviceKey(deviceJwk),
  };
}

/** Publishes a plaintext as `models/detector` for the device, with whatever is wanted otherwise. */
export async function sealed(
  plain: Bytes,
  { publisher, deviceJwk }: Parties,
  changes: Partial<SealRequest> & { readonly suite?: SuiteName; readonly user?: string } = {},
): Promise<SealedResource> {
  const { user = "ada@example.com", ...request } = changes;
  const sealing = await sealResource(streamOf(plain), {
    ...{ folder: "models", name: "detector", version: "1.0.0", seq: 1, iat: NOW_SECONDS, exp: NOW_SECONDS + 3600 },
    ...{ arch: [], suite: "C20P-AGE" },
    ...request,
  });
  const big = await collect(sealing.body, LIMIT_BYTES);
  const { manifest, hashes } = await sealing.finish();
  const small = await smallPart(manifest, sealing.contentKey, { publisher, deviceJwk }, user);
  return { small, big, hashes, manifest, contentKey: sealing.contentKey };
}

/** Signs a manifest and grants a content key to the device. */
export async function smallPart(
  manifest: Manifest,
  contentKey: Bytes,
  { publisher, deviceJwk }: Pick<Parties, "publisher" | "deviceJwk">,
  user: string,
): Promise<SmallPart> {
  const jws = await signManifest(manifest, publisher);
  const payload = Uint8Array.fromBase64(jws.split(".")[1] ?? "", { alphabet: "base64url" });
  const grant = await makeGrant(contentKey, deviceJwk, { payload, user, exp: manifest.exp });
  return { manifest: jws, grant };
}

/** What the device checks, with whatever is wanted otherwise. */
export function rules(
  { trust, device }: Parties,
  changes: Partial<ManifestRules & GrantRules> = {},
): ManifestRules & GrantRules {
  const wanted = { folder: "models", name: "detector" };
  return {
    ...{ trust, device, nowSeconds: NOW_SECONDS, seqFloor: 0, wanted, architecture: "arm64", user: "ada@example.com" },
    ...changes,
  };
}
