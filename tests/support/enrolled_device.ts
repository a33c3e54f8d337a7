import { calculateJwkThumbprint } from "jose";
import type { HardwareFacts } from "../../lib/hardware/probe.ts";
import { FACTS } from "./hardware_facts.ts";
import type { OriginSite, Reply } from "./origin_site.ts";

/** A key pair as a device has one, which a test can look at. */
export interface TestDeviceKey {
  readonly kid: string;
  readonly publicX: string;
  readonly pair: CryptoKeyPair;
}

/** A fresh key. */
export async function newDeviceKey(): Promise<TestDeviceKey> {
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const { x: publicX = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { kid: await calculateJwkThumbprint({ kty: "OKP", crv: "X25519", x: publicX }), publicX, pair };
}

/** Enrols a key at an origin, as a device does. */
export function enrol(
  site: OriginSite,
  token: string,
  { publicX }: { publicX: string },
  hardware: HardwareFacts = FACTS,
): Promise<Reply> {
  return site.call("POST", "/devices/enroll", {
    token,
    json: { publicKey: { kty: "OKP", crv: "X25519", x: publicX }, hardware },
  });
}
