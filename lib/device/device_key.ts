import { z } from "zod";
import { type Bytes, toBase64Url, wipe } from "../bytes.ts";
import type { DeviceKey } from "../crypto/grant.ts";
import { importPublic, type PublicJwk, thumbprint } from "../crypto/okp_key.ts";
import type { HardwareFacts } from "../hardware/probe.ts";
import { factWrappedSchema, openByFacts, wrapByFacts } from "./fact_wrap.ts";
import type { StateFile, StateFolder } from "./state_folder.ts";

/** The key of this device: grants are made for its public half. */
export interface OwnKey extends DeviceKey {
  /** X25519 public key, base64url. */
  readonly publicX: string;
}

const fileSchema = z.object({
  v: z.literal(1),
  publicX: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  wrapped: factWrappedSchema,
});

type KeyFile = z.infer<typeof fileSchema>;

/** The file of the device's key. */
export const DEVICE_KEY_FILE: StateFile<KeyFile> = {
  name: "device_key.json",
  schema: fileSchema,
  isSecret: true,
  remedy:
    "put it back from a copy; or remove it, and the device makes another key at its next sign-in, which must be approved",
};

/**
 * The key of this device; made when there is none yet. When one of the hardware facts has changed, the file is written anew for the
 * present facts, so that another one may change later.
 * @throws {IntegrityError} more than one fact has changed; {ConfigurationError} the file is damaged
 */
export async function deviceKey(folder: StateFolder, facts: HardwareFacts): Promise<OwnKey> {
  return await folder.locked(async () => {
    const file = await folder.read(DEVICE_KEY_FILE);
    return await (file === undefined ? make(folder, facts) : open(folder, file, facts));
  });
}

/** Name of this device's key; `undefined` when there is none yet. */
export async function deviceKid(folder: StateFolder): Promise<string | undefined> {
  const file = await folder.read(DEVICE_KEY_FILE);
  return file && await kidOf(file.publicX);
}

async function make(folder: StateFolder, facts: HardwareFacts): Promise<OwnKey> {
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const publicX = toBase64Url(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const secret = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  await write(folder, publicX, secret, facts);
  return await keyOf(publicX, secret);
}

async function open(folder: StateFolder, { publicX, wrapped }: KeyFile, facts: HardwareFacts): Promise<OwnKey> {
  const { secret, changed } = await openByFacts(wrapped, facts, publicX);
  if (changed !== undefined) await write(folder, publicX, secret, facts);
  return await keyOf(publicX, secret);
}

async function write(folder: StateFolder, publicX: string, secret: Bytes, facts: HardwareFacts): Promise<void> {
  await folder.write(DEVICE_KEY_FILE.name, { v: 1, publicX, wrapped: await wrapByFacts(secret, facts, publicX) });
}

/** The raw bytes are overwritten. */
async function keyOf(publicX: string, secret: Bytes): Promise<OwnKey> {
  try {
    const privateKey = await crypto.subtle.importKey("pkcs8", secret, "X25519", false, ["deriveBits"]);
    const publicKey = await importPublic(jwkOf(publicX));
    return { kid: await kidOf(publicX), publicX, pair: { privateKey, publicKey } };
  } finally {
    wipe(secret);
  }
}

function kidOf(publicX: string): Promise<string> {
  return thumbprint(jwkOf(publicX));
}

function jwkOf(x: string): PublicJwk {
  return { kty: "OKP", crv: "X25519", x };
}
