import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { faultMatrix, type MatrixFault, type Outcome } from "../support/fault_matrix.ts";
import { hostileFront, type Saying, type ServerFault } from "../support/hostile_front.ts";
import { OPERATIONS } from "../support/network_attempt.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";
import { rawAnswer } from "../support/raw_answers.ts";

const versitygw = peerPath("versitygw");

const READ = /^GET \/models\//;
const LOOK = /^HEAD \/models\//;
const WRITE = /^(PUT|POST) \/models\//;
const ANYTHING = /^[A-Z]+ \/models\//;
const XML = "content-type: application/xml";
const OTHER_MD5 = '"0123456789abcdef0123456789abcdef"';

const DONE: Outcome = { ends: ["done"], text: "done" };
const AGAIN: Outcome = { ends: ["done"], text: "tried again; done" };
const GOES_ON: Outcome = { ends: ["done"], text: "goes on where it stopped; same bytes" };
const UNAVAILABLE: Outcome = { ends: ["unavailable"], text: "given up after its tries (503)" };
const UNAVAILABLE_V2 = orBrokenOff(UNAVAILABLE);
const STRANGE: Outcome = { ends: ["upstream"], text: "refused (502)" };
const STRANGE_V2 = orBrokenOff(STRANGE, "integrity");
const OLD_STAYS: Outcome = { ends: ["unavailable"], text: "given up after three tries (503); the old version stays" };
const STRANGE_OLD: Outcome = { ends: ["upstream"], text: "refused (502); the old version stays" };
const FORBIDDEN: Outcome = { ends: ["not_allowed"], text: "refused (403)" };
const FORBIDDEN_OLD: Outcome = { ends: ["not_allowed"], text: "refused (403); the old version stays" };
const OTHER_VERSION: Outcome = { ends: ["integrity"], text: "tried again, and refused as two versions (502)" };
const BROKEN_OFF: Outcome = {
  ends: ["broken off"],
  text: "noticed before the last piece: the answer is broken off, and nothing is kept",
};

/** In format v2 the answer may have begun by then. */
function orBrokenOff({ ends, text }: Outcome, ...others: string[]): Outcome {
  return { ends: [...ends, ...others, "broken off"], text: `${text}, or an answer that is broken off` };
}

type Outcomes = Readonly<Record<string, Outcome>>;

const LOADS = ["load (v1)", "load (v2)"];
const UPLOADS = ["upload (v1)", "upload (v2)"];

function all(names: readonly string[], outcome: Outcome): Outcomes {
  return Object.fromEntries(names.map((name) => [name, outcome]));
}

function loads(v1: Outcome, v2: Outcome): Outcomes {
  return { "load (v1)": v1, "load (v2)": v2 };
}

function cdn(text: string, fault: ServerFault, outcomes: Outcomes): MatrixFault<ServerFault> {
  return { text: `CDN: ${text}`, where: "cdn", fault, outcomes };
}

function header(name: string, change: (value: string) => string): (head: string) => string {
  const line = new RegExp(`^(${name}: )(.*)(\r)$`, "im");
  return (head) => head.replace(line, (_, before, value, after) => before + change(value) + after);
}

const slowDown = rawAnswer("503 Slow Down", [XML], "<Error><Code>SlowDown</Code></Error>");
let present: NetworkSite | undefined;

/** All of the object, whatever part of it was asked for. */
async function wholeObject(saying: Saying): Promise<void> {
  assert(present !== undefined);
  const [, path = ""] = saying.call.split(" ");
  const bytes = await Deno.readFile(join(present.s3.dataDir, new URL(path, "http://s3").pathname));
  const etag = `etag: "${createHash("md5").update(bytes).digest("hex")}"`;
  await rawAnswer("200 OK", [etag], bytes)(saying);
}

const FAULTS: readonly MatrixFault<ServerFault>[] = [
  cdn("503 SlowDown, once", { call: ANYTHING, times: 1, say: slowDown }, all([...LOADS, ...UPLOADS], AGAIN)),
  cdn("503 SlowDown", { call: ANYTHING, say: slowDown }, {
    ...loads(UNAVAILABLE, UNAVAILABLE_V2),
    ...all(UPLOADS, OLD_STAYS),
  }),
  cdn(
    "another ETag with the object than before",
    { call: READ, changeHead: header("etag", () => OTHER_MD5) },
    loads(OTHER_VERSION, DONE),
  ),
  cdn("a body shorter than its length, once", { call: READ, times: 1, keepBytes: 1_100_000 }, all(LOADS, GOES_ON)),
  cdn("all bodies shorter than their length", { call: READ, keepBytes: 20 }, loads(UNAVAILABLE, UNAVAILABLE_V2)),
  cdn("200 and all of the object when a range is asked for", { call: READ, say: wholeObject }, all(LOADS, DONE)),
  cdn("another range than was asked for", {
    call: READ,
    changeHead: header("content-range", (value) => value.replace(/\d+/, "1")),
  }, loads(STRANGE, STRANGE_V2)),
  cdn("another size in Content-Range", {
    call: READ,
    changeHead: header("content-range", (value) => value.replace(/\d+$/, "9999999")),
  }, loads(STRANGE, STRANGE_V2)),
  cdn("an object that is smaller than it was said", {
    call: LOOK,
    changeHead: header("content-length", (value) => String(Number(value) + 16)),
  }, { "load (v1)": UNAVAILABLE }),
  cdn("a checksum of other bytes", {
    call: LOOK,
    changeHead: header("x-amz-checksum-crc32", () => "AAAAAA=="),
  }, { "load (v1)": BROKEN_OFF }),
  cdn("a wrong ETag when it has taken something", {
    call: WRITE,
    changeHead: header("etag", () => OTHER_MD5),
  }, { "upload (v1)": STRANGE_OLD, "upload (v2)": DONE }),
  cdn("200 to a write, and no ETag", { call: WRITE, say: rawAnswer("200 OK") }, all(UPLOADS, STRANGE_OLD)),
  cdn("a web page with status 200", {
    call: ANYTHING,
    say: rawAnswer("200 OK", ["content-type: text/html"], "<html>Hello</html>"),
  }, { ...loads(STRANGE, STRANGE_V2), ...all(UPLOADS, STRANGE_OLD) }),
  cdn("403", { call: ANYTHING, say: rawAnswer("403 Forbidden", [XML], "<Error><Code>AccessDenied</Code></Error>") }, {
    ...loads(FORBIDDEN, orBrokenOff(FORBIDDEN)),
    ...all(UPLOADS, FORBIDDEN_OLD),
  }),
];

faultMatrix(FAULTS, {
  area: "server",
  front: hostileFront,
  operations: OPERATIONS,
  start: async () => present = await NetworkSite.start(versitygw ?? ""),
  ignore: versitygw === undefined,
});
