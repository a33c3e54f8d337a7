import assert from "node:assert/strict";
import {
  ConfigurationError,
  ConflictError,
  type ErrorCode,
  InterruptedError,
  InvalidInputError,
  NotFoundError,
  TallyError,
  UpstreamError,
} from "../../../../lib/errors.ts";
import { clientOf } from "../../../support/platform_client.ts";
import { refusal, SmallPlatform, TOKEN } from "../../../support/small_platform.ts";
import { tcpServer } from "../../../support/tcp_server.ts";
import { testClock } from "../../../support/test_clock.ts";

async function rejection(promise: Promise<unknown>): Promise<TallyError> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof TallyError, `expected a TallyError, got ${error}`);
  return error;
}

/** Answers the first `count` requests in place of the platform. */
function answersFirst(platform: SmallPlatform, count: number, answer: () => Response): void {
  platform.intercept = () => count-- > 0 ? answer() : undefined;
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_input",
  401: "not_signed_in",
  402: "not_allowed",
  403: "not_allowed",
  404: "not_found",
  409: "conflict",
  410: "not_found",
  412: "conflict",
  418: "upstream",
  422: "invalid_input",
  429: "rate_limited",
  500: "unavailable",
  503: "unavailable",
};

for (const [status, code] of Object.entries(CODES).map(([text, code]) => [Number(text), code] as const)) {
  Deno.test(`PlatformApi turns status ${status} into ${code}, with the server's words and without the token`, async () => {
    await using platform = new SmallPlatform();
    platform.intercept = () => refusal(status, "The reason\nof the server");
    const error = await rejection(clientOf(platform).me());
    assert.equal(error.code, code);
    assert.ok(error.message.includes(platform.url.host));
    if (status < 500) assert.match(error.message, /The reason of the server|is asked too often/);
    assert.ok(!error.message.includes(TOKEN));
  });
}

Deno.test("PlatformApi says which field a 422 is about, and does not repeat what was sent", async () => {
  await using platform = new SmallPlatform();
  platform.intercept = () =>
    refusal(422, [{ loc: ["body", "items", 0, "external_id"], msg: "Too long", type: "x", input: "secret input" }]);
  const error = await rejection(clientOf(platform).me());
  assert.ok(error instanceof InvalidInputError);
  assert.equal(error.field, "items.0.external_id");
  assert.match(error.message, /items\.0\.external_id: Too long/);
  assert.ok(!error.message.includes("secret input"));
});

Deno.test("PlatformApi tells a stale checksum by its reason", async () => {
  await using platform = new SmallPlatform();
  platform.intercept = () => refusal(412, "no");
  const error = await rejection(clientOf(platform).me());
  assert.ok(error instanceof ConflictError);
  assert.equal(error.reason, "stale_checksum");
});

Deno.test("PlatformApi repeats a read on 5xx up to four times in all, with growing pauses", async () => {
  await using platform = new SmallPlatform();
  const clock = testClock();
  answersFirst(platform, 3, () => refusal(502, "x"));
  assert.equal((await clientOf(platform, { clock }).me()).user.name, "Ada");
  assert.equal(platform.requests.length, 4);
  assert.equal(clock.sleeps.length, 3);
  for (const [index, sleepMs] of clock.sleeps.entries()) assert.ok(sleepMs <= 1100 * 2 ** index, String(sleepMs));

  platform.requests.length = 0;
  answersFirst(platform, 9, () => refusal(500, "x"));
  assert.equal((await rejection(clientOf(platform).me())).code, "unavailable");
  assert.equal(platform.requests.length, 4);
});

Deno.test("PlatformApi waits as long as Retry-After asks, in seconds or as a date, for 429 and 503", async () => {
  await using platform = new SmallPlatform();
  for (const status of [429, 503]) {
    for (const asked of ["7", undefined]) {
      const clock = testClock();
      const date = new Date(clock.now() + 7000).toUTCString();
      answersFirst(platform, 1, () => refusal(status, "x", { "retry-after": asked ?? date }));
      await clientOf(platform, { clock }).me();
      assert.deepEqual(clock.sleeps, [7000]);
    }
  }
});

Deno.test("PlatformApi does not wait longer than its settings allow, whatever Retry-After asks", async () => {
  await using platform = new SmallPlatform();
  const clock = testClock();
  answersFirst(platform, 1, () => refusal(503, "x", { "retry-after": "99999999" }));
  await clientOf(platform, { clock }).me();
  assert.deepEqual(clock.sleeps, [60_000]);
});

Deno.test("PlatformApi repeats no write", async () => {
  await using platform = new SmallPlatform();
  const { runId } = platform.add();
  platform.intercept = () => refusal(503, "x");
  await rejection(clientOf(platform).run(runId).cancel());
  await rejection(clientOf(platform).run(runId).updateCustomMetadata({}));
  assert.equal(platform.requests.length, 2);
});

Deno.test("PlatformApi repeats a read whose answer breaks off in its middle", async () => {
  let calls = 0;
  await using server = tcpServer(async ({ send }) => {
    await send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
    calls++;
  });
  await using platform = new SmallPlatform();
  const client = clientOf(platform, { settings: { AIGNOSTICS_API_ROOT: server.url.href } });
  assert.equal((await rejection(client.me())).code, "unavailable");
  assert.equal(calls, 4);
});

Deno.test("PlatformApi ends a silent call after the time of its settings", async () => {
  await using silent = tcpServer(({ clientGone }) => clientGone());
  await using platform = new SmallPlatform();
  const settings = { AIGNOSTICS_API_ROOT: silent.url.href, AIGNOSTICS_ME_TIMEOUT: "0.1" };
  assert.equal((await rejection(clientOf(platform, { settings }).me())).code, "timeout");
});

Deno.test("PlatformApi ends with its signal, also in a pause", async () => {
  await using platform = new SmallPlatform();
  const stop = new AbortController();
  const clock = testClock(() => stop.abort(new InterruptedError()));
  answersFirst(platform, 9, () => refusal(503, "x"));
  const error = await rejection(clientOf(platform, { clock }).me({ signal: stop.signal }));
  assert.ok(error instanceof InterruptedError || error.code === "unavailable");
  assert.ok(platform.requests.length <= 2);
});

const STRANGE: Readonly<Record<string, () => Response>> = {
  "a web page": () => new Response("<html>", { headers: { "content-type": "text/html; charset=utf-8" } }),
  "no JSON": () => new Response("{", { headers: { "content-type": "application/json" } }),
  "another document": () => Response.json({ user: { id: 1 } }),
  "nothing": () => new Response(null),
};

for (const [what, answer] of Object.entries(STRANGE)) {
  Deno.test(`PlatformApi does not take ${what} for an answer`, async () => {
    await using platform = new SmallPlatform();
    platform.intercept = () => answer();
    assert.ok(await rejection(clientOf(platform).me()) instanceof UpstreamError);
    assert.equal(platform.requests.length, 1);
  });
}

Deno.test("PlatformApi follows no redirect: its token stays with its server", async () => {
  await using other = new SmallPlatform();
  await using platform = new SmallPlatform();
  platform.intercept = () => Response.redirect(new URL("api/v1/me", other.url), 307);
  assert.ok(await rejection(clientOf(platform).me()) instanceof UpstreamError);
  assert.deepEqual(other.requests, []);
});

Deno.test("PlatformApi encodes ids and query values, also where they repeat", async () => {
  await using platform = new SmallPlatform();
  platform.intercept = () => Response.json([]);
  const run = clientOf(platform).run("a/../b?c#d", { shareToken: "s&t=u" });
  const filter = { externalIds: ["x&y=1", "ä+b#c", "100%"], sort: ["-external_id", "+state"], pageSize: 5 };
  await Array.fromAsync(run.results(filter));
  await rejection(run.item("slides/one.tiff"));
  const [items = "", item = ""] = platform.requests.map(({ target }) => target);
  assert.ok(items.startsWith("/api/v1/runs/a%2F..%2Fb%3Fc%23d/items?"), items);
  const query = new URLSearchParams(items.split("?")[1]);
  assert.deepEqual(query.getAll("external_id__in"), filter.externalIds);
  assert.deepEqual(query.getAll("sort"), filter.sort);
  assert.equal(query.get("share_token"), "s&t=u");
  assert.ok(item.startsWith("/api/v1/runs/a%2F..%2Fb%3Fc%23d/items/slides%2Fone.tiff?"), item);
});

Deno.test("PlatformApi takes no id that would become another path", async () => {
  await using platform = new SmallPlatform();
  for (const id of ["", ".", ".."]) {
    assert.ok(await rejection(clientOf(platform).run(id).details()) instanceof InvalidInputError);
  }
  assert.deepEqual(platform.requests, []);
});

Deno.test("PlatformApi asks for a token for each request, sends none that is empty, and none with a line break", async () => {
  await using platform = new SmallPlatform();
  const tokens = [TOKEN, "", "a\r\nx-evil: 1"];
  const client = clientOf(platform, { tokenProvider: () => Promise.resolve(tokens.shift() ?? "") });
  await client.me();
  assert.equal((await rejection(client.me({ nocache: true }))).code, "not_signed_in");
  assert.ok(!platform.requests[1]?.headers.has("authorization"));
  const error = await rejection(client.me({ nocache: true }));
  assert.ok(error instanceof ConfigurationError);
  assert.ok(!error.message.includes("evil"));
  assert.equal(platform.requests.length, 2);
});

Deno.test("PlatformApi reads from memory while an answer is fresh, for the same account only", async () => {
  await using platform = new SmallPlatform();
  const clock = testClock();
  let token = TOKEN;
  const client = clientOf(platform, { clock, tokenProvider: () => Promise.resolve(token) });
  await client.me();
  await client.me();
  assert.equal(platform.requests.length, 1);
  await client.me({ nocache: true });
  assert.equal(platform.requests.length, 2);
  clock.advance(300_000);
  await client.me();
  assert.equal(platform.requests.length, 3);
  token = "of-somebody-else";
  assert.equal((await rejection(client.me())).code, "not_signed_in");
});

Deno.test("PlatformApi forgets what it has read at every write, also at one that fails", async () => {
  await using platform = new SmallPlatform();
  const client = clientOf(platform);
  const run = client.run(platform.add().runId);
  assert.equal((await run.details()).state, "PENDING");
  await run.cancel();
  assert.equal((await run.details()).state, "TERMINATED");
  const before = platform.requests.length;
  await rejection(run.cancel());
  await run.details();
  assert.equal(platform.requests.length, before + 2);
});

Deno.test("PlatformApi waits 5 s for a run that is not found yet", async () => {
  await using platform = new SmallPlatform();
  const { runId } = platform.add();
  answersFirst(platform, 3, () => refusal(404, "lagging"));
  assert.equal((await clientOf(platform).run(runId).details()).run_id, runId);

  const clock = testClock();
  const unknown = clientOf(platform, { clock }).run(crypto.randomUUID());
  assert.ok(await rejection(unknown.details()) instanceof NotFoundError);
  assert.equal(clock.sleeps.reduce((sum, ms) => sum + ms, 0), 5000);
});

Deno.test("PlatformApi gives the address of a file only when it is safe to go there", async () => {
  await using platform = new SmallPlatform();
  const run = clientOf(platform).run("r");
  const answers = (status: number, location?: string) => {
    const headers: Record<string, string> = location === undefined ? {} : { location };
    platform.intercept = () => new Response(null, { status, headers });
  };
  for (const status of [301, 302, 303, 307, 308]) {
    answers(status, "https://storage.example/x?signature=1");
    assert.equal((await run.artifactUrl("a")).href, "https://storage.example/x?signature=1");
  }
  const bad = ["http://storage.example/x", "/relative", "file:///etc/passwd", "ftp://x", undefined];
  for (const location of bad) {
    answers(307, location);
    assert.ok(await rejection(run.artifactUrl("a")) instanceof UpstreamError, location);
  }
  answers(200, "https://storage.example/x");
  assert.ok(await rejection(run.artifactUrl("a")) instanceof UpstreamError);
});
