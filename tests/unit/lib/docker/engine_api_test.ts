import assert from "node:assert/strict";
import type { RemovingEngine } from "../../../../lib/docker/docker.ts";
import { engineApi } from "../../../../lib/docker/engine_api.ts";
import { scratchArchive } from "../../../../lib/docker/scratch_archive.ts";
import { DockerError, IntegrityError, InterruptedError } from "../../../../lib/errors.ts";
import { type ByteStream, byteStream, joinStreams } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { type Conversation, type TcpServer, tcpServer } from "../../../support/tcp_server.ts";

const LAST_CHUNK = "\r\n0\r\n\r\n";

function connect({ url }: TcpServer): RemovingEngine {
  return engineApi({ dockerHost: `tcp://${url.host}`, answerLimitMs: 1000 });
}

function archive(): ByteStream {
  return scratchArchive({ references: ["azaion/one:7"], architecture: "arm64" });
}

/** Two pieces of an archive, and then `end`. */
function piecesThen(end: () => Promise<undefined>): ByteStream {
  const pieces = [keystream("first", 1000), keystream("second", 1000)];
  return byteStream(async () => pieces.shift() ?? await end());
}

function head(status: number, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join("")}connection: close\r\n`;
}

/** A server that answers every call with this text as its body. */
function answering(status: number, body: string, headers?: Readonly<Record<string, string>>): TcpServer {
  return tcpServer(({ send }) => send(`${head(status, headers)}content-length: ${body.length}\r\n\r\n${body}`));
}

/** A server that reads the whole archive and then says this. */
function loading(...lines: readonly string[]): TcpServer {
  return loadingThen(({ send }) => {
    const body = lines.join("\n");
    return send(`${head(200)}content-length: ${body.length}\r\n\r\n${body}`);
  });
}

function loadingThen(answer: (conversation: Conversation) => Promise<void>): TcpServer {
  return tcpServer(async (conversation) => {
    await conversation.received(LAST_CHUNK);
    await answer(conversation);
  });
}

/** What the engine has seen of a load when the connection was over. `begun` says that it has seen the first of it. */
async function sentBy(load: (images: RemovingEngine, begun: Promise<void>) => Promise<void>): Promise<string> {
  const begun = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<string>();
  await using server = tcpServer(async ({ received }, head) => {
    begun.resolve();
    sent.resolve(head + await received(LAST_CHUNK));
  });
  await load(connect(server), begun.promise);
  return await sent.promise;
}

Deno.test("engineApi() breaks the connection when the archive fails: the engine sees no orderly end", async () => {
  const failure = new IntegrityError("wrong padding");
  const sent = await sentBy(async (images, begun) => {
    const failing = piecesThen(async () => {
      await begun;
      throw failure;
    });
    await assert.rejects(images.load(failing), failure);
  });
  assert.match(sent, /^POST \/images\/load\?quiet=0 /);
  assert.ok(!sent.includes(LAST_CHUNK), sent.slice(-100));
});

Deno.test("engineApi() breaks the connection when a load is aborted, and gives the archive up", async () => {
  let isGivenUp = false;
  const hanging = byteStream(() => new Promise(() => {}), () => void (isGivenUp = true));
  const sent = await sentBy(async (images, begun) => {
    const stop = new AbortController();
    const loading = images.load(joinStreams(keystream("first", 1000), hanging), { signal: stop.signal });
    begun.then(() => stop.abort());
    await assert.rejects(loading, InterruptedError);
  });
  assert.match(sent, /^POST /);
  assert.ok(!sent.includes(LAST_CHUNK), sent.slice(-100));
  assert.ok(isGivenUp);
});

Deno.test("engineApi() hands the lines of a load on", async () => {
  await using server = loading(
    '{"status":"Loading layer","progressDetail":{"current":1,"total":2},"progress":"[=> ] 1B/2B","id":"cfbb"}',
    '{"status":"Loading layer","progressDetail":{},"id":"cfbb"}',
    '{"stream":"Loaded image: azaion/one:7\\n"}',
    '{"stream":"\\n"}',
  );
  const lines: string[] = [];
  await connect(server).load(archive(), { onMessage: (line) => void lines.push(line) });
  assert.deepEqual(lines, [
    "Loading layer cfbb (1 of 2 bytes)",
    "Loading layer cfbb",
    "Loaded image: azaion/one:7",
  ]);
});

Deno.test("engineApi() takes a line with an error for a failure, although the status is 200", async () => {
  const error = "open /var/lib/docker/tmp/docker-import-123/blobs/json: no such file\\nmore";
  await using server = loading(
    '{"stream":"Loaded image: azaion/one:7\\n"}',
    `{"errorDetail":{"message":"${error}"},"error":"${error}"}`,
  );
  await assert.rejects(
    connect(server).load(archive()),
    new DockerError("The Docker engine refused: open blobs/json: no such file"),
  );
});

Deno.test("engineApi() refuses an answer to a load that is cut off, no JSON, or too early", async () => {
  const cut = loadingThen(({ send }) => send(`${head(200)}content-length: 1000\r\n\r\n{"stream":"Load`));
  const early = answering(200, '{"stream":"Loaded image: azaion/one:7"}');
  const servers: readonly [TcpServer, ByteStream, RegExp][] = [
    [cut, archive(), /^The Docker engine cannot be reached: .* broke the connection off$/],
    [loading("Loaded image"), archive(), /^The Docker engine does not answer in JSON$/],
    [loading('{"error":1}'), archive(), /^The Docker engine answers in a form that is not understood$/],
    [early, piecesThen(() => new Promise(() => {})), /did not read the archive to its end$|broke the connection off$/],
  ];
  for (const [server, sent, message] of servers) {
    await using _ = server;
    await assert.rejects(connect(server).load(sent), { name: "DockerError", message });
  }
});

Deno.test("engineApi() tells in one sentence what the engine refuses", async () => {
  await using server = answering(500, '{"message":"driver failed:\\n * one\\n * two"}');
  const refused = new DockerError("The Docker engine refused: driver failed");
  await assert.rejects(connect(server).list(), refused);
  await assert.rejects(connect(server).inspect("azaion/one:7"), refused);
  await assert.rejects(connect(server).remove(["azaion/one:7"]), refused);
  await using nameless = answering(418, "{}");
  await assert.rejects(connect(nameless).version(), new DockerError("The Docker engine refused: status 418"));
});

Deno.test("engineApi() refuses answers that are no engine's", async () => {
  const answers = ["not JSON", '{"Version":7}', "[]", `"${"x".repeat(5 * 1024 * 1024)}"`];
  for (const body of answers) {
    await using server = answering(200, body);
    await assert.rejects(connect(server).version(), DockerError);
  }
  await using elsewhere = answering(302, "", { location: "http://127.0.0.1:1/" });
  await assert.rejects(connect(elsewhere).version(), DockerError);
});

Deno.test("engineApi() gives up on an engine that does not answer", async () => {
  await using server = tcpServer(({ clientGone }) => clientGone());
  await assert.rejects(connect(server).list(), new DockerError("The Docker engine did not answer within 1 seconds"));
});

Deno.test("engineApi() leaves the registry localhost alone, but for Podman, which puts it before every short name", async () => {
  const images = '[{"RepoTags":["localhost/azaion/one:7","<none>:<none>"]},{"RepoTags":null}]';
  await using docker = answering(200, images, { server: "Docker/20.10.24 (linux)" });
  assert.deepEqual(await connect(docker).list(), ["localhost/azaion/one:7"]);
  await using podman = answering(200, images, { server: "Libpod/4.3.1 (linux)" });
  assert.deepEqual(await connect(podman).list(), ["azaion/one:7"]);
});

Deno.test("engineApi() puts a name into the path as one word", async () => {
  const calls: string[] = [];
  await using server = tcpServer(async ({ send }, head) => {
    calls.push(head.split(" HTTP")[0] ?? "");
    await send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n[]");
  });
  await connect(server).remove(["azaion/one:7", "../containers?all=1"]);
  assert.deepEqual(calls, ["DELETE /images/azaion%2Fone%3A7", "DELETE /images/..%2Fcontainers%3Fall%3D1"]);
});
