import assert from "node:assert/strict";
import { join } from "node:path";
import { Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { concat, utf8 } from "../../lib/bytes.ts";
import { importContentKey } from "../../lib/crypto/content_key.ts";
import { deviceKey, grantInfo, openGrant } from "../../lib/crypto/grant.ts";
import { generateJwk, thumbprint } from "../../lib/crypto/okp_key.ts";
import { openUnits } from "../../lib/crypto/open_units.ts";
import { AGE_SUITE } from "../../lib/crypto/stream_age.ts";
import { TINK_SUITE } from "../../lib/crypto/stream_tink.ts";
import { parseManifest } from "../../lib/split/manifest.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { runChild } from "../../lib/system/process.ts";
import { keystream } from "../support/keystream.ts";
import { OfflineSite } from "../support/offline_site.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const age = peerPath("age");
const python = peerPath("tink");
const STOCK_TINK = join(import.meta.dirname ?? "", "../../tools/peers/stock_tink.py");
const SIZES = [0, 1, 65_536, 1_048_520, 3_000_000];
const LIMIT = 16 * 1024 * 1024;

async function runPeer(program: string | undefined, args: readonly string[]): Promise<string> {
  assert.ok(program !== undefined);
  const { exitCode, stdout, stderr } = await runChild(program, { args, env: {}, signal: AbortSignal.timeout(30_000) });
  assert.equal(exitCode, 0, stderr);
  return new TextDecoder().decode(stdout).trim();
}

const tink = (...args: readonly string[]) => runPeer(python, [STOCK_TINK, ...args]);

Deno.test({
  name: "stock Tink opens the grant and the big part that tally seal wrote, and not those of another device",
  ignore: python === undefined,
  async fn() {
    await using site = await OfflineSite.create();
    await site.ok("keys", "new", "--device", "--out", site.path("other.key"));
    const plain = keystream("tink opens", 3_000_000);
    const { big, small } = await site.seal(plain, "--suite", "A256GCM-HKDF-1M", "--user", "ada@example.com");
    const path = small[0]?.path ?? "";
    await tink("open", path, big, site.path("device.key"), site.path("by-tink"));
    assert.deepEqual(await Deno.readFile(site.path("by-tink")), plain);
    await assert.rejects(tink("open", path, big, site.path("other.key"), site.path("no")), /decrypt/i);
  },
});

Deno.test({
  name: "A256GCM-HKDF-1M opens what stock Tink encrypts, and stock Tink what it seals",
  ignore: python === undefined,
  async fn() {
    await using folder = await tempFolder();
    const cek = keystream("cek", 32);
    const associatedData = utf8("v2\0models\0detector\x001.0.0");
    const [plainFile, file] = [join(folder.path, "plain"), join(folder.path, "file")];
    for (const size of SIZES) {
      await Deno.writeFile(plainFile, keystream("tink", size));
      await tink("encrypt", cek.toHex(), associatedData.toHex(), plainFile, file);
      const bytes = await Deno.readFile(file);
      const cipher = await TINK_SUITE.unitCipher(
        await importContentKey(cek.slice()),
        bytes.slice(0, 40),
        associatedData,
      );
      const big = { layout: TINK_SUITE.layout, cipher, sizeBytes: bytes.byteLength };
      assert.deepEqual(await collect(openUnits(streamOf(bytes), big), LIMIT), keystream("tink", size), `${size} bytes`);
    }
  },
});

Deno.test({
  name: "openGrant() opens what stock Tink wraps with HybridEncrypt",
  ignore: python === undefined,
  async fn() {
    const jwk = await generateJwk("X25519");
    const kid = await thumbprint(jwk);
    const binding = { payload: utf8('{"v":2}'), user: "ada@example.com", exp: 1_900_000_000 };
    const cek = keystream("wrapped", 32);
    const point = Uint8Array.fromBase64(jwk.x, { alphabet: "base64url" });
    const info = await grantInfo(kid, binding);
    const wrapped = Uint8Array.fromHex(await tink("wrap", point.toHex(), info.toHex(), cek.toHex()));
    const { user, exp, payload } = binding;
    const grant = { kid, user, exp, enc: wrapped.slice(0, 32), ct: wrapped.slice(32) };
    assert.deepEqual(await openGrant(grant, await deviceKey(jwk), payload), cek);
  },
});

Deno.test({
  name: "stock age opens recovery header and big part as one file, and nobody without the recovery key does",
  ignore: age === undefined,
  async fn() {
    await using site = await OfflineSite.create();
    const identity = await generateX25519Identity();
    await Deno.writeTextFile(site.path("identity"), `${identity}\n`, { mode: 0o600 });
    await Deno.writeTextFile(site.path("stranger"), `${await generateX25519Identity()}\n`, { mode: 0o600 });
    for (const size of SIZES) {
      const plain = keystream("age opens", size);
      const { big, small } = await site.seal(plain, "--recovery", await identityToRecipient(identity));
      const jws: string = JSON.parse(await Deno.readTextFile(small[0]?.path ?? "")).manifest;
      const payload = Uint8Array.fromBase64(jws.split(".")[1] ?? "", { alphabet: "base64url" });
      const rec = parseManifest(payload).rec ?? new Uint8Array(0);
      await Deno.writeFile(site.path("file.age"), concat(rec, await Deno.readFile(big)));
      await runPeer(age, ["-d", "-i", site.path("identity"), "-o", site.path("by-age"), site.path("file.age")]);
      assert.deepEqual(await Deno.readFile(site.path("by-age")), plain, `${size} bytes`);
      await assert.rejects(
        runPeer(age, ["-d", "-i", site.path("stranger"), site.path("file.age")]),
        /no identity matched/,
      );
    }
  },
});

Deno.test({
  name: "C20P-AGE opens the payload of what stock age encrypts",
  ignore: age === undefined,
  async fn() {
    await using folder = await tempFolder();
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const [plainFile, file] = [join(folder.path, "plain"), join(folder.path, "file.age")];
    for (const size of SIZES) {
      await Deno.writeFile(plainFile, keystream("age", size));
      await runPeer(age, ["-r", recipient, "-o", file, plainFile]);
      const bytes = await Deno.readFile(file);
      const headerEnd = /\n--- [^\n]+\n/.exec(Buffer.from(bytes).toString("latin1"));
      assert.ok(headerEnd !== null);
      const start = headerEnd.index + headerEnd[0].length;
      const decrypter = new Decrypter();
      decrypter.addIdentity(identity);
      const fileKey = new Uint8Array(await decrypter.decryptHeader(bytes.slice(0, start)));
      const payload = bytes.slice(start);
      const cipher = await AGE_SUITE.unitCipher(
        await importContentKey(fileKey),
        payload.slice(0, 16),
        new Uint8Array(0),
      );
      const big = { layout: AGE_SUITE.layout, cipher, sizeBytes: payload.byteLength };
      assert.deepEqual(
        await collect(openUnits(streamOf(payload), big), LIMIT),
        keystream("age", size),
        `${size} bytes`,
      );
    }
  },
});
