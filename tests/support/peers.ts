import { processEnvironment } from "../../lib/system/environment.ts";

/** Programs of other people that some tests run against. `tools/peers.ts` finds or installs them. */
export const PEER_NAMES = [
  "versitygw",
  "toxiproxy",
  "iproute2",
  "iptables",
  "dockerd",
  "podman",
  "openssl",
  "curl",
  "bash",
  "zsh",
  "fish",
  "script",
  "qemu",
  "age",
  "libcrypto",
  "libcrypto_arm64",
  "tink",
  "schemathesis",
  "requests_oauthlib",
  "systemd",
  "chromium",
  "strace",
  "faketime",
] as const;

/** One of {@link PEER_NAMES}. */
export type PeerName = typeof PEER_NAMES[number];

/** Variable that carries the absolute path of a peer from `tools/test.ts` to the tests. */
export function peerVariable(name: PeerName): string {
  return `TALLY_TEST_${name.toUpperCase()}`;
}

/** Absolute path of a peer; `undefined` when it is missing: then the test that needs it is ignored, and the run says so. */
export function peerPath(name: PeerName): string | undefined {
  return processEnvironment(peerVariable(name));
}
