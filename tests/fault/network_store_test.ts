import { faultMatrices, type MatrixFault, type MatrixOptions, type Outcome } from "../support/fault_matrix.ts";
import { type FaultPlace, faultyProxy, type NetworkFault } from "../support/faulty_proxy.ts";
import { loadOf } from "../support/network_attempt.ts";
import { type CdnKind, NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";

const versitygw = peerPath("versitygw");
const MIB = 1024 * 1024;

const IN_OBJECT: FaultPlace = { direction: "down", afterBytes: 1_100_000 };
const LIST_ASKED: FaultPlace = { direction: "up", behind: ".big.hashes", afterBytes: 0 };
/** It is asked for before anything else. */
const IN_LIST: FaultPlace = { direction: "down", behind: "\r\n\r\n", afterBytes: 100 };

const GOES_ON: Outcome = { ends: ["done"], text: "goes on where it stopped; same bytes" };
const AGAIN: Outcome = { ends: ["done"], text: "tried again; done" };
const FETCHED_AGAIN: Outcome = { ends: ["done"], text: "the 1 MiB with the wrong byte is fetched again; same bytes" };
const BROKEN_OFF: Outcome = {
  ends: ["broken off"],
  text: "noticed before the last piece: the answer is broken off, and nothing is kept",
};
const UNAVAILABLE: Outcome = { ends: ["unavailable"], text: "given up after its tries (503)" };
const GIVEN_UP: Outcome = {
  ends: ["unavailable", "broken off"],
  text: "given up after six tries: 503, or an answer that is broken off",
};

type Outcomes = Readonly<Record<string, Outcome>>;

function faults(what: string, byName: Readonly<Record<string, readonly [NetworkFault, Outcomes]>>) {
  return Object.entries(byName).map(([text, [fault, outcomes]]): MatrixFault<NetworkFault> => {
    return { text: `${what}: ${text}`, where: "cdn", fault, outcomes };
  });
}

/** Of both formats, or of v2 alone where the site has no way for v1. */
function loads(v2: Outcome, v1?: Outcome): Outcomes {
  return { "load (v2)": v2, ...(v1 && { "load (v1)": v1 }) };
}

const SILENCE = "silent for its 30 s in an object, once";
const STALL: NetworkFault = { kind: "stall", at: IN_OBJECT };
const SILENT_ORIGIN = faults("object store of the origin", { [SILENCE]: [STALL, loads(GOES_ON, GOES_ON)] });
const SILENT_WEB_SERVER = faults("plain web server as the CDN", { [SILENCE]: [STALL, loads(GOES_ON)] });

const ORIGIN_OBJECTS = faults("object store of the origin", {
  "the connection ends in an object, once": [{ kind: "cut", at: IN_OBJECT }, loads(GOES_ON, GOES_ON)],
  "the connection is reset in an object, once": [{ kind: "reset", at: IN_OBJECT }, loads(GOES_ON, GOES_ON)],
  "a byte of an object comes wrong, once": [{ kind: "corrupt", at: IN_OBJECT }, loads(FETCHED_AGAIN, BROKEN_OFF)],
  "gone": [{ kind: "gone" }, loads(GIVEN_UP, UNAVAILABLE)],
});

const WEB_SERVER = faults("plain web server as the CDN", {
  "the connection ends in an object, once": [{ kind: "cut", at: IN_OBJECT }, loads(GOES_ON)],
  "the connection is reset in an object, once": [{ kind: "reset", at: IN_OBJECT }, loads(GOES_ON)],
  "a byte of an object comes wrong, once": [{ kind: "corrupt", at: IN_OBJECT }, loads(FETCHED_AGAIN)],
  "gone": [{ kind: "gone" }, loads(GIVEN_UP)],
});

const HASH_LIST = faults("CDN, the hash list of 17 MiB", {
  "the connection is reset when it is asked for, once": [{ kind: "reset", at: LIST_ASKED }, loads(AGAIN)],
  "the connection ends within it, once": [{ kind: "cut", at: IN_LIST }, loads(AGAIN)],
  "a byte comes wrong, once": [{ kind: "corrupt", at: IN_LIST }, loads(AGAIN)],
  "gone when it is asked for": [{ kind: "gone", at: LIST_ASKED }, loads(UNAVAILABLE)],
});

function matrix(cdnKind: CdnKind, rows: readonly MatrixFault<NetworkFault>[], sizeBytes?: number) {
  const options: MatrixOptions<NetworkFault> = {
    area: "network",
    front: faultyProxy,
    operations: [loadOf("v1", sizeBytes), loadOf("v2", sizeBytes)],
    start: () => NetworkSite.start(versitygw ?? "", cdnKind),
    ignore: versitygw === undefined,
  };
  return { faults: rows, options };
}

faultMatrices([
  matrix("origin", SILENT_ORIGIN),
  matrix("web", SILENT_WEB_SERVER),
  matrix("origin", ORIGIN_OBJECTS),
  matrix("web", WEB_SERVER),
  matrix("s3", HASH_LIST, 16 * MIB + 1),
]);
