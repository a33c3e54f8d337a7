import { type Bytes, equalBytes, fromBase64Url, wipe } from "../lib/bytes.ts";
import { importContentKey, keyCommitment } from "../lib/crypto/content_key.ts";
import { sha256Hex } from "../lib/crypto/keys.ts";
import { SUITES } from "../lib/crypto/suites.ts";
import { ConflictError, IntegrityError, InvalidInputError, NotAllowedError } from "../lib/errors.ts";
import type { Manifest } from "../lib/split/manifest.ts";
import { type SignedManifest, trustStore, verifyManifest } from "../lib/split/manifest_signature.ts";
import type { Clock } from "../lib/system/clock.ts";
import { BusinessError } from "./business_error.ts";
import type { ContentKeys } from "./content_keys.ts";
import { listPublishers } from "./publishers.ts";
import type { State } from "./state.ts";
import type { ResourceRef, Versions } from "./versions.ts";

/** What publishing needs. */
export interface PublishVersionDeps {
  readonly state: State;
  readonly versions: Versions;
  readonly contentKeys: ContentKeys;
  readonly clock: Clock;
}

/** What a publisher sends. */
export interface VersionRequest {
  readonly resource: ResourceRef;
  /** JWS. */
  readonly manifest: string;
  /** Content key, base64url. */
  readonly cek: string;
  /** Of the account. */
  readonly email: string;
}

/**
 * Takes a version of a resource: the manifest must be signed by a publisher whom the origin trusts, be for this resource, not have expired,
 * and commit to the content key that came with it. The content key is stored wrapped.
 * @throws {NotAllowedError} the signature; {InvalidInputError} the rest; {BusinessError} SequenceNotNewer, VersionExists
 */
export async function publishVersion(
  deps: PublishVersionDeps,
  request: VersionRequest,
  onVersion: (version: string) => void,
): Promise<"added" | "present"> {
  const { manifest, payload } = await verified(deps.state, request.manifest);
  onVersion(manifest.version);
  checkManifest(manifest, request.resource, deps.clock.now() / 1000);
  const contentKey = await checkedContentKey(request.cek, manifest);
  try {
    return await store(deps, request, { manifest, payload, contentKey });
  } catch (error) {
    const rotated = error instanceof ConflictError && !(error instanceof BusinessError);
    if (!rotated) throw error;
    return await store(deps, request, { manifest, payload, contentKey });
  } finally {
    wipe(contentKey);
  }
}

async function store(
  { versions, contentKeys }: PublishVersionDeps,
  request: VersionRequest,
  { manifest, payload, contentKey }: { manifest: Manifest; payload: Bytes; contentKey: Bytes },
): Promise<"added" | "present"> {
  const { folder, name, version, seq, exp, big, plain } = manifest;
  return versions.add({
    ...{ folder, name, version, seq },
    manifest: request.manifest,
    payloadSha256: await sha256Hex(payload),
    expiresSeconds: exp,
    bigKey: big.key,
    plainBytes: plain.size,
    contentKey: await contentKeys.wrap({ folder, name, version }, contentKey),
  }, request.email);
}

async function verified(state: State, jws: string): Promise<SignedManifest> {
  const keys = listPublishers(state).map(({ publicX }) => ({ kty: "OKP", crv: "Ed25519", x: publicX } as const));
  try {
    return await verifyManifest(jws, await trustStore(keys));
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    if (error.step === "signature") throw new NotAllowedError(error.message, { cause: error });
    throw new InvalidInputError("manifest", error.message, { cause: error });
  }
}

function checkManifest({ folder, name, exp }: Manifest, resource: ResourceRef, nowSeconds: number): void {
  if (folder !== resource.folder || name !== resource.name) {
    throw new InvalidInputError("manifest", `The manifest is of "${folder}/${name}"`);
  }
  if (exp <= nowSeconds) throw new InvalidInputError("manifest", "The manifest has expired");
}

/** A wrong key would be noticed by the first device only. */
async function checkedContentKey(cek: string, { suite, kc }: Manifest): Promise<Bytes> {
  const contentKey = fromBase64Url(cek);
  if (contentKey?.byteLength === SUITES[suite].contentKeyBytes) {
    const commitment = await keyCommitment(await importContentKey(contentKey.slice()));
    if (equalBytes(commitment, kc)) return contentKey;
  }
  throw new InvalidInputError("cek", "The content key is not the one that the manifest commits to");
}
