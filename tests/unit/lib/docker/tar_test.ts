import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../../lib/bytes.ts";
import {
  paddedSize,
  parsePaxRecords,
  parseTarHeader,
  TAR_BLOCK_BYTES,
  tarHeader,
  tarPadding,
} from "../../../../lib/docker/tar.ts";
import { IntegrityError } from "../../../../lib/errors.ts";

const TEN_GIB_HEADER = new URL("../../../fixtures/tar/python_gnu_10_gib_header.bin", import.meta.url);

Deno.test("parseTarHeader() reads what tarHeader() wrote, for every size", () => {
  const sizes = fc.oneof(fc.constantFrom(0, 1, 8 ** 11 - 1, 8 ** 11, 2 ** 40), fc.nat());
  fc.assert(fc.property(fc.stringMatching(/^[a-z0-9./_-]{1,100}$/), sizes, (name, sizeBytes) => {
    assert.deepEqual(parseTarHeader(tarHeader(name, sizeBytes)), { name, sizeBytes, type: "0" });
  }));
});

Deno.test("parseTarHeader() refuses a header with any one byte changed", () => {
  const header = tarHeader("manifest.json", 1234);
  for (let index = 0; index < TAR_BLOCK_BYTES; index++) {
    const changed = header.slice();
    changed[index] = (changed[index] ?? 0) ^ 0x01;
    if (index === 154 || index === 155) continue; // behind the digits of the checksum itself
    assert.throws(() => parseTarHeader(changed), IntegrityError, `byte ${index}`);
  }
});

Deno.test("parseTarHeader() refuses random bytes and takes zeros for the end", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (block) => {
    fc.pre(block.some((byte) => byte !== 0));
    assert.throws(() => parseTarHeader(block), IntegrityError);
  }));
  assert.equal(parseTarHeader(new Uint8Array(512)), undefined);
});

Deno.test("parseTarHeader() reads a binary size of another program", async () => {
  const header = parseTarHeader(await Deno.readFile(TEN_GIB_HEADER));
  assert.deepEqual(header, { name: "huge.bin", sizeBytes: 10 * 1024 ** 3, type: "0" });
});

Deno.test("tarHeader() refuses a name that does not fit", () => {
  assert.throws(() => tarHeader("é".repeat(51), 0), RangeError);
});

Deno.test("tarPadding() fills to whole blocks", () => {
  for (const [size, padding] of [[0, 0], [1, 511], [511, 1], [512, 0], [513, 511]] as const) {
    assert.equal(tarPadding(size).byteLength, padding, `${size} B`);
    assert.equal(paddedSize(size), size + padding, `${size} B`);
  }
});

Deno.test("parsePaxRecords() reads records by their length in bytes", () => {
  const records = parsePaxRecords(utf8("15 path=é/x=y\n13 size=1234\n13 size=5678\n15 comment=a\nb\n"));
  assert.deepEqual([...records], [["path", "é/x=y"], ["size", "5678"], ["comment", "a\nb"]]);
});

Deno.test("parsePaxRecords() refuses what is not a list of records", () => {
  for (const wrong of ["x", "5 a=b", "0 a=b\n", "6 a=b\n7", "99 a=b\n", "5 ab\n", "-6 a=b\n", "6 a=bc\n"]) {
    assert.throws(() => parsePaxRecords(utf8(wrong)), IntegrityError, wrong);
  }
});
