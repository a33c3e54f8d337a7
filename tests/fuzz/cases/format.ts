import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, fromBase64Url, toBase64Url, utf8 } from "../../../lib/bytes.ts";
import { recoveryHeader } from "../../../lib/crypto/age_header.ts";
import { decryptSmall, encryptedSize, encryptSmall, plainSize as cbcPlainSize } from "../../../lib/crypto/cbc_v1.ts";
import { openGrant } from "../../../lib/crypto/grant.ts";
import { parsePrivateKey, parsePublicKey } from "../../../lib/crypto/key_file.ts";
import { aesKey } from "../../../lib/crypto/keys.ts";
import { generateJwk, publicHalf } from "../../../lib/crypto/okp_key.ts";
import { SUITE_NAMES, SUITES } from "../../../lib/crypto/suites.ts";
import { bigSize, plainSize, TAG_BYTES, unitCount } from "../../../lib/crypto/unit_layout.ts";
import { hashList } from "../../../lib/split/big_part.ts";
import { parseManifest, serializeManifest } from "../../../lib/split/manifest.ts";
import { verifyManifest } from "../../../lib/split/manifest_signature.ts";
import { NAME_PATTERN, parseName } from "../../../lib/split/names.ts";
import { parseSmallPart, serializeSmallPart } from "../../../lib/split/small_part_v2.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";
import { keystream } from "../../support/keystream.ts";
import { parties, sealed } from "../../support/sealed_resource.ts";
import { nearBytes, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase, readsBack } from "../parser_case.ts";

const damaged = named("IntegrityError");
const KEY = "k";

/** Format v2 and v1: small parts, manifests, grants, keys, sizes. */
export async function formatCases(): Promise<ParserCase[]> {
  const keys = await parties();
  const { small, manifest, contentKey } = await sealed(keystream("fuzz", 3000), keys);
  const long = await sealed(keystream("fuzz", 20 * 1024 * 1024), keys, { suite: "A256GCM-HKDF-1M" });
  const payload = serializeManifest(manifest);
  const [smallBytes, longPayload] = [serializeSmallPart(small), serializeManifest(long.manifest)];
  const deviceJwk = await generateJwk("X25519");
  const publisherJwk = await generateJwk("Ed25519");
  const v1Key = await aesKey(KEY);
  const encrypted = await encryptSmall(utf8("some plaintext of more than two blocks, to be cut and changed"), v1Key);
  return [
    parserCase(
      "parseSmallPart()",
      ["lib/split/small_part_v2.ts", "lib/split/canonical_json.ts"],
      fc.oneof(
        nearBytes(smallBytes),
        nearJsonBytes(JSON.parse(new TextDecoder().decode(smallBytes))),
      ),
      {
        parse: parseSmallPart,
        refusal: damaged,
        accepted: (value, input) => assert.deepEqual(serializeSmallPart(value), input),
      },
    ),
    parserCase(
      "parseManifest()",
      ["lib/split/manifest.ts"],
      fc.oneof(
        nearBytes(payload, longPayload),
        nearJsonBytes(...[payload, longPayload].map((bytes) => JSON.parse(new TextDecoder().decode(bytes)))),
      ),
      {
        parse: parseManifest,
        refusal: damaged,
        accepted: (value, input) => {
          assert.equal(unitCount(SUITES[value.suite].layout, value.big.size), value.seg.n);
          assert.deepEqual(parseManifest(serializeManifest(value)), value);
          assert.equal(serializeManifest(value).byteLength, input.byteLength);
        },
      },
    ),
    asyncParserCase(
      "verifyManifest()",
      ["lib/split/manifest_signature.ts"],
      nearText(small.manifest, long.small.manifest),
      {
        parse: (jws) => verifyManifest(jws, keys.trust),
        refusal: damaged,
        accepted: (_value, jws) =>
          assert.ok([small.manifest, long.small.manifest].includes(jws), "not what was signed"),
      },
    ),
    asyncParserCase(
      "openGrant()",
      ["lib/crypto/grant.ts"],
      fc.tuple(nearBytes(small.grant.enc), nearBytes(small.grant.ct)),
      {
        parse: ([enc, ct]) => openGrant({ ...small.grant, enc, ct }, keys.device, payload),
        refusal: damaged,
        accepted: (value) => assert.deepEqual(value, contentKey),
      },
    ),
    asyncParserCase("hashList()", ["lib/split/big_part.ts"], nearBytes(long.hashes), {
      parse: (object) => hashList(long.manifest, object),
      refusal: damaged,
      accepted: (value) => assert.deepEqual(value, long.hashes),
    }),
    parserCase(
      "plainSize() of a big part",
      ["lib/crypto/unit_layout.ts"],
      fc.tuple(
        fc.constantFrom(...SUITE_NAMES),
        fc.oneof(fc.nat(4 * 1024 * 1024), fc.maxSafeNat()),
      ),
      {
        parse: ([suite, bigBytes]) => plainSize(SUITES[suite].layout, bigBytes),
        refusal: damaged,
        accepted: (value, [suite, bigBytes]) => {
          const written = bigSize(SUITES[suite].layout, value);
          const endsEmpty = suite === "A256GCM-HKDF-1M" && bigBytes === written + TAG_BYTES; // Tink reads a last segment without content
          if (bigBytes < 2 ** 50) assert.ok(written === bigBytes || endsEmpty, `${written} bytes would be written`);
        },
      },
    ),
    asyncParserCase(
      "plainSize() of format v1",
      ["lib/crypto/cbc_v1.ts"],
      fc.tuple(
        fc.oneof(fc.nat(200), fc.nat(2 ** 40).map((blocks) => blocks * 16)),
        nearBytes(encrypted.slice(-32)).map((tail) => concat(tail, new Uint8Array(32)).slice(0, 32)),
      ),
      {
        parse: ([encryptedBytes, tail]) => cbcPlainSize(encryptedBytes, tail, v1Key),
        refusal: damaged,
        accepted: (value, [encryptedBytes]) => assert.equal(encryptedSize(value), encryptedBytes),
      },
    ),
    asyncParserCase("decryptSmall()", ["lib/crypto/cbc_v1.ts"], nearBytes(encrypted), {
      parse: (bytes) => decryptSmall(bytes, v1Key),
      refusal: damaged,
      accepted: (value, input) => assert.equal(encryptedSize(value.byteLength), input.byteLength),
    }),
    asyncParserCase(
      "parsePrivateKey()",
      ["lib/crypto/key_file.ts", "lib/crypto/okp_key.ts"],
      nearJsonBytes(deviceJwk),
      {
        parse: (bytes) => parsePrivateKey("k", bytes, "X25519"),
        refusal: named("ConfigurationError"),
        accepted: (value) => assert.equal(value.x, deviceJwk.x), // X25519 ignores some bits of the private half
      },
    ),
    parserCase(
      "parsePublicKey()",
      ["lib/crypto/key_file.ts", "lib/crypto/okp_key.ts"],
      nearJsonBytes(publicHalf(deviceJwk), publicHalf(publisherJwk)),
      {
        parse: (bytes) => parsePublicKey("k", bytes),
        refusal: named("ConfigurationError"),
        accepted: readsBack((bytes: Bytes) => parsePublicKey("k", bytes), (value) => utf8(JSON.stringify(value))),
      },
    ),
    asyncParserCase("recoveryHeader()", ["lib/crypto/age_header.ts"], nearText("age1ml9cn0hlqqt0q3xacn"), {
      parse: recoveryHeader,
      refusal: named("InvalidInputError"),
    }),
    parserCase("fromBase64Url()", ["lib/bytes.ts"], nearText(toBase64Url(keystream("b64", 40)), "AA", "AAA"), {
      parse: fromBase64Url,
      accepted: (value, input) => {
        if (value !== undefined) assert.equal(toBase64Url(value), input);
      },
    }),
    parserCase(
      "parseName()",
      ["lib/split/names.ts"],
      nearText("detector.onnx", "a", "x".repeat(128), ...HOSTILE_NAMES),
      {
        parse: (name) => parseName("name", name),
        refusal: named("InvalidInputError"),
        accepted: (value, input) => {
          assert.equal(value, input);
          assert.ok(NAME_PATTERN.test(value) && !value.includes(".."));
          assert.equal(encodeURIComponent(value), value, "it is itself in a URL");
        },
      },
    ),
  ];
}
