import assert from "node:assert/strict";
import { faultTest } from "../support/fault_test.ts";
import { afterAll, type Answer, says, saysForEver, strangeEngine, thenHangs } from "../support/strange_engine.ts";
import { UnlockSite } from "../support/unlock_site.ts";

const MIB = 1024 * 1024;
const MEMORY_LIMIT_BYTES = 96 * MIB;
const JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const CHUNKED = `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const LINE = '{"status":"Loading layer"}\n';
const UNREACHABLE = /^The Docker engine cannot be reached: unix:\/\/\S+ does not answer, or broke the connection off$/;
const TOO_MUCH = /^The Docker engine says more than 32 MiB to one load$/;
const NO_JSON = /^The Docker engine does not answer in JSON$/;
const NOT_UNDERSTOOD = /^The Docker engine answers in a form that is not understood$/;

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** What is said of the images, and what a person reads then. */
const LISTS: Readonly<Record<string, readonly [Answer, RegExp]>> = {
  "garbage": [says("\x00\x01garbage\r\n\r\n"), UNREACHABLE],
  "nothing": [says(""), UNREACHABLE],
  "half a head": [says("HTTP/1.1 200 OK\r\nContent-"), UNREACHABLE],
  "half of its JSON": [says(`${JSON_HEAD}Content-Length: 100\r\n\r\n[{"RepoTags":`), UNREACHABLE],
  "half of its JSON, as if it were whole": [says(`${JSON_HEAD}Content-Length: 13\r\n\r\n[{"RepoTags":`), NO_JSON],
  "JSON of another form": [says(`${JSON_HEAD}Content-Length: 18\r\n\r\n[{"RepoTags":"x"}]`), NOT_UNDERSTOOD],
  "a page of HTML": [says("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"), NO_JSON],
  "3 MB of headers": [says(`${JSON_HEAD}${"X-Filling: 0123456789\r\n".repeat(140_000)}\r\n[]`), UNREACHABLE],
  "headers without an end": [saysForEver(JSON_HEAD, "X-Filling: 0123456789\r\n"), UNREACHABLE],
  "JSON without an end": [
    saysForEver(`${JSON_HEAD}\r\n[`, '{"RepoTags":["a:1"]},'),
    /^The answer of the Docker engine is larger than 4194304 bytes$/,
  ],
};

/** What is said to a load, and what a person reads then. */
const LOADS: Readonly<Record<string, readonly [Answer, RegExp]>> = {
  "nothing": [says(""), UNREACHABLE],
  "garbage": [afterAll(says(`${CHUNKED}${chunk("\x00\x01garbage\n")}0\r\n\r\n`)), NO_JSON],
  "half a line": [afterAll(says(`${CHUNKED}${chunk(`${LINE}{"stre`)}0\r\n\r\n`)), NO_JSON],
  "half of its lines": [afterAll(says(`${CHUNKED}${chunk(LINE)}`)), UNREACHABLE],
  "that it is done, before it is": [
    thenHangs(says(`${CHUNKED}${chunk(LINE)}0\r\n\r\n`)),
    /^The Docker engine refused: it did not read the archive to its end$/,
  ],
  "that it has done all, and has not": [
    afterAll(says(`${CHUNKED}${chunk(LINE)}0\r\n\r\n`)),
    /^The Docker engine loaded the archive, but lacks "azaion\/annotations:1\.4\.2" and "azaion\/detections:1\.4\.2"$/,
  ],
  "status 500 in HTML": [
    afterAll(says("HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\n<html></html>")),
    NO_JSON,
  ],
  "a line without an end": [afterAll(saysForEver(`${JSON_HEAD}\r\n{"stream":"`, "x")), TOO_MUCH],
  "lines without an end": [afterAll(saysForEver(`${JSON_HEAD}\r\n`, `{"stream":"${"x".repeat(4000)}"}\n`)), TOO_MUCH],
};

/** Unlocks, and compares what comes of it; memory stays bounded. */
async function fails(site: UnlockSite, what: string, sentence: RegExp): Promise<void> {
  const before = Deno.memoryUsage().rss;
  await site.ask();
  const { state, code, error } = await site.settled();
  assert.equal(state, "error", what);
  assert.match(error ?? "", sentence, what);
  assert.equal(code, "docker", what);
  const grown = Deno.memoryUsage().rss - before;
  assert.ok(grown < MEMORY_LIMIT_BYTES, `${what}: ${grown} bytes more`);
}

faultTest({
  area: "docker",
  operation: "unlock",
  fault:
    "what listens on the engine's socket answers with garbage, half of its JSON, 3 MB of headers or without an end",
  outcome: "state error with one sentence; memory stays bounded",
}, async (t) => {
  await using engine = await strangeEngine();
  await using site = await UnlockSite.start(engine);
  for (const [what, [list, sentence]] of Object.entries(LISTS)) {
    engine.list = list;
    await t.step(what, () => fails(site, what, sentence));
  }
});

faultTest({
  area: "docker",
  operation: "unlock, while the archive is loaded",
  fault: "the engine answers with garbage, half of its lines, or without an end",
  outcome: "state error with one sentence; memory stays bounded",
}, async (t) => {
  await using engine = await strangeEngine();
  await using site = await UnlockSite.start({ ...engine, payloadBytes: 4 * MIB });
  for (const [what, [load, sentence]] of Object.entries(LOADS)) {
    engine.load = load;
    await t.step(what, () => fails(site, what, sentence));
  }
});
