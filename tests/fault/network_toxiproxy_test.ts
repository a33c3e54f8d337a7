import assert from "node:assert/strict";
import { faultMatrix, type MatrixFault, type Outcome } from "../support/fault_matrix.ts";
import { OPERATIONS } from "../support/network_attempt.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";
import { startToxiproxy, type Toxic, type Toxiproxy } from "../support/toxiproxy.ts";

const versitygw = peerPath("versitygw");
const program = peerPath("toxiproxy");

const DONE: Outcome = { ends: ["done"], text: "done" };
const GOES_ON: Outcome = { ends: ["done"], text: "goes on where it stopped; same bytes" };
const UNAVAILABLE: Outcome = { ends: ["unavailable"], text: "given up after its tries (503)" };
const UNAVAILABLE_V2: Outcome = {
  ends: ["unavailable", "broken off"],
  text: "given up after its tries: 503, or an answer that is broken off",
};
const OLD_STAYS: Outcome = { ends: ["unavailable"], text: "given up after three tries (503); the old version stays" };
const EXIT_6: Outcome = { ends: ["exit 6"], text: "given up after its tries (exit code 6); goes on the next time" };

type Outcomes = Readonly<Record<string, Outcome>>;

const ALL_DONE: Outcomes = { "load (v2)": DONE, "upload (v2)": DONE, "run download": DONE };
const GONE: Outcomes = { "load (v2)": UNAVAILABLE_V2, "upload (v2)": OLD_STAYS, "run download": EXIT_6 };
const API_GONE: Outcomes = { ...GONE, "load (v2)": UNAVAILABLE };

function toxic(
  type: Toxic["type"],
  attributes: Toxic["attributes"],
  stream: Toxic["stream"] = "downstream",
): Toxic {
  return { type, stream, attributes };
}

function fault(where: "api" | "cdn", text: string, fault: Toxic, outcomes: Outcomes): MatrixFault<Toxic> {
  return { text: `${where.toUpperCase()}, Toxiproxy: ${text}`, where, fault, outcomes };
}

const FAULTS: readonly MatrixFault<Toxic>[] = [
  fault("api", "100 ms latency, 50 ms jitter", toxic("latency", { latency: 100, jitter: 50 }), ALL_DONE),
  fault("api", "bytes in slices", toxic("slicer", { average_size: 20, size_variation: 10, delay: 100 }), ALL_DONE),
  fault("api", "connections that close late", toxic("slow_close", { delay: 300 }), ALL_DONE),
  fault("api", "16 KB/s", toxic("bandwidth", { rate: 16 }), ALL_DONE),
  fault("api", "no answer, closed after 300 ms", toxic("timeout", { timeout: 300 }), API_GONE),
  fault("api", "every connection is reset", toxic("reset_peer", { timeout: 0 }), API_GONE),
  fault("cdn", "20 ms latency, 10 ms jitter", toxic("latency", { latency: 20, jitter: 10 }), ALL_DONE),
  fault(
    "cdn",
    "bytes in slices",
    toxic("slicer", { average_size: 8000, size_variation: 4000, delay: 10 }),
    ALL_DONE,
  ),
  fault("cdn", "connections that close late", toxic("slow_close", { delay: 300 }), ALL_DONE),
  fault("cdn", "4 MB/s", toxic("bandwidth", { rate: 4000 }), ALL_DONE),
  fault("cdn", "no connection lasts longer than 1.5 MB", toxic("limit_data", { bytes: 1_500_000 }), {
    "load (v2)": GOES_ON,
    "run download": GOES_ON,
  }),
  fault("cdn", "no connection takes 1 MB", toxic("limit_data", { bytes: 1_000_000 }, "upstream"), {
    "upload (v2)": OLD_STAYS,
  }),
  fault("cdn", "no answer, closed after 300 ms", toxic("timeout", { timeout: 300 }), GONE),
  fault("cdn", "every connection is reset", toxic("reset_peer", { timeout: 0 }), GONE),
];

let toxiproxy: Toxiproxy | undefined;

faultMatrix(FAULTS, {
  area: "network",
  operations: OPERATIONS,
  async start() {
    const site = await NetworkSite.start(versitygw ?? "");
    site.owns(toxiproxy = await startToxiproxy(program ?? ""));
    return site;
  },
  front(target) {
    assert(toxiproxy !== undefined);
    return toxiproxy.front(target);
  },
  ignore: versitygw === undefined || program === undefined,
});
