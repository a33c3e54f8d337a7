import { startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { faultMatrix, type MatrixFault, type Outcome } from "../support/fault_matrix.ts";
import { type FaultPlace, faultyProxy, type NetworkFault } from "../support/faulty_proxy.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";
import { unlockOperations } from "../support/unlock_attempt.ts";

const versitygw = peerPath("versitygw");
const dockerd = peerPath("dockerd");

const BEFORE_ANSWER: FaultPlace = { direction: "down", afterBytes: 0 };
const IN_SIGN_IN: FaultPlace = { direction: "down", behind: "\r\n\r\n", afterBytes: 5 };
const KEY_ASKED: FaultPlace = { direction: "up", behind: "/binary-split/key-fragment", afterBytes: 0 };
const IN_KEY: FaultPlace = { direction: "down", behind: ["octet-stream", "\r\n\r\n"], afterBytes: 5 };
const SMALL_PART_ASKED: FaultPlace = { direction: "up", behind: "/v2/resources/", afterBytes: 0 };
const IN_SMALL_PART: FaultPlace = { direction: "down", behind: '"manifest":"', afterBytes: 200 };
const IN_OBJECT: FaultPlace = { direction: "down", afterBytes: 300_000 };

const DONE: Outcome = { ends: ["done"], text: "done" };
const AGAIN: Outcome = { ends: ["done"], text: "tried again; done" };
const GOES_ON: Outcome = { ends: ["done"], text: "the unit is fetched again; done" };
const UNAVAILABLE: Outcome = {
  ends: ["unavailable"],
  text: "given up after three tries (`unavailable`); nothing is tagged",
};
const REFUSED: Outcome = { ends: ["integrity"], text: "noticed, and refused (`integrity`); nothing is tagged" };

type Outcomes = Readonly<Record<string, Outcome>>;

const V1 = ["unlock (v1)"];
const V2 = ["unlock (v2)"];
const BOTH = [...V1, ...V2];

function row(
  where: "api" | "cdn",
  text: string,
  fault: NetworkFault,
  [names, outcome]: readonly [names: readonly string[], outcome: Outcome],
): MatrixFault<NetworkFault> {
  const outcomes: Outcomes = Object.fromEntries(names.map((name) => [name, outcome]));
  return { text: `${where.toUpperCase()}: ${text}`, where, fault, outcomes };
}

const FAULTS: readonly MatrixFault<NetworkFault>[] = [
  row("api", "silent for its 15 s when the key is asked for, once", { kind: "stall", at: KEY_ASKED }, [V1, AGAIN]),
  row("api", "silent for its 15 s when the small part is asked for, once", { kind: "stall", at: SMALL_PART_ASKED }, [
    V2,
    AGAIN,
  ]),
  row("api", "the connection is reset before the answer to the sign-in, once", { kind: "reset", at: BEFORE_ANSWER }, [
    V1,
    AGAIN,
  ]),
  row("api", "the connection ends within the answer to the sign-in, once", { kind: "cut", at: IN_SIGN_IN }, [
    V2,
    AGAIN,
  ]),
  row("api", "gone during the sign-in", { kind: "gone", at: BEFORE_ANSWER }, [BOTH, UNAVAILABLE]),
  row("api", "gone", { kind: "gone" }, [V2, UNAVAILABLE]),
  row("api", "the connection is reset when the key is asked for, once", { kind: "reset", at: KEY_ASKED }, [V1, AGAIN]),
  row("api", "the connection ends within the key, once", { kind: "cut", at: IN_KEY }, [V1, AGAIN]),
  row("api", "no connection gives the whole key", { kind: "cut", at: IN_KEY, times: Infinity }, [V1, UNAVAILABLE]),
  row("api", "gone when the key is asked for", { kind: "gone", at: KEY_ASKED }, [V1, UNAVAILABLE]),
  row("api", "a byte of the key comes wrong", { kind: "corrupt", at: IN_KEY }, [V1, REFUSED]),
  row(
    "api",
    "the connection is reset when the small part is asked for, once",
    { kind: "reset", at: SMALL_PART_ASKED },
    [
      V2,
      AGAIN,
    ],
  ),
  row("api", "the connection ends within the small part, once", { kind: "cut", at: IN_SMALL_PART }, [V2, AGAIN]),
  row("api", "no connection gives the whole small part", { kind: "cut", at: IN_SMALL_PART, times: Infinity }, [
    V2,
    UNAVAILABLE,
  ]),
  row("api", "gone when the small part is asked for", { kind: "gone", at: SMALL_PART_ASKED }, [V2, UNAVAILABLE]),
  row("api", "a byte of the small part comes wrong", { kind: "corrupt", at: IN_SMALL_PART }, [V2, REFUSED]),
  row("api", "16 KB/s", { kind: "slow", bytesPerSecond: 16_000 }, [BOTH, DONE]),
  row("api", "600 ms latency", { kind: "latency", delayMs: 600 }, [BOTH, DONE]),
  row("cdn", "the connection ends in the unit that is damaged here, once", { kind: "cut", at: IN_OBJECT }, [
    V2,
    GOES_ON,
  ]),
  row("cdn", "the connection is reset in the unit that is damaged here, once", { kind: "reset", at: IN_OBJECT }, [
    V2,
    GOES_ON,
  ]),
  row("cdn", "a byte of the unit that is damaged here comes wrong, once", { kind: "corrupt", at: IN_OBJECT }, [
    V2,
    GOES_ON,
  ]),
  row("cdn", "a byte of the unit that is damaged here comes wrong each time", {
    kind: "corrupt",
    at: IN_OBJECT,
    times: Infinity,
  }, [V2, REFUSED]),
  row("cdn", "gone, and a unit is damaged here", { kind: "gone" }, [V2, REFUSED]),
  row("cdn", "4 MB/s", { kind: "slow", bytesPerSecond: 4_000_000 }, [V2, DONE]),
];

const ignore = versitygw === undefined || dockerd === undefined;
let engine: TestEngine;
Deno.test.beforeAll(async () => {
  if (!ignore) engine = await startDockerEngine(dockerd);
});
Deno.test.afterAll(async () => {
  if (!ignore) await engine[Symbol.asyncDispose]();
});

faultMatrix(FAULTS, {
  area: "network",
  front: faultyProxy,
  operations: unlockOperations(() => engine),
  start: () => NetworkSite.start(versitygw ?? ""),
  ignore,
});
