import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { faultTest } from "../support/fault_test.ts";
import { writeAll } from "../support/raw_http.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { UnlockSite } from "../support/unlock_site.ts";

const MIB = 1024 * 1024;
const MEMORY_LIMIT_BYTES = 96 * MIB;
const JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const EMPTY_LIST = `${JSON_HEAD}Content-Length: 2\r\n\r\n[]`;

/** Writes an answer to a request; the connection is closed then. `over` resolves when the engine is disposed of. */
type Answer = (connection: Deno.Conn, over: Promise<void>) => Promise<void>;

/** What listens on the engine's socket, and is none: it says what a test wants, byte by byte. */
interface StrangeEngine extends AsyncDisposable {
  readonly dockerHost: string;
  /** What is said of the list of images. */
  list: Answer;
  /** What is said to a load. */
  load: Answer;
}

async function strangeEngine(): Promise<StrangeEngine> {
  const folder = await tempFolder();
  const path = join(folder.path, "docker.sock");
  const listener = Deno.listen({ transport: "unix", path });
  const open = new Set<Deno.Conn>();
  const over = Promise.withResolvers<void>();
  const close = (connection: Deno.Conn) => {
    if (open.delete(connection)) connection.close();
  };
  const talk = async (connection: Deno.Conn) => {
    open.add(connection);
    try {
      const head = await headOf(connection);
      await (/images\/load/.test(head) ? engine.load : engine.list)(connection, over.promise);
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      close(connection);
    }
  };
  const talks: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) talks.push(talk(connection));
  })();
  const engine: StrangeEngine = {
    dockerHost: `unix://${path}`,
    list: says(EMPTY_LIST),
    load: says(""),
    async [Symbol.asyncDispose]() {
      listener.close();
      over.resolve();
      for (const connection of open) close(connection);
      await accepting;
      await Promise.all(talks);
      await folder[Symbol.asyncDispose]();
    },
  };
  return engine;
}

async function headOf(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const size = await connection.read(buffer);
    if (size === null) break;
    head += new TextDecoder("latin1").decode(buffer.subarray(0, size));
  }
  return head;
}

function isGone(error: unknown): boolean {
  return [Deno.errors.BrokenPipe, Deno.errors.ConnectionReset, Deno.errors.BadResource, Deno.errors.Interrupted]
    .some((kind) => error instanceof kind);
}

function says(text: string): Answer {
  return (connection) => writeAll(connection, utf8(text));
}

/** Says something without an end, until the other side goes. */
function saysForEver(head: string, piece: string): Answer {
  const bytes = utf8(piece.repeat(Math.ceil(64 * 1024 / piece.length)));
  return async (connection) => {
    await writeAll(connection, utf8(head));
    for (;;) await writeAll(connection, bytes.slice());
  };
}

/** The same after all of the archive has come. */
function afterAll(answer: Answer): Answer {
  return async (connection, over) => {
    const buffer = new Uint8Array(256 * 1024);
    for (let end = ""; !end.endsWith("0\r\n\r\n");) {
      const size = await connection.read(buffer);
      if (size === null) return;
      end = new TextDecoder("latin1").decode(buffer.subarray(Math.max(0, size - 5), size));
    }
    await answer(connection, over);
  };
}

/** The same, and then neither a word nor an end; nothing is read. */
function thenHangs(answer: Answer): Answer {
  return async (connection, over) => {
    await answer(connection, over);
    await over;
  };
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

const CHUNKED = `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const LINE = '{"status":"Loading layer"}\n';
const UNREACHABLE = /^The Docker engine cannot be reached: unix:\/\/\S+ does not answer, or broke the connection off$/;
const TOO_MUCH = /^The Docker engine says more than 32 MiB to one load$/;
const NO_JSON = /^The Docker engine does not answer in JSON$/;
const NOT_UNDERSTOOD = /^The Docker engine answers in a form that is not understood$/;

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
