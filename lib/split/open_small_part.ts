import { type Bytes, equalBytes } from "../bytes.ts";
import { importContentKey, keyCommitment } from "../crypto/content_key.ts";
import { type DeviceKey, type Grant, openGrant } from "../crypto/grant.ts";
import { SUITES } from "../crypto/suites.ts";
import { IntegrityError, type IntegrityStep } from "../errors.ts";
import type { Manifest, ResourceVersion } from "./manifest.ts";
import { type SignedManifest, type TrustStore, verifyManifest } from "./manifest_signature.ts";
import type { SmallPart } from "./small_part_v2.ts";

/** What a manifest must satisfy on this device, now. */
export interface ManifestRules {
  readonly trust: TrustStore;
  readonly nowSeconds: number;
  /** The highest `seq` that this device has seen of the resource; 0 when none. */
  readonly seqFloor: number;
  /** What was asked for; what is left out was not asked for. */
  readonly wanted: Partial<ResourceVersion>;
  /** This machine, as Go and Docker name it; anything when it is left out. */
  readonly architecture?: string | undefined;
}

/** Whose grant it must be. */
export interface GrantRules {
  readonly device: DeviceKey;
  readonly nowSeconds: number;
  /** Who is signed in; anybody when there is no session. */
  readonly user?: string | undefined;
}

/** A small part that may be used: its manifest, and the content key, which cannot be exported. */
export interface OpenedSmallPart extends SignedManifest {
  readonly contentKey: CryptoKey;
}

/**
 * Opens a small part: first the manifest, then the grant, and it stops at the first check that fails.
 * @throws {IntegrityError} whose `step` names that check
 * @see docs/format_v2.md, "What a device checks, and in which order"
 */
export async function openSmallPart(part: SmallPart, rules: ManifestRules & GrantRules): Promise<OpenedSmallPart> {
  const signed = await checkManifest(part.manifest, rules);
  const raw = await unwrapContentKey(part.grant, signed, rules);
  return { ...signed, contentKey: await committedKey(raw, signed.manifest) };
}

/**
 * Checks a manifest: who signed it, its form, whether it still holds, is not older than what was seen, is what was asked for, and fits.
 * @throws {IntegrityError} steps `form`, `signature`, `expiry`, `sequence`, `resource`, `suite`, `architecture`
 */
export async function checkManifest(jws: string, rules: ManifestRules): Promise<SignedManifest> {
  const signed = await verifyManifest(jws, rules.trust);
  const { manifest } = signed;
  const { nowSeconds, seqFloor, wanted, architecture } = rules;
  demand(nowSeconds < manifest.exp, "expiry", manifest, "its manifest has expired");
  demand(
    manifest.seq >= seqFloor,
    "sequence",
    manifest,
    `its sequence number ${manifest.seq} is older than ${seqFloor}, which was seen already`,
  );
  demand(isWanted(manifest, wanted), "resource", manifest, `${describe({ ...manifest, ...wanted })} was asked for`);
  const { arch } = manifest;
  demand(
    architecture === undefined || arch.length === 0 || arch.includes(architecture),
    "architecture",
    manifest,
    `it is for ${arch.join(" and ")}, and this machine is ${architecture}`,
  );
  return signed;
}

/**
 * Unwraps the content key of a grant; the raw bytes are secret, and the caller's to overwrite.
 * @throws {IntegrityError} steps `grant-device`, `grant-user`, `grant-expiry`, `grant-open`
 */
export async function unwrapContentKey(
  grant: Grant,
  { manifest, payload }: SignedManifest,
  { device, nowSeconds, user }: GrantRules,
): Promise<Bytes> {
  demand(grant.kid === device.kid, "grant-device", manifest, "its grant is for another device");
  demand(user === undefined || grant.user === user, "grant-user", manifest, "its grant is for another user");
  demand(nowSeconds < grant.exp, "grant-expiry", manifest, "its grant has expired");
  return await openGrant(grant, device, payload);
}

/**
 * Takes a raw content key out of reach, after it was compared with the manifest's commitment. The raw bytes are overwritten, whatever happens.
 * @throws {IntegrityError} step `key-commitment`
 */
export async function committedKey(raw: Bytes, manifest: Manifest): Promise<CryptoKey> {
  const isOfSuite = raw.byteLength === SUITES[manifest.suite].contentKeyBytes;
  const contentKey = await importContentKey(raw);
  const commits = equalBytes(await keyCommitment(contentKey), manifest.kc);
  demand(isOfSuite && commits, "key-commitment", manifest, "its content key is not the one that was published");
  return contentKey;
}

function isWanted(manifest: Manifest, { folder, name, version }: Partial<ResourceVersion>): boolean {
  return (folder === undefined || folder === manifest.folder) && (name === undefined || name === manifest.name) &&
    (version === undefined || version === manifest.version);
}

function demand(holds: boolean, step: IntegrityStep, manifest: Manifest, why: string): void {
  if (!holds) throw new IntegrityError(`Cannot open ${describe(manifest)}: ${why}`, { step });
}

function describe({ folder, name, version }: ResourceVersion): string {
  return `"${folder}/${name}@${version}"`;
}
