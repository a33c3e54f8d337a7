import assert from "node:assert/strict";
import { findIssuer, type Issuer } from "../../../../lib/auth/issuer.ts";
import { utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError, UnavailableError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { streamOf } from "../../../../lib/streams.ts";
import { freePort } from "../../../support/free_port.ts";
import { settingsFrom, TestIssuer } from "../../../support/test_issuer.ts";

const { signal } = new AbortController();

function find(variables: Record<string, string>): Promise<Issuer> {
  return findIssuer(settingsFrom(variables), { http: httpClient("issuer"), signal });
}

/** A server that says of an issuer what a test wants. */
function metadataServer(metadataAt: (url: URL) => unknown) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const asked = new URL(request.url);
    const isMetadata = asked.pathname.startsWith("/.well-known/openid-configuration");
    return isMetadata ? Response.json(metadataAt(asked)) : new Response(null, { status: 404 });
  });
  return {
    url: new URL(`http://127.0.0.1:${server.addr.port}/`),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function metadataOf(issuer: URL, more: Record<string, unknown> = {}) {
  return {
    issuer: issuer.href,
    authorization_endpoint: new URL("a", issuer),
    token_endpoint: new URL("t", issuer),
    jwks_uri: new URL("j", issuer),
    ...more,
  };
}

Deno.test("findIssuer() asks nobody for what is known or set", async () => {
  const { server, names, algorithms, clientIdDevice } = await find({ AIGNOSTICS_API_ROOT: "staging" });
  assert.equal(server.token_endpoint, "https://aignostics-platform-staging.eu.auth0.com/oauth/token");
  assert.equal(server.revocation_endpoint, "https://aignostics-platform-staging.eu.auth0.com/oauth/revoke");
  assert.ok(names.includes("https://aignostics-platform-staging.eu.auth0.com/"));
  assert.deepEqual(algorithms, ["RS256"]);
  assert.equal(clientIdDevice, undefined);
  const nobody = `http://127.0.0.1:${freePort()}`;
  const given = await find({
    AIGNOSTICS_API_ROOT: nobody,
    AIGNOSTICS_AUDIENCE: "https://audience.test",
    AIGNOSTICS_AUTHORIZATION_BASE_URL: "https://login.test/sub/authorize",
    AIGNOSTICS_TOKEN_URL: "https://login.test/token",
    AIGNOSTICS_DEVICE_URL: "https://login.test/device",
    AIGNOSTICS_JWS_JSON_URL: "https://login.test/jwks",
    AIGNOSTICS_CLIENT_ID_INTERACTIVE: "client",
  });
  assert.ok(given.names.includes("https://login.test/"), "as the platform's own client has it");
});

Deno.test("findIssuer() discovers what is not set, and a single setting is stronger", async () => {
  await using issuer = await TestIssuer.start();
  const variables = issuer.variables("unused");
  assert.equal((await find(variables)).server.token_endpoint, `${issuer.url}token`);
  const { server } = await find({ ...variables, AIGNOSTICS_TOKEN_URL: "https://other.test/token" });
  assert.equal(server.token_endpoint, "https://other.test/token");
  assert.equal(server.device_authorization_endpoint, `${issuer.url}device`);
});

Deno.test("findIssuer() names everything that is missing when there are no metadata", async () => {
  await using issuer = await TestIssuer.start();
  issuer.hasMetadata = false;
  for (const root of [issuer.url.href, `http://127.0.0.1:${freePort()}`]) {
    await assert.rejects(find({ AIGNOSTICS_API_ROOT: root, AIGNOSTICS_AUDIENCE: "https://audience.test" }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.deepEqual(error.faults.map((fault) => /^AIGNOSTICS_\w+ is not set/.exec(fault)?.[0].split(" ")[0]), [
        "AIGNOSTICS_AUTHORIZATION_BASE_URL",
        "AIGNOSTICS_TOKEN_URL",
        "AIGNOSTICS_DEVICE_URL",
        "AIGNOSTICS_JWS_JSON_URL",
        "AIGNOSTICS_CLIENT_ID_INTERACTIVE",
      ]);
      return true;
    });
  }
});

Deno.test("findIssuer() names what the metadata do not tell, and takes clients and audience of an origin from them", async () => {
  await using site = metadataServer((url) => metadataOf(new URL("/", url)));
  await assert.rejects(find({ AIGNOSTICS_API_ROOT: site.url.href }), (error) => {
    assert.ok(error instanceof ConfigurationError);
    assert.deepEqual(error.faults.map((fault) => fault.split(" ")[0]), [
      "AIGNOSTICS_AUDIENCE",
      "AIGNOSTICS_CLIENT_ID_INTERACTIVE",
    ]);
    return true;
  });
  const more = { tallystick_audience: "https://ours.test", tallystick_client_id: "ours" };
  await using origin = metadataServer((url) => metadataOf(new URL("/", url), more));
  const found = await find({ AIGNOSTICS_API_ROOT: origin.url.href });
  assert.deepEqual([found.audience, found.clientIdInteractive, found.clientIdDevice], [
    "https://ours.test",
    "ours",
    "ours",
  ]);
});

Deno.test("findIssuer() says that an origin of ours is away", async () => {
  const variables = { AIGNOSTICS_API_ROOT: "embedded", RESOURCE_API_URL: `http://127.0.0.1:${freePort()}` };
  await assert.rejects(find(variables), UnavailableError);
});

Deno.test("findIssuer() believes what is said of an issuer at another address only when that issuer confirms it", async () => {
  const set = { AIGNOSTICS_AUDIENCE: "https://audience.test", AIGNOSTICS_CLIENT_ID_INTERACTIVE: "client" };
  await using issuer = metadataServer((url) => metadataOf(new URL("/", url)));
  await using root = metadataServer((url) => ({ ...metadataOf(new URL("/", url)), issuer: issuer.url.href }));
  const found = await find({ ...set, AIGNOSTICS_API_ROOT: root.url.href });
  assert.equal(found.server.token_endpoint, `${issuer.url}t`);
  await using liar = metadataServer(() => metadataOf(new URL("https://somebody.test/")));
  await using second = metadataServer((url) => ({ ...metadataOf(new URL("/", url)), issuer: liar.url.href }));
  await assert.rejects(find({ ...set, AIGNOSTICS_API_ROOT: second.url.href }), /calls itself by another name/);
});

Deno.test("findIssuer() takes no endpoint over plain http but on this machine, and no metadata that are none", async () => {
  const set = { AIGNOSTICS_AUDIENCE: "https://audience.test", AIGNOSTICS_CLIENT_ID_INTERACTIVE: "client" };
  const wrong = [{ token_endpoint: "http://login.test/t" }, { jwks_uri: "file:///etc/passwd" }, { issuer: 5 }];
  for (const more of wrong) {
    await using site = metadataServer((url) => metadataOf(new URL("/", url), more));
    await assert.rejects(find({ ...set, AIGNOSTICS_API_ROOT: site.url.href }), /not metadata of an issuer/);
  }
});

Deno.test("findIssuer() allows no algorithm with which a verifier could sign, whatever the metadata say", async () => {
  const set = { AIGNOSTICS_AUDIENCE: "https://audience.test", AIGNOSTICS_CLIENT_ID_INTERACTIVE: "client" };
  const cases: [declared: string[], expected: string[]][] = [
    [["RS256", "ES256", "HS256", "none"], ["RS256", "ES256"]],
    [["HS256", "none"], ["RS256"]],
  ];
  for (const [declared, expected] of cases) {
    const more = { id_token_signing_alg_values_supported: declared };
    await using site = metadataServer((url) => metadataOf(new URL("/", url), more));
    assert.deepEqual((await find({ ...set, AIGNOSTICS_API_ROOT: site.url.href })).algorithms, expected);
  }
});

Deno.test("findIssuer() takes no address for that of an issuer that is none", async () => {
  for (const named of ["no address", "http://issuer.example.com/", ""]) {
    await using server = metadataServer((asked) => metadataOf(new URL("/", asked), { issuer: named }));
    const expected = { name: "ConfigurationError" }; // what is missing is named, and this is why
    await assert.rejects(find({ AIGNOSTICS_API_ROOT: server.url.href }), expected, named);
  }
});

Deno.test("findIssuer() lets no server elsewhere name a service of this machine", async () => {
  const ask = (root: string, tokenEndpoint: string) => {
    const metadata = { ...metadataOf(new URL(root), { token_endpoint: tokenEndpoint }), tallystick_audience: "a" };
    const body = utf8(JSON.stringify({ ...metadata, tallystick_client_id: "c" }));
    const http = () => Promise.resolve({ status: 200, headers: new Headers(), body: streamOf(body) });
    return findIssuer(settingsFrom({ AIGNOSTICS_API_ROOT: root }), { http, signal });
  };
  await ask("https://platform.example.com/", "https://login.example.com/token");
  await ask("http://127.0.0.1:8090/", "http://127.0.0.1:8090/token");
  for (
    const inside of [
      "http://127.0.0.1:8080/login",
      "http://localhost/x",
      "https://[::1]/x",
      "https://169.254.169.254/x",
    ]
  ) {
    await assert.rejects(ask("https://platform.example.com/", inside), { name: "ConfigurationError" }, inside);
  }
});
