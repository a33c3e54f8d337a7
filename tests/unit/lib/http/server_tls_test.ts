import assert from "node:assert/strict";
import { join } from "node:path";
import { TlsFiles } from "../../../../lib/http/tls_files.ts";
import { byteStream } from "../../../../lib/streams.ts";
import { utf8 } from "../../../../lib/bytes.ts";
import { peerPath } from "../../../support/peers.ts";
import { type PrivateAuthority, privateAuthority } from "../../../support/private_authority.ts";
import { startTimedServer, type TimedServer } from "../../../support/timed_server.ts";

const found = peerPath("openssl");
const openssl = found ?? "";
const ignore = found === undefined;
const LOOK_SECONDS = 10;

/** Files of a server's certificate and key, for its owner alone. */
async function writePair(folder: string, { cert, key }: { cert: string; key: string }) {
  const [certFile, keyFile] = [join(folder, "tls.pem"), join(folder, "tls.key")];
  await Deno.writeTextFile(certFile, cert);
  await Deno.writeTextFile(keyFile, key, { mode: 0o600 });
  return { certFile, keyFile };
}

/** Calls the server with the certificates of one authority as the only ones that are trusted. */
async function getTrusting({ caFile }: PrivateAuthority, { port }: TimedServer): Promise<string> {
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(caFile)] });
  const answer = await fetch(`https://localhost:${port}/`, { client });
  return await answer.text();
}

async function handshake(port: number, version: string): Promise<string> {
  const args = ["s_client", "-connect", `127.0.0.1:${port}`, version, "-cipher", "ALL:@SECLEVEL=0"];
  const { stdout, stderr } = await new Deno.Command(openssl, { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("serveHttp() speaks TLS 1.2 and 1.3, and nothing older", { ignore }, async () => {
  await using authority = await privateAuthority(openssl);
  const { certFile, keyFile } = await writePair(authority.folder, authority);
  const tls = await TlsFiles.open(certFile, keyFile);
  await using server = await startTimedServer(() => new Response("secret"), { tls });
  assert.equal(server.url.protocol, "https:");
  assert.equal(await getTrusting(authority, server), "secret");
  assert.match(await handshake(server.port, "-tls1_2"), /Protocol\s*: TLSv1\.2|New, TLSv1\.2/);
  assert.match(await handshake(server.port, "-tls1_3"), /New, TLSv1\.3/);
  for (const version of ["-tls1", "-tls1_1"]) {
    const refused = await handshake(server.port, version);
    assert.match(refused, /alert protocol version|no protocols available|handshake failure/, version);
    assert.match(refused, /Cipher is \(NONE\)|New, \(NONE\)/, version);
  }
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/`));
  using silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await silent.write(new Uint8Array([0x16, 0x03, 0x01])); // a handshake that does not go on
  await getTrusting(authority, server);
  await server.seconds(60);
  assert.equal(await silent.read(new Uint8Array(1)).catch(() => null), null);
});

Deno.test("serveHttp() takes a new certificate by itself, and calls under way go on", { ignore }, async () => {
  await using before = await privateAuthority(openssl);
  await using after = await privateAuthority(openssl);
  const { certFile, keyFile } = await writePair(before.folder, before);
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using server = await startTimedServer(async ({ url }) => {
    if (url.endsWith("/quick")) return new Response("quick");
    begun.resolve();
    await release.promise;
    return new Response("whole");
  }, { tls: await TlsFiles.open(certFile, keyFile) });
  const running = getTrusting(before, server);
  running.catch(() => undefined); // looked at below
  await begun.promise;

  await Deno.writeTextFile(certFile, after.cert); // the key is still the old one
  await server.seconds(LOOK_SECONDS);
  assert.equal(server.troubles.length, 1);
  assert.match(
    String(server.troubles[0]),
    /The key in ".*tls\.key" does not belong to the certificate in ".*tls\.pem"/,
  );
  await server.seconds(LOOK_SECONDS);
  assert.equal(server.troubles.length, 1); // said once
  await writePair(before.folder, after);
  await server.seconds(LOOK_SECONDS);

  release.resolve();
  assert.equal(await running, "whole");
  assert.equal(await getTrusting(after, server), "whole");
  await assert.rejects(getTrusting(before, server));
});

Deno.test(
  "serveHttp() takes a bounded number of connections for TLS, and closes those that say nothing",
  { ignore },
  async () => {
    await using authority = await privateAuthority(openssl);
    const { certFile, keyFile } = await writePair(authority.folder, authority);
    await using server = await startTimedServer(() => new Response("x"), {
      tls: await TlsFiles.open(certFile, keyFile),
    });
    using connections = new DisposableStack();
    const ended: Promise<unknown>[] = [];
    for (let count = 0; count < 260; count++) {
      const connection = connections.use(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
      ended.push(connection.read(new Uint8Array(1)).catch(() => null));
    }
    assert.equal(await Promise.race(ended), null); // those over the limit, at once
    await server.seconds(60);
    assert.deepEqual(new Set(await Promise.all(ended)), new Set([null]));
    assert.equal(await getTrusting(authority, server), "x");
  },
);

Deno.test("serveHttp() breaks an answer over TLS off that its caller does not take", { ignore }, async () => {
  await using authority = await privateAuthority(openssl);
  const { certFile, keyFile } = await writePair(authority.folder, authority);
  const cancelled = Promise.withResolvers<void>();
  const endless = () => byteStream(() => Promise.resolve(new Uint8Array(64 * 1024)), () => cancelled.resolve());
  const tls = await TlsFiles.open(certFile, keyFile);
  await using server = await startTimedServer((_request, call) => new Response(call.paced(endless())), {
    tls,
    stallMs: 20,
  });
  const caCerts = [await Deno.readTextFile(authority.caFile)];
  using connection = await Deno.connectTls({ hostname: "localhost", port: server.port, caCerts });
  await connection.write(utf8("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  await cancelled.promise;
  const buffer = new Uint8Array(64 * 1024);
  for (let count: number | null = 0; count !== null;) count = await connection.read(buffer).catch(() => null); // it ends
});

Deno.test(
  "TlsFiles.next() looks again at what it could not read for a moment, and fails once",
  { ignore },
  async () => {
    await using before = await privateAuthority(openssl);
    await using after = await privateAuthority(openssl);
    const { certFile, keyFile } = await writePair(before.folder, before);
    const child = join(import.meta.dirname ?? "", "../../../support/tls_files_child.ts");
    const limited = ["-c", 'ulimit -n 128; exec "$@"', "sh", Deno.execPath(), "run", "-A", child];
    const args = [...limited, certFile, keyFile, join(after.folder, "server.pem"), join(after.folder, "server.key")];
    const { stdout, stderr } = await new Deno.Command("sh", { args }).output();
    const [failure, ...looks] = JSON.parse(new TextDecoder().decode(stdout) || `["${stderr.length} bytes of errors"]`);
    assert.match(failure, /Cannot use ".*tls\.pem" for TLS: .*[Tt]oo many open files/);
    assert.deepEqual(looks, ["nothing", "taken", "nothing"]);
  },
);

Deno.test("TlsFiles.open() refuses what cannot serve, and repeats nothing of a key", { ignore }, async () => {
  await using authority = await privateAuthority(openssl);
  await using other = await privateAuthority(openssl);
  const { certFile, keyFile } = await writePair(authority.folder, authority);
  const foreign = (await writePair(other.folder, other)).keyFile;
  const noKey = join(authority.folder, "no.key");
  await Deno.writeTextFile(noKey, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", {
    mode: 0o600,
  });
  const cases: [string, string, RegExp][] = [
    [certFile, foreign, /does not belong to the certificate/],
    [certFile, noKey, /There is no private key in PEM, without a passphrase, in/],
    [certFile, certFile, /can be read by others|There is no private key/],
    [keyFile, keyFile, /There is no certificate in PEM/],
    [`${certFile}.missing`, keyFile, /Cannot use ".*missing" for TLS: .*there is no such file/],
    [certFile, `${keyFile}.missing`, /Cannot use ".*missing" for TLS/],
  ];
  for (const [cert, key, expected] of cases) {
    await assert.rejects(TlsFiles.open(cert, key), (error: unknown) => {
      assert.match(String(error), expected);
      assert.doesNotMatch(String(error), /c2VjcmV0/);
      return true;
    });
  }
  await Deno.chmod(keyFile, 0o640);
  await assert.rejects(TlsFiles.open(certFile, keyFile), /can be read by others: chmod 600/);
  await Deno.chmod(keyFile, 0o600);
  const link = join(authority.folder, "live.pem");
  await Deno.symlink(certFile, link);
  const { certificate } = await TlsFiles.open(link, keyFile); // as certbot lays them
  assert.match(certificate.names, /DNS:localhost/);
  assert.ok(certificate.notAfterMs > certificate.notBeforeMs);
});
