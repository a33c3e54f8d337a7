import { faultMatrix, type MatrixFault, type Outcome } from "../support/fault_matrix.ts";
import { type FaultPlace, faultyProxy, type NetworkFault } from "../support/faulty_proxy.ts";
import { OPERATIONS } from "../support/network_attempt.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";

const versitygw = peerPath("versitygw");

const IN_ANSWER: FaultPlace = { direction: "down", behind: "\r\n\r\n", afterBytes: 5 };
const BEFORE_ANSWER: FaultPlace = { direction: "down", afterBytes: 0 };
const IN_OBJECT: FaultPlace = { direction: "down", afterBytes: 1_100_000 };
const IN_UPLOAD: FaultPlace = { direction: "up", afterBytes: 1_000_000 };

const DONE: Outcome = { ends: ["done"], text: "done" };
const AGAIN: Outcome = { ends: ["done"], text: "tried again; done" };
const GOES_ON: Outcome = { ends: ["done"], text: "goes on where it stopped; same bytes" };
const SENT_AGAIN: Outcome = {
  ends: ["done"],
  text: "the server refuses what came damaged, and it is sent again; done",
};
const FETCHED_AGAIN: Outcome = { ends: ["done"], text: "the 1 MiB with the wrong byte is fetched again; same bytes" };
const UNAVAILABLE: Outcome = { ends: ["unavailable"], text: "given up after three tries (503); nothing is changed" };
const EXIT_6: Outcome = { ends: ["exit 6"], text: "given up after its tries (exit code 6); goes on the next time" };
const GIVEN_UP: Outcome = {
  ends: ["unavailable", "broken off"],
  text: "given up after six tries: 503, or an answer that is broken off",
};
const BROKEN_OFF: Outcome = {
  ends: ["broken off"],
  text: "noticed before the last piece: the answer is broken off, and nothing is kept",
};
const EXIT_7: Outcome = { ends: ["exit 7"], text: "noticed at the end (exit code 7): that file is not there" };
const OLD_STAYS: Outcome = { ends: ["unavailable"], text: "given up after three tries (503); the old version stays" };

type Outcomes = Readonly<Record<string, Outcome>>;

const LOADS = ["load (v1)", "load (v2)"];
const UPLOADS = ["upload (v1)", "upload (v2)"];

function all(names: readonly string[], outcome: Outcome): Outcomes {
  return Object.fromEntries(names.map((name) => [name, outcome]));
}

const ALL_DONE = all(OPERATIONS.map(({ name }) => name), DONE);
const API_AGAIN = all(["login", ...LOADS, ...UPLOADS, "run download"], AGAIN);
const API_GONE = {
  ...all(["login", ...LOADS], UNAVAILABLE),
  ...all(UPLOADS, OLD_STAYS),
  "run download": EXIT_6,
};
const DOWN_GOES_ON = all([...LOADS, "run download"], GOES_ON);

function api(text: string, fault: NetworkFault, outcomes: Outcomes, together = 1): MatrixFault<NetworkFault> {
  return { text: `API: ${text}`, where: "api", fault, outcomes, together };
}

function cdn(text: string, fault: NetworkFault, outcomes: Outcomes, together = 1): MatrixFault<NetworkFault> {
  return { text: `CDN: ${text}`, where: "cdn", fault, outcomes, together };
}

const { login: _, ...CDN_DONE } = ALL_DONE;
const { "upload (v1)": __, ...ANSWER_WITH_BODY } = API_AGAIN; // that of an upload has none

const FAULTS: readonly MatrixFault<NetworkFault>[] = [
  api("silent for its 15 s, once", { kind: "stall", at: BEFORE_ANSWER }, all(["login", ...LOADS, ...UPLOADS], AGAIN)),
  cdn("silent for its 30 s in an object, once", { kind: "stall", at: IN_OBJECT }, all(LOADS, GOES_ON)),
  api("the connection ends within an answer, once", { kind: "cut", at: IN_ANSWER }, ANSWER_WITH_BODY),
  api("the connection is reset before an answer, once", { kind: "reset", at: BEFORE_ANSWER }, API_AGAIN),
  api("every connection is reset", { kind: "reset", at: BEFORE_ANSWER, times: Infinity }, API_GONE),
  api("gone", { kind: "gone" }, API_GONE),
  api("16 KB/s", { kind: "slow", bytesPerSecond: 16_000 }, ALL_DONE),
  api("each piece 100 ms late", { kind: "delay", delayMs: 100 }, ALL_DONE),
  api("600 ms latency", { kind: "latency", delayMs: 600 }, all(["login", "load (v2)"], DONE)),
  api("two at once, the later connection is answered first", { kind: "reorder" }, all(["login", ...LOADS], DONE), 2),
  cdn("the connection ends in an object, once", { kind: "cut", at: IN_OBJECT }, DOWN_GOES_ON),
  cdn("the connection is reset in an object, once", { kind: "reset", at: IN_OBJECT }, DOWN_GOES_ON),
  cdn(
    "no connection lasts longer than 1.5 MB",
    { kind: "cut", at: { direction: "down", afterBytes: 1_500_000 }, times: Infinity },
    DOWN_GOES_ON,
  ),
  cdn("a byte of an object comes wrong, once", { kind: "corrupt", at: IN_OBJECT }, {
    "load (v1)": BROKEN_OFF,
    "load (v2)": FETCHED_AGAIN,
    "run download": EXIT_7,
  }),
  cdn("the connection ends while it is written, once", { kind: "cut", at: IN_UPLOAD }, all(UPLOADS, AGAIN)),
  cdn("the connection is reset while it is written, once", { kind: "reset", at: IN_UPLOAD }, all(UPLOADS, AGAIN)),
  cdn("no connection takes 1 MB", { kind: "cut", at: IN_UPLOAD, times: Infinity }, all(UPLOADS, OLD_STAYS)),
  cdn("a byte gets there wrong, once", { kind: "corrupt", at: IN_UPLOAD }, all(UPLOADS, SENT_AGAIN)),
  cdn("gone", { kind: "gone" }, {
    ...{ "load (v1)": UNAVAILABLE, "load (v2)": GIVEN_UP, "run download": EXIT_6 },
    ...all(UPLOADS, OLD_STAYS),
  }),
  cdn("4 MB/s", { kind: "slow", bytesPerSecond: 4_000_000 }, CDN_DONE),
  cdn("each piece 20 ms late", { kind: "delay", delayMs: 20 }, CDN_DONE),
  cdn("600 ms latency", { kind: "latency", delayMs: 600 }, all(LOADS, DONE)),
  cdn("two at once, the later connection is answered first", { kind: "reorder" }, { "load (v1)": DONE }, 2),
  cdn("the later of two connections is answered first", { kind: "reorder" }, { "run download": DONE }),
];

faultMatrix(FAULTS, {
  area: "network",
  front: faultyProxy,
  operations: OPERATIONS,
  start: () => NetworkSite.start(versitygw ?? ""),
  ignore: versitygw === undefined,
});
