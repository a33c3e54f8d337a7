import { KEY_KINDS, publicKeyPath, readPublicKey, rotateKeyPair, writeKeyPair } from "../../lib/crypto/key_file.ts";
import { type Curve, generateJwk, thumbprint } from "../../lib/crypto/okp_key.ts";
import { UsageError } from "../../lib/errors.ts";
import type { Shell } from "../shell.ts";

/** What a key is for, as the command line says it. */
export interface KindFlags {
  readonly device?: true;
  readonly publisher?: true;
}

/** Makes a key and tells where it is. @throws {UsageError} it is not said what for, or the file exists */
export async function newKey({ output }: Shell, out: string, kind: KindFlags): Promise<void> {
  const jwk = await generateJwk(curveOf(kind));
  await writeKeyPair(out, jwk);
  const kid = await thumbprint(jwk);
  const facts = { kind: KEY_KINDS[jwk.crv], kid, private: out, public: publicKeyPath(out) };
  output.result(facts, `Made the ${facts.kind} key ${kid}`, `Private: ${out}`, `Public:  ${facts.public}`);
}

/** Shows what a public key is for, and its name. @throws {ConfigurationError} it is none */
export async function showKey({ output }: Shell, path: string): Promise<void> {
  const jwk = await readPublicKey(path);
  const facts = { kind: KEY_KINDS[jwk.crv], curve: jwk.crv, kid: await thumbprint(jwk), x: jwk.x };
  output.result(facts, `Kind:   ${facts.kind} (${facts.curve})`, `Name:   ${facts.kid}`, `Public: ${facts.x}`);
}

/** Puts a new key in the place of an old one. @throws {UsageError} it is not said what for */
export async function rotateKey({ output }: Shell, path: string, flags: KindFlags): Promise<void> {
  const jwk = await generateJwk(curveOf(flags));
  const previous = await rotateKeyPair(path, jwk);
  const kid = await thumbprint(jwk);
  const facts = { kind: KEY_KINDS[jwk.crv], kid, private: path, public: publicKeyPath(path), previous };
  output.result(facts, `The ${facts.kind} key is now ${kid}`, `The one before it: ${previous}`);
}

function curveOf({ device, publisher }: KindFlags): Curve {
  if (device === publisher) throw new UsageError("Say what the key is for: --device or --publisher");
  return device ? "X25519" : "Ed25519";
}
