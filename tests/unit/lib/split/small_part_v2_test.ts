import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { type SuiteName, SUITES } from "../../../../lib/crypto/suites.ts";
import { bigSize, unitCount } from "../../../../lib/crypto/unit_layout.ts";
import {
  bigPartKey,
  INLINE_UNITS,
  type Manifest,
  parseManifest,
  serializeManifest,
} from "../../../../lib/split/manifest.ts";
import {
  isUser,
  parseSmallPart,
  serializeSmallPart,
  SMALL_PART_LIMIT_BYTES,
} from "../../../../lib/split/small_part_v2.ts";
import { keystream } from "../../../support/keystream.ts";
import { parties, sealed, smallPart } from "../../../support/sealed_resource.ts";

const TIB = 1024 ** 4;
const LAST_SECOND = 253_402_300_799;
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/);
const seconds = fc.integer({ min: 0, max: LAST_SECOND });

/** Every manifest that can be: names, numbers and lists up to their limits. */
const manifests: fc.Arbitrary<Manifest> = fc.record({
  suite: fc.constantFrom<SuiteName>("C20P-AGE", "A256GCM-HKDF-1M"),
  plainBytes: fc.oneof(fc.integer({ min: 0, max: TIB - 1024 ** 3 }), fc.integer({ min: 0, max: 16 * 1024 * 1024 })),
  folder: name,
  name,
  version: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/),
  seq: fc.maxSafeNat(),
  times: fc.tuple(seconds, seconds),
  arch: fc.array(fc.stringMatching(/^[a-z0-9]{1,8}$/), { maxLength: 4 }),
  digests: fc.tuple(digest, digest, digest),
  withRecovery: fc.boolean(),
}).map(({ suite, plainBytes, times: [one, other], digests: [kc, sha256, plainSha256], withRecovery, ...rest }) => {
  const { layout } = SUITES[suite];
  const size = bigSize(layout, plainBytes);
  const n = unitCount(layout, size);
  return {
    ...rest,
    ...{
      suite,
      kc,
      iat: Math.min(one, other),
      exp: Math.max(one, other),
      hdr: new Uint8Array(layout.headerBytes).fill(255),
    },
    big: { key: bigPartKey(sha256), size, sha256 },
    seg: n <= INLINE_UNITS ? { n, list: new Uint8Array(32 * n).fill(255) } : { n, sha256 },
    plain: { size: plainBytes, sha256: plainSha256 },
    ...(withRecovery && suite === "C20P-AGE" ? { rec: new Uint8Array(170) } : {}),
  };
});

/** The largest that can be, of each suite. */
function largest(suite: SuiteName): Manifest {
  const { layout } = SUITES[suite];
  const sha256 = new Uint8Array(32).fill(255);
  const size = bigSize(layout, 15 * 1024 * 1024);
  return {
    ...{ folder: "f".repeat(128), name: "n".repeat(128), version: "v".repeat(64), seq: Number.MAX_SAFE_INTEGER },
    ...{
      iat: LAST_SECOND,
      exp: LAST_SECOND,
      arch: ["architec", "architec", "architec", "architec"],
      suite,
      kc: sha256,
    },
    hdr: new Uint8Array(layout.headerBytes),
    big: { key: bigPartKey(sha256), size, sha256 },
    seg: { n: unitCount(layout, size), list: new Uint8Array(32 * unitCount(layout, size)) },
    plain: { size: 15 * 1024 * 1024, sha256 },
    ...(suite === "C20P-AGE" ? { rec: new Uint8Array(170) } : {}),
  };
}

Deno.test("serializeSmallPart() makes one that fits one QR code, for every legal manifest and user", async () => {
  const keys = await parties();
  let largestBytes = 0;
  const measure = async (manifest: Manifest, user: string) => {
    const contentKey = new Uint8Array(SUITES[manifest.suite].contentKeyBytes);
    const bytes = serializeSmallPart(await smallPart(manifest, contentKey, keys, user));
    largestBytes = Math.max(largestBytes, bytes.byteLength);
    assert.ok(bytes.byteLength <= SMALL_PART_LIMIT_BYTES, `${bytes.byteLength} bytes`);
    assert.deepEqual(parseManifest(serializeManifest(manifest)), manifest);
  };
  for (const suite of ["C20P-AGE", "A256GCM-HKDF-1M"] as const) {
    for (const user of ["u".repeat(128), "ü".repeat(64), '"'.repeat(64)]) await measure(largest(suite), user);
  }
  await fc.assert(
    fc.asyncProperty(manifests, fc.string({ unit: "grapheme", maxLength: 128 }).filter(isUser), measure),
    { numRuns: 200 },
  );
  assert.ok(largestBytes > 2_800, "the largest were tried");
});

Deno.test("parseSmallPart() reads back what was written, and nothing that differs in form", async () => {
  const { small } = await sealed(keystream("form", 1000), await parties());
  const text = new TextDecoder().decode(serializeSmallPart(small));
  assert.deepEqual(parseSmallPart(utf8(text)), small);
  const refused: Record<string, Bytes> = {
    empty: utf8(""),
    "no JSON": utf8("{"),
    "a space": utf8(text.replace(":", ": ")),
    "a line break": utf8(`${text}\n`),
    "a byte order mark": utf8(`\ufeff${text}`),
    "an array": utf8(`[${text}]`),
    "another version": utf8(text.replace('"v":2', '"v":1')),
    "a field more": utf8(text.replace('"v":2', '"v":2,"w":1')),
    "a field twice": utf8(text.replace('"v":2', '"v":2,"v":2')),
    "a field less": utf8(text.replace('"v":2,', "")),
    "a field more in the grant": utf8(text.replace('"user"', '"role":1,"user"')),
    "an escape that is not needed": utf8(text.replace("ada@", "\\u0061da@")),
    "a control character": utf8(text.replace("ada@", "a\\u0000a@")),
    "a user that is not NFC": utf8(text.replace("ada@", "a\u0308da@")),
    "a user that is too long": utf8(text.replace("ada@", `${"a".repeat(128)}@`)),
    "padded base64": utf8(text.replace(/"enc":"([^"]+)"/, '"enc":"$1="')),
    "a short key": utf8(text.replace(/"ct":"([^"]{8})/, '"ct":"')),
    "a time that is no whole number": utf8(text.replace(/"exp":(\d+)/, '"exp":$1.5')),
    "no UTF-8": utf8(text).with(text.indexOf("ada@"), 0xff),
    "too many bytes": utf8(text + " ".repeat(SMALL_PART_LIMIT_BYTES)),
  };
  for (const [what, bytes] of Object.entries(refused)) {
    assert.throws(() => parseSmallPart(bytes), { name: "IntegrityError", step: "form" }, what);
  }
});

Deno.test("parseSmallPart() throws nothing but IntegrityError, whatever comes", () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.json().map(utf8)), (bytes) => {
    assert.throws(() => parseSmallPart(new Uint8Array(bytes)), { name: "IntegrityError" });
  }));
});
