import { gzipSync } from "node:zlib";
import { faultMatrix, type MatrixFault, type Outcome } from "../support/fault_matrix.ts";
import { hostileFront, type ServerFault } from "../support/hostile_front.ts";
import { OPERATIONS } from "../support/network_attempt.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";
import { continueStorm, endlessAnswer, rawAnswer } from "../support/raw_answers.ts";

const versitygw = peerPath("versitygw");

/** The calls on which the operations depend. */
const CALLS = /^POST \/login|^POST \/resources\/|^(GET|POST) \/v2\/resources\//;
const YEAR_MS = 365 * 86_400_000;
const BOMB_BYTES = 200 * 1024 * 1024;
const HTML = "<!DOCTYPE html><title>Sign in to the hotel's network</title>";
const JSON_TYPE = "content-type: application/json";
const HTML_TYPE = "content-type: text/html; charset=utf-8";
const MANY_HEADERS = Array.from({ length: 3000 }, (_, index) => `x-${index}: ${"a".repeat(1000)}`);

const AGAIN: Outcome = { ends: ["done"], text: "tried again; done" };
const UNAVAILABLE: Outcome = { ends: ["unavailable"], text: "given up after three tries (503)" };
const OLD_STAYS: Outcome = { ends: ["unavailable"], text: "given up after three tries (503); the old version stays" };
const STRANGE: Outcome = { ends: ["upstream"], text: "refused (502)" };
const STRANGE_OLD: Outcome = { ends: ["upstream"], text: "refused (502); the old version stays" };
const DAMAGED: Outcome = { ends: ["integrity"], text: "refused as damaged (502)" };

function busy(seconds: number): Outcome {
  return { ends: [`rate_limited, ${seconds} s`], text: `given on at once: 429 with Retry-After: ${seconds}` };
}

type Outcomes = Readonly<Record<string, Outcome>>;

const READING = ["login", "load (v1)", "load (v2)"];
const UPLOADS = ["upload (v1)", "upload (v2)"];

function all(reading: Outcome, uploads: Outcome = reading): Outcomes {
  const pairs = [...READING.map((name) => [name, reading]), ...UPLOADS.map((name) => [name, uploads])];
  return Object.fromEntries(pairs);
}

/** What answers 200 to an upload in format v1 has taken it, as far as anybody can know. */
const WRONG_BODY: Outcomes = {
  ...{ login: STRANGE, "load (v1)": DAMAGED, "load (v2)": STRANGE },
  "upload (v2)": STRANGE_OLD,
};
const TOO_MUCH: Outcomes = { ...WRONG_BODY, "load (v1)": STRANGE };

function api(text: string, change: Omit<ServerFault, "call">, outcomes: Outcomes): MatrixFault<ServerFault> {
  return { text: `API: ${text}`, where: "api", fault: { call: CALLS, ...change }, outcomes };
}

const FAULTS: readonly MatrixFault<ServerFault>[] = [
  api("500, once", { times: 1, say: rawAnswer("500 Internal Server Error") }, all(AGAIN)),
  api("500", { say: rawAnswer("500 Internal Server Error") }, all(UNAVAILABLE, OLD_STAYS)),
  api("502 with a web page", { say: rawAnswer("502 Bad Gateway", [HTML_TYPE], HTML) }, all(UNAVAILABLE, OLD_STAYS)),
  api("429 with Retry-After: 7", { say: rawAnswer("429 Too Many Requests", ["retry-after: 7"]) }, all(busy(7))),
  api("429 with a date of next year in Retry-After", {
    say: rawAnswer("429 Too Many Requests", [`retry-after: ${new Date(Date.now() + YEAR_MS).toUTCString()}`]),
  }, all(busy(3600))),
  api("503 with Retry-After: 1, once", {
    times: 1,
    say: rawAnswer("503 Service Unavailable", ["retry-after: 1"]),
  }, all(AGAIN)),
  api("a web page with status 200", { say: rawAnswer("200 OK", [HTML_TYPE], HTML) }, all(STRANGE, STRANGE_OLD)),
  api("JSON that ends early", { say: rawAnswer("200 OK", [JSON_TYPE], '{"token": "eyJh') }, WRONG_BODY),
  api("JSON of another shape", { say: rawAnswer("200 OK", [JSON_TYPE], '{"tokens": [1]}') }, WRONG_BODY),
  api("200 with an empty body", { say: rawAnswer("200 OK") }, WRONG_BODY),
  api("3 MB of headers", { say: rawAnswer("200 OK", MANY_HEADERS) }, all(UNAVAILABLE, OLD_STAYS)),
  api("a body without end", { say: endlessAnswer }, TOO_MUCH),
  api("200 MiB packed into 200 KiB", {
    say: rawAnswer(
      "200 OK",
      [JSON_TYPE, "content-encoding: gzip"],
      new Uint8Array(gzipSync(new Uint8Array(BOMB_BYTES))),
    ),
  }, TOO_MUCH),
  api("100 Continue, 100,000 times", { say: continueStorm }, all(UNAVAILABLE, OLD_STAYS)),
];

faultMatrix(FAULTS, {
  area: "server",
  front: hostileFront,
  operations: OPERATIONS,
  start: () => NetworkSite.start(versitygw ?? ""),
  ignore: versitygw === undefined,
});
