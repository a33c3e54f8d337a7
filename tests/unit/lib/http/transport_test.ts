import assert from "node:assert/strict";
import { join } from "node:path";
import { UnavailableError } from "../../../../lib/errors.ts";
import { type HttpClient, httpClient } from "../../../../lib/http/client.ts";
import { collect, streamOf } from "../../../../lib/streams.ts";
import { utf8 } from "../../../../lib/bytes.ts";
import { connectProxy } from "../../../support/connect_proxy.ts";
import { freePort } from "../../../support/free_port.ts";
import { peerPath } from "../../../support/peers.ts";
import { privateAuthority } from "../../../support/private_authority.ts";

const openssl = peerPath("openssl");
const NAMES = [
  ...["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"],
  ...["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"],
];

/** Sets the variables of the network for one test, and none besides. */
function network(variables: Readonly<Record<string, string>>): Disposable {
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of NAMES) Deno.env.delete(name);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    },
  };
}

/** A server that really speaks TLS with a certificate of an authority that nobody knows. */
async function startSite() {
  const authority = await privateAuthority(openssl ?? "");
  const { cert, key } = authority;
  const where = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve({ ...where, cert, key }, async (request) => new Response(`got ${await request.text()}`));
  return {
    authority,
    at: (host: string) => new URL(`https://${host}:${server.addr.port}/path?signature=s3cret`),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await authority[Symbol.asyncDispose]();
    },
  };
}

async function textAt(http: HttpClient, url: URL, request: Parameters<HttpClient>[1] = {}): Promise<string> {
  return new TextDecoder().decode(await collect((await http(url, request)).body, 1000));
}

/** Clients that the environment asks for are kept for the next call: nobody closes them here. */
function networkTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore: openssl === undefined, sanitizeResources: false, sanitizeOps: false });
}

networkTest(
  "httpClient() trusts the authorities of REQUESTS_CA_BUNDLE and of SSL_CERT_FILE, and else not",
  async () => {
    await using site = await startSite();
    for (const name of ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"]) {
      using _ = network({ [name]: site.authority.caFile });
      assert.equal(await textAt(httpClient("platform"), site.at("localhost")), "got ");
    }
    using _ = network({});
    await assert.rejects(httpClient("platform")(site.at("localhost")), UnavailableError);
    const link = join(site.authority.folder, "link.pem");
    await Deno.symlink(site.authority.caFile, link);
    using _link = network({ SSL_CERT_FILE: link });
    assert.equal(await textAt(httpClient("platform"), site.at("127.0.0.1")), "got ");
  },
);

networkTest("httpClient() says which file of authorities it cannot use", async () => {
  await using site = await startSite();
  const empty = join(site.authority.folder, "empty.pem");
  await Deno.writeTextFile(empty, "nothing");
  for (const path of [join(site.authority.folder, "missing.pem"), empty, site.authority.folder]) {
    using _ = network({ REQUESTS_CA_BUNDLE: path });
    await assert.rejects(httpClient("platform")(site.at("localhost")), (error: Error) => {
      assert.match(error.message, /^REQUESTS_CA_BUNDLE cannot be used: /);
      return true;
    });
  }
});

networkTest("httpClient() goes through the proxy of HTTPS_PROXY, with the account in its URL", async () => {
  await using site = await startSite();
  await using proxy = connectProxy({ account: "ada@x:p:w", hosts: { "platform.test": "127.0.0.1" } });
  const withAccount = new URL(proxy.url);
  withAccount.username = "ada@x";
  withAccount.password = "p:w";
  using _ = network({ HTTPS_PROXY: withAccount.href, SSL_CERT_FILE: site.authority.caFile });
  const http = httpClient("platform");
  const url = site.at("platform.test");
  assert.equal(await textAt(http, url), "got ");
  assert.equal(await textAt(http, url, { method: "POST", body: "text" }), "got text");
  assert.equal(await textAt(http, url, { method: "POST", body: streamOf(utf8("stream")) }), "got stream");
  assert.deepEqual([...new Set(proxy.asked)], [url.host]);
  assert.equal(proxy.asked.length, 1, "the connection is used again");
});

networkTest("httpClient() goes past the proxy for what NO_PROXY names, and for this machine", async () => {
  await using site = await startSite();
  await using proxy = connectProxy();
  const variables = { HTTPS_PROXY: proxy.url.href, SSL_CERT_FILE: site.authority.caFile };
  using _ = network({ ...variables, NO_PROXY: "*" });
  await assert.rejects(httpClient("platform")(site.at("platform.test")), UnavailableError); // nobody else knows the name
  using _none = network(variables);
  assert.equal(await textAt(httpClient("platform"), site.at("localhost")), "got ");
  assert.equal(await textAt(httpClient("platform"), site.at("127.0.0.1")), "got ");
  assert.deepEqual(proxy.asked, []);
  assert.equal(Deno.env.get("NO_PROXY"), undefined, "the environment is as it was");
});

networkTest(
  "httpClient() asks directly when the proxy is away or lets nobody through, and names both when that fails, too",
  async () => {
    await using site = await startSite();
    await using strict = connectProxy({ account: "ada:right" });
    const proxies = [`http://127.0.0.1:${freePort()}`, strict.url.href, `http://ada:wrong@${strict.url.host}`];
    for (const proxy of proxies) {
      using _ = network({ HTTPS_PROXY: proxy, SSL_CERT_FILE: site.authority.caFile });
      const http = httpClient("platform");
      assert.equal(await textAt(http, site.at("0.0.0.0"), { method: "POST", body: "once" }), "got once");
      await assert.rejects(http(site.at("platform.test")), (error: Error) => {
        assert.ok(error instanceof UnavailableError);
        const { host: proxyHost } = new URL(proxy);
        assert.equal(
          error.message,
          `The platform at ${
            site.at("platform.test").host
          } cannot be reached through the proxy ${proxyHost} or directly`,
        );
        return true;
      });
    }
  },
);
