import assert from "node:assert/strict";
import { inputFetch } from "../../origin/platform/input_fetch.ts";
import { ItemInputError } from "../../origin/platform/processor.ts";
import { collect } from "../../lib/streams.ts";
import { OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser } from "../support/platform_site.ts";
import { testClock } from "../support/test_clock.ts";

const { signal } = new AbortController();
const LIMIT_BYTES = 1000;

/** A server on this machine that redirects, breaks off, and gives too much. */
class InputServer implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#answer(request),
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  #answer(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    this.asked.push(pathname);
    if (pathname === "/to") return redirect(decodeURIComponent(search.slice(1)));
    if (pathname === "/loop") return redirect("/loop");
    if (pathname === "/busy") return new Response(null, { status: 503 });
    if (pathname === "/busy-once") {
      const isFirst = this.asked.filter((path) => path === pathname).length === 1;
      return isFirst ? new Response(null, { status: 503 }) : new Response("content");
    }
    if (pathname === "/missing") return new Response(null, { status: 404 });
    if (pathname === "/large") return new Response("x".repeat(LIMIT_BYTES + 1));
    if (pathname === "/endless") return new Response(endless());
    return new Response("content");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } });
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100)) });
}

async function fetched(url: string, allowPrivate: boolean): Promise<string> {
  try {
    const body = await inputFetch({ allowPrivate, limitBytes: LIMIT_BYTES, clock: testClock() })(new URL(url), signal);
    return new TextDecoder().decode(await collect(body, 10 * LIMIT_BYTES));
  } catch (error) {
    if (error instanceof ItemInputError) return error.errorCode;
    throw error;
  }
}

Deno.test("inputFetch() reads what it may, and follows redirects to where it may", async () => {
  await using server = new InputServer();
  assert.equal(await fetched(`${server.url}/a`, true), "content");
  assert.equal(await fetched(`${server.url}/to?${encodeURIComponent(`${server.url}/a`)}`, true), "content");
  assert.equal(await fetched(`${server.url.replace("127.0.0.1", "localhost")}/a`, true), "content");
});

Deno.test("inputFetch() connects to no forbidden address, also not by a redirect or a name", async () => {
  await using server = new InputServer();
  const { port } = new URL(server.url);
  const closed = [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `[::1]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    `2130706433:${port}`,
  ];
  for (const host of closed) assert.equal(await fetched(`http://${host}/a`, false), "INPUT.ADDRESS_REFUSED", host);
  assert.deepEqual(server.asked, []);
  const forbidden = [
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/",
    "http://0.0.0.0/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
  ];
  for (const url of [...forbidden, `http://user:secret@127.0.0.1:${port}/`]) {
    assert.equal(await fetched(url, true), "INPUT.ADDRESS_REFUSED", url);
    assert.equal(await fetched(`${server.url}/to?${encodeURIComponent(url)}`, true), "INPUT.ADDRESS_REFUSED", url);
  }
  assert.ok(server.asked.every((path) => path === "/to"));
});

Deno.test("inputFetch() gives up at too many redirects, other answers, too many bytes and unknown hosts", async () => {
  await using server = new InputServer();
  assert.equal(await fetched(`${server.url}/loop`, true), "INPUT.NOT_FETCHED");
  assert.equal(server.asked.length, 6);
  assert.equal(await fetched(`${server.url}/missing`, true), "INPUT.NOT_FETCHED");
  assert.equal(await fetched(`${server.url}/busy`, true), "INPUT.NOT_FETCHED");
  assert.equal(await fetched(`${server.url}/busy-once`, true), "content");
  assert.deepEqual(
    server.asked.filter((path) => path.startsWith("/busy")).length,
    5,
    "a busy server is asked three times",
  );
  assert.equal(await fetched(`${server.url}/large`, true), "INPUT.TOO_LARGE");
  assert.equal(await fetched(`${server.url}/endless`, true), "INPUT.TOO_LARGE");
  assert.equal(await fetched("http://nowhere.invalid/", true), "INPUT.NOT_FETCHED");
  assert.equal(await fetched("http://127.0.0.1:1/", true), "INPUT.NOT_FETCHED");
});

Deno.test("items whose input cannot be read, or has another checksum, end as errors of their submitter", async () => {
  await using server = new InputServer();
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const good = await user.upload("123456789");
  const expired = good.replace(/expires=\d+/, "expires=1");
  const { download_url: never } = await user.json<{ download_url: string }>("POST", "/inputs");
  const runId = await user.submit([
    checksumItem("private", `${server.url}/a`),
    checksumItem("wrong", good, { checksum_base64_crc32c: "AAAAAA==" }),
    checksumItem("right", good, { checksum_base64_crc32c: "4waSgw==" }),
    checksumItem("expired", expired),
    checksumItem("never sent", never),
    checksumItem("forged", good.replace("_inputs", "_outputs")),
  ]);
  const { termination_reason, output, statistics } = await user.ended(runId);
  assert.deepEqual([termination_reason, output, statistics.item_user_error_count], [
    "ALL_ITEMS_PROCESSED",
    "PARTIAL",
    5,
  ]);
  const ends = Object.fromEntries((await user.items(runId)).map((item) => [item.external_id, item.error_code]));
  assert.deepEqual(ends, {
    "private": "INPUT.ADDRESS_REFUSED",
    "wrong": "INPUT.CHECKSUM_MISMATCH",
    "right": null,
    "expired": "INPUT.NOT_FETCHED",
    "never sent": "INPUT.NOT_FETCHED",
    "forged": "INPUT.NOT_FETCHED",
  });
  assert.deepEqual(server.asked, []);
});

Deno.test("an origin that may read private networks reads inputs of this machine", async () => {
  await using server = new InputServer();
  await using site = await OriginSite.start({ platform: { parallelism: 1, allowPrivateInputs: true } });
  const user = await PlatformUser.administrator(site);
  const run = await user.ended(await user.submit([checksumItem("a", `${server.url}/to?/a`)]));
  assert.equal(run.output, "FULL");
});
