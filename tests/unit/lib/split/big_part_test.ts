import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat } from "../../../../lib/bytes.ts";
import { sha256Hex } from "../../../../lib/crypto/keys.ts";
import { type BigPart, unitEnd } from "../../../../lib/crypto/open_units.ts";
import type { SuiteName } from "../../../../lib/crypto/suites.ts";
import { unitStart } from "../../../../lib/crypto/unit_layout.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { bigPart, hashList, openRange, openWhole, plainRange } from "../../../../lib/split/big_part.ts";
import { openSmallPart } from "../../../../lib/split/open_small_part.ts";
import { type ByteStream, byteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { inChunksOf } from "../../../support/chunks.ts";
import { keystream } from "../../../support/keystream.ts";
import { parties, rules, sealed, type SealedResource } from "../../../support/sealed_resource.ts";

const LIMIT = 64 * 1024 * 1024;
const SUITES: readonly SuiteName[] = ["C20P-AGE", "A256GCM-HKDF-1M"];

async function published(
  sizeBytes: number,
  suite: SuiteName,
): Promise<{ resource: SealedResource; part: BigPart; plain: Bytes }> {
  const keys = await parties();
  const plain = keystream("big", sizeBytes);
  const resource = await sealed(plain, keys, { suite });
  const opened = await openSmallPart(resource.small, rules(keys));
  return { resource, plain, part: await bigPart(opened, await hashList(opened.manifest, resource.hashes)) };
}

/** How many bytes left before the failure. */
async function releasedBeforeFailure(stream: ByteStream, step: string, what: string): Promise<number> {
  let released = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of stream) released += chunk.byteLength;
    },
    (error) => error instanceof IntegrityError && error.step === step,
    what,
  );
  return released;
}

for (const suite of SUITES) {
  Deno.test(`openWhole() gives back what was sealed with ${suite}, whole and in any chunks, its hash list inline or not`, async () => {
    for (const sizeBytes of [0, 1, 100_000, (1 << 20) - 56, 1 << 20, 3_000_000, 17 << 20]) {
      const { resource: { big, manifest, hashes }, part, plain } = await published(sizeBytes, suite);
      assert.equal("list" in manifest.seg, manifest.seg.n <= 16);
      assert.equal(hashes.byteLength, 32 * manifest.seg.n);
      assert.equal(manifest.big.key, `${await sha256Hex(big)}.big`);
      for (const source of [streamOf(big), inChunksOf(big, 77_777)]) {
        assert.deepEqual(
          await collect(openWhole(source, part, manifest.plain.sha256), LIMIT),
          plain,
          `${sizeBytes} bytes`,
        );
      }
    }
  });

  Deno.test(`openRange() opens any range with ${suite}, from the units that hold it alone`, async () => {
    const { resource: { big }, part, plain } = await published(3_300_000, suite);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: plain.byteLength - 1 }),
        fc.integer({ min: 1, max: plain.byteLength }),
        async (start, length) => {
          const range = plainRange(part, start, Math.min(start + length, plain.byteLength));
          const source = streamOf(big.slice(range.bigStart, range.bigEnd));
          assert.deepEqual(await collect(openRange(source, part, range), LIMIT), plain.slice(range.start, range.end));
        },
      ),
      { numRuns: 40 },
    );
    const last = plainRange(part, plain.byteLength - 1, plain.byteLength);
    assert.equal(last.bigEnd, big.byteLength);
    for (const [start, end] of [[-1, 1], [1, 1], [0, plain.byteLength + 1], [NaN, 1]] as const) {
      assert.throws(() => plainRange(part, start, end), RangeError);
    }
  });

  Deno.test(`openWhole() refuses units of ${suite} that were flipped, dropped, doubled, swapped or cut, before their bytes leave`, async () => {
    const { resource: { big }, part, plain } = await published(4 << 20, suite);
    const count = part.hashes === undefined ? 0 : part.hashes.byteLength / 32;
    const units = Array.from(
      { length: count },
      (_, index) => big.slice(unitStart(part.layout, index), unitEnd(part, index)),
    );
    const [first, second, third] = units;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const rest = units.slice(3);
    const flipped = second.slice();
    flipped.set([(flipped[500_000] ?? 0) ^ 1], 500_000);
    const changes: Record<string, { parts: readonly Bytes[]; step: string; goodUnits: number }> = {
      flipped: { parts: [first, flipped, third, ...rest], step: "unit-hash", goodUnits: 1 },
      dropped: { parts: [first, third, ...rest], step: "unit-hash", goodUnits: 1 },
      doubled: { parts: [first, first, second, third, ...rest], step: "unit-hash", goodUnits: 1 },
      swapped: { parts: [first, third, second, ...rest], step: "unit-hash", goodUnits: 1 },
      "cut at a border": { parts: [first, second, third], step: "size", goodUnits: 3 },
      "cut in a unit": { parts: [first, second.slice(0, 1000)], step: "size", goodUnits: 1 },
      "with data behind it": {
        parts: [first, second, third, ...rest, new Uint8Array(1)],
        step: "size",
        goodUnits: count - 1,
      },
      empty: { parts: [], step: "size", goodUnits: 0 },
    };
    for (const [what, { parts, step, goodUnits }] of Object.entries(changes)) {
      const changed = new Uint8Array(await new Blob([...parts]).arrayBuffer());
      const released = await releasedBeforeFailure(openWhole(streamOf(changed), part), step, what);
      assert.ok(released <= goodUnits << 20, `${what}: ${released} bytes left`);
      assert.ok(released < plain.byteLength, what);
    }
  });
}

for (const suite of SUITES) {
  Deno.test(`openWhole() notices any one changed bit with ${suite}, and has released nothing but a true beginning`, async () => {
    const { resource: { big }, part, plain } = await published(1_300_000, suite);
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: big.byteLength - 1 }),
        fc.nat({ max: 7 }),
        async (offset, bit) => {
          const changed = big.slice();
          changed.set([(changed[offset] ?? 0) ^ (1 << bit)], offset);
          const released: Bytes[] = [];
          await assert.rejects(async () => {
            for await (const chunk of openWhole(streamOf(changed), part)) released.push(chunk.slice());
          }, { step: "unit-hash" });
          const beginning = concat(...released);
          assert.deepEqual(beginning, plain.slice(0, beginning.byteLength));
        },
      ),
      { numRuns: 30 },
    );
  });
}

Deno.test("openWhole() refuses a big part that another holder of the content key has made: the tags are right, the hashes are not", async () => {
  const keys = await parties();
  for (const suite of SUITES) {
    const resource = await sealed(keystream("true", 100_000), keys, { suite });
    const forged = await sealed(keystream("forged", 100_000), keys, { suite, contentKey: resource.contentKey.slice() });
    const opened = await openSmallPart(resource.small, rules(keys));
    const part = await bigPart(opened, await hashList(opened.manifest));
    assert.equal(await releasedBeforeFailure(openWhole(streamOf(forged.big), part), "unit-hash", suite), 0);
  }
});

Deno.test("hashList() takes only the list that was signed", async () => {
  const { resource: { manifest, hashes } } = await published(17 << 20, "C20P-AGE");
  assert.deepEqual(await hashList(manifest, hashes), hashes);
  const flipped = hashes.slice();
  flipped.set([(flipped[40] ?? 0) ^ 1], 40);
  for (const list of [undefined, flipped, hashes.slice(32), new Uint8Array(0)]) {
    await assert.rejects(hashList(manifest, list), { step: "hash-list" });
  }
});

Deno.test("openWhole() compares the digest of the content before it tells the end, where it is asked to", async () => {
  const { resource: { big }, part } = await published(1000, "C20P-AGE");
  await releasedBeforeFailure(openWhole(streamOf(big), part, new Uint8Array(32)), "plain-digest", "digest");
});

Deno.test("openWhole() passes the failure of its source on, and a cancel back to it", async () => {
  const { part } = await published(8 << 20, "C20P-AGE");
  const broken = byteStream(() => Promise.reject(new Error("the line went down")));
  await assert.rejects(collect(openWhole(broken, part), LIMIT), /the line went down/);
  const { resource: { big }, part: other } = await published(8 << 20, "C20P-AGE");
  let given = 0;
  let reason: unknown;
  const source = byteStream(() => {
    const piece = big.slice(given, given + 65_536);
    given += piece.byteLength;
    return Promise.resolve(piece);
  }, (why) => void (reason = why));
  const reader = openWhole(source, other).getReader();
  await reader.read();
  await reader.cancel("enough");
  assert.equal(reason, "enough");
  assert.ok(given <= 6 << 20, `${given} bytes were read ahead`);
});
