import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { bridge, type NodeProgram, type NodeRequest } from "../../../../origin/oidc/node_bridge.ts";
import { keystream } from "../../../support/keystream.ts";

const NEVER = new AbortController().signal;

function bridged(init: RequestInit & { body?: Bytes } = {}, publicUrl = "https://origin.example.com/base") {
  const body = init.body ?? utf8("");
  const request = new Request("http://127.0.0.1:1/path?query=1", { method: "POST", ...init });
  return { request, body, target: "/path?query=1", publicUrl: new URL(publicUrl), client: "192.0.2.7" };
}

/** Answers with what it was told. */
const mirror: NodeProgram = {
  async handle(request: NodeRequest, response) {
    const { method, url, originalUrl, headers, socket } = request;
    response.statusCode = 201;
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Content-Length", 5).removeHeader("content-length");
    response.end(JSON.stringify({ method, url, originalUrl, headers, socket, body: await text(request) }));
  },
};

Deno.test("bridge() tells the program its request, and where it is reached from the settings alone", async () => {
  const headers = {
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "http",
    host: "evil.example",
    accept: "x",
  };
  const response = await bridge(bridged({ headers, body: utf8("a=1") }), mirror, NEVER);
  assert.equal(response.status, 201);
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  assert.deepEqual(await response.json(), {
    method: "POST",
    url: "/path?query=1",
    originalUrl: "/base/path?query=1",
    headers: {
      accept: "x",
      "content-length": "3",
      host: "origin.example.com",
    },
    socket: { encrypted: true, remoteAddress: "192.0.2.7" },
    body: "a=1",
  });
});

Deno.test("bridge() keeps the body of an answer byte by byte, written in one piece or several, and none", async () => {
  const bytes = keystream("answer", 100_000);
  const inPieces: NodeProgram = {
    handle: (_request, response) => {
      response.write(bytes.subarray(0, 3));
      response.write(bytes.subarray(3, 70_000));
      response.end(bytes.subarray(70_000));
      return Promise.resolve();
    },
  };
  assert.deepEqual(new Uint8Array(await (await bridge(bridged(), inPieces, NEVER)).arrayBuffer()), bytes);
  const empty: NodeProgram = { handle: (_request, response) => Promise.resolve(void response.end()) };
  const response = await bridge(bridged(), empty, NEVER);
  assert.deepEqual([response.status, response.body], [404, null]);
});

Deno.test("bridge() fails with the program, and ends with its signal", async () => {
  const broken: NodeProgram = { handle: () => Promise.reject(new Error("broken")) };
  await assert.rejects(bridge(bridged(), broken, NEVER), /broken/);
  const silent: NodeProgram = { handle: () => new Promise(() => {}) };
  const stop = new AbortController();
  const waiting = bridge(bridged(), silent, stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(bridge(bridged(), mirror, stop.signal), /stopped/);
});
