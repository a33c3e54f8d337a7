import assert from "node:assert/strict";
import checksums from "../../../fixtures/checksums.json" with { type: "json" };
import type { Bytes } from "../../../../lib/bytes.ts";
import { DigestCheck, matchesDigests } from "../../../../lib/cdn/digest.ts";
import type { Digests } from "../../../../lib/cdn/store.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { type ByteStream, byteStream } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";

/** CRC-32/ISO-HDLC of "123456789" is the check value of its definition; the others are from Python's zlib. */
const CRC32: Readonly<Record<string, number>> = {
  "123456789": 0xcbf43926,
  "32 x 00": 420107693,
  "32 x ff": 4285311755,
  "hello world": 222957957,
  empty: 0,
};
/** The bytes 0 to 255, ten times over, in parts of 1000 bytes; from Python's hashlib. */
const MULTIPART = { bytes: sequence(2560), hex: "7081edcf54370baaeb0b93ab839f2b50", partSizeBytes: 1000 };

interface Vector {
  readonly name: string;
  readonly bytes: Bytes;
  readonly digests: readonly Digests[];
}

function sequence(sizeBytes: number): Bytes {
  return Uint8Array.from({ length: sizeBytes }, (_, index) => index);
}

function vectors(): Vector[] {
  return checksums.cases.map((entry) => {
    const name = entry.name ?? entry.seed ?? "";
    const bytes = entry.data_hex === undefined
      ? keystream(name, entry.length ?? 0)
      : Uint8Array.fromHex(entry.data_hex);
    const digests: Digests[] = [{ sha256: Uint8Array.fromBase64(entry.sha256_b64).toHex() }];
    if (entry.md5_b64 !== undefined) digests.push({ md5: Uint8Array.fromBase64(entry.md5_b64).toHex() });
    if (CRC32[name] !== undefined) digests.push({ crc32: CRC32[name] });
    return { name, bytes, digests };
  });
}

function inChunks(bytes: Bytes, chunkBytes: number): Bytes[] {
  return Array.from(
    { length: Math.ceil(bytes.byteLength / chunkBytes) },
    (_, index) => bytes.slice(index * chunkBytes, (index + 1) * chunkBytes),
  );
}

function streamIn(chunks: readonly Bytes[], onCancel = () => {}): ByteStream {
  const rest = chunks.map((chunk) => chunk.slice()); // a stream takes their memory
  return byteStream(() => Promise.resolve(rest.shift()), onCancel);
}

function verify(digests: Digests, sizeBytes: number, chunks: readonly Bytes[]): void {
  const check = new DigestCheck(digests, sizeBytes);
  for (const chunk of chunks) check.update(chunk);
  check.verify();
}

Deno.test("DigestCheck accepts what outside vectors say, and refuses any flipped bit", () => {
  for (const { name, bytes, digests } of vectors()) {
    for (const digest of digests) {
      const chunks = inChunks(bytes, 7 + Math.floor(bytes.byteLength / 3));
      const what = `${name} ${Object.keys(digest)}`;
      assert.doesNotThrow(() => verify(digest, bytes.byteLength, chunks), what);
      if (bytes.byteLength === 0) continue;
      const flipped = bytes.slice();
      flipped[bytes.byteLength - 1] = (flipped.at(-1) ?? 0) ^ 1;
      assert.throws(() => verify(digest, bytes.byteLength, [flipped]), IntegrityError, what);
    }
  }
});

Deno.test("DigestCheck computes an S3 multipart MD5 wherever the chunks are cut", () => {
  const { bytes, hex, partSizeBytes } = MULTIPART;
  for (const chunkBytes of [1, 999, 1000, 1001, 2560]) {
    const chunks = inChunks(bytes, chunkBytes);
    assert.doesNotThrow(() => verify({ multipartMd5: { hex, partSizeBytes } }, 2560, chunks), String(chunkBytes));
    assert.throws(() => verify({ multipartMd5: { hex, partSizeBytes: 999 } }, 2560, chunks), IntegrityError);
  }
});

Deno.test("DigestCheck trusts the strongest digest alone", () => {
  const bytes = sequence(3);
  const [{ sha256 }, wrong] = [{ sha256: "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81" }, "00"];
  const right = Uint8Array.of(1, 2, 3);
  assert.doesNotThrow(() => verify({ sha256, crc32: 0, md5: wrong }, 3, [right]));
  assert.throws(() => verify({ sha256: wrong, crc32: 0x55bc801d }, 3, [right]), IntegrityError);
  assert.throws(() => verify({ sha256 }, 3, [bytes]), IntegrityError);
});

Deno.test("DigestCheck always checks the size", () => {
  assert.throws(() => verify({}, 3, [sequence(2)]), IntegrityError);
  assert.throws(() => verify({}, 3, [sequence(4)]), IntegrityError);
  assert.doesNotThrow(() => verify({}, 3, [sequence(3)]));
  assert.equal(new DigestCheck({}, 3).hasDigest, false);
  assert.equal(new DigestCheck({ crc32: 0 }, 3).hasDigest, true);
});

Deno.test("matchesDigests() tells equal, different and unknown apart", async () => {
  const { bytes, hex, partSizeBytes } = MULTIPART;
  const digests = { multipartMd5: { hex, partSizeBytes } };
  assert.equal(await matchesDigests(streamIn([bytes]), digests, 2560), "equal");
  assert.equal(await matchesDigests(streamIn([bytes.slice().reverse()]), digests, 2560), "different");
  assert.equal(await matchesDigests(streamIn([bytes]), {}, 2560), "unknown");
  assert.equal(await matchesDigests(streamIn([bytes]), {}, 2561), "different");
});

Deno.test("matchesDigests() cancels a stream that is too long", async () => {
  let cancelled = false;
  const stream = streamIn(inChunks(MULTIPART.bytes, 100), () => cancelled = true);
  assert.equal(await matchesDigests(stream, {}, 150), "different");
  assert(cancelled);
});
