import { PEER_NAMES, type PeerName } from "../tests/support/peers.ts";
import { installPackage } from "./apt.ts";
import { ensureAge } from "./peers/age.ts";
import { ensureDocker } from "./peers/docker.ts";
import { ensureIproute2, ensureIptables } from "./peers/namespaces.ts";
import { ensureLibcrypto } from "./peers/libcrypto.ts";
import { ensureLibcryptoArm64 } from "./peers/libcrypto_arm64.ts";
import { ensurePodman } from "./peers/podman.ts";
import { ensureQemu } from "./peers/qemu.ts";
import { ensureRequestsOauthlib } from "./peers/requests_oauthlib.ts";
import { ensureSchemathesis } from "./peers/schemathesis.ts";
import { ensureTink } from "./peers/tink.ts";
import { ensureToxiproxy } from "./peers/toxiproxy.ts";
import { ensureVersitygw } from "./peers/versitygw.ts";
import { findProgram } from "./program.ts";

/** A peer that can be used, or the reason why not. */
export type Peer = { readonly path: string } | { readonly missing: string };

const ENSURE: Readonly<Record<PeerName, () => Promise<Peer>>> = {
  versitygw: ensureVersitygw,
  toxiproxy: ensureToxiproxy,
  iproute2: ensureIproute2,
  iptables: ensureIptables,
  dockerd: ensureDocker,
  podman: ensurePodman,
  openssl: () => ensureProgram("openssl", "openssl"),
  curl: () => ensureProgram("curl", "curl"),
  bash: () => ensureProgram("bash", "bash"),
  zsh: () => ensureProgram("zsh", "zsh"),
  fish: () => ensureProgram("fish", "fish"),
  script: () => ensureProgram("script", "bsdutils"),
  qemu: ensureQemu,
  age: ensureAge,
  libcrypto: ensureLibcrypto,
  libcrypto_arm64: ensureLibcryptoArm64,
  tink: ensureTink,
  schemathesis: ensureSchemathesis,
  requests_oauthlib: ensureRequestsOauthlib,
  chromium: () => ensureProgram("chromium", "chromium"),
  strace: () => ensureProgram("strace", "strace"),
  faketime: () => ensureProgram("faketime", "faketime"),
  systemd: () => ensureProgram("systemd-analyze", "systemd"),
};

/** Finds every peer, and installs those that are missing where the machine allows it, one after the other. */
export async function ensurePeers(): Promise<ReadonlyMap<PeerName, Peer>> {
  const peers = new Map<PeerName, Peer>();
  for (const name of PEER_NAMES) peers.set(name, await ENSURE[name]());
  return peers;
}

/** Finds a program, or installs the Debian package that brings it. */
export async function ensureProgram(name: string, debianPackage: string): Promise<Peer> {
  const missing = findProgram(name) === undefined ? await installPackage(debianPackage) : undefined;
  if (missing !== undefined) return { missing };
  const path = findProgram(name);
  return path === undefined ? { missing: `the package ${debianPackage} does not bring it` } : { path };
}
