import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import fc from "fast-check";
import { concat, utf8 } from "../../../../lib/bytes.ts";
import { PIXEL_LIMIT, readPicture, shrink, writePng } from "../../../../origin/platform/builtin/picture.ts";
import { ItemInputError } from "../../../../origin/platform/processor.ts";

const RED = [255, 0, 0, 255];
const CLEAR_GREEN = [0, 255, 0, 0];

function picture(width: number, height: number, pixel: readonly number[] = RED) {
  return { width, height, data: Uint8Array.from({ length: width * height * 4 }, (_, index) => pixel[index % 4] ?? 0) };
}

/** A PNG by hand: 8 bits, RGB. The checksums are left out: a decoder that looks at sizes first never gets so far. */
function pngHeader({ width, height, interlace = 0 }: { width: number; height: number; interlace?: number }) {
  const size = new Uint8Array(8);
  new DataView(size.buffer).setUint32(0, width);
  new DataView(size.buffer).setUint32(4, height);
  const magic = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const rest = Uint8Array.of(8, 2, 0, 0, interlace, 0, 0, 0, 0);
  return concat(
    magic,
    Uint8Array.of(0, 0, 0, 13),
    utf8("IHDR"),
    size,
    rest,
    new Uint8Array(deflateSync(new Uint8Array(9))),
  );
}

Deno.test("readPicture() reads what writePng() writes", async () => {
  const original = picture(7, 5);
  original.data.set([1, 2, 3, 4], 4);
  const { width, height, data } = await readPicture(await writePng(original));
  assert.deepEqual({ width, height, data: new Uint8Array(data) }, original);
});

Deno.test("readPicture() refuses what is no picture, too large, interlaced, cut or damaged", async () => {
  const good = await writePng(picture(20, 20));
  const cases: readonly (readonly [string, Uint8Array<ArrayBuffer>, string])[] = [
    ["nothing", new Uint8Array(0), "INPUT.UNREADABLE"],
    ["text", utf8("hello"), "INPUT.UNREADABLE"],
    ["only the magic", good.slice(0, 8), "INPUT.UNREADABLE"],
    ["cut", good.slice(0, -20), "INPUT.UNREADABLE"],
    ["too many pixels", pngHeader({ width: PIXEL_LIMIT, height: 2 }), "INPUT.TOO_LARGE"],
    ["no pixels", pngHeader({ width: 0, height: 2 }), "INPUT.UNREADABLE"],
    ["interlaced", pngHeader({ width: 2, height: 2, interlace: 1 }), "INPUT.UNREADABLE"],
    ["a JPEG of nothing", Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), "INPUT.UNREADABLE"],
  ];
  for (const [what, bytes, errorCode] of cases) {
    await assert.rejects(
      readPicture(bytes),
      (error) => error instanceof ItemInputError && error.errorCode === errorCode,
      what,
    );
  }
});

Deno.test("readPicture() refuses a PNG whose checked header is not the one that is decoded", async () => {
  const good = await writePng(picture(2, 2));
  const header = good.slice(8, 33);
  const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ["a second header", [good.slice(0, 33), header, good.slice(33)]],
    ["a header behind the data", [good.slice(0, -12), header, good.slice(-12)]],
    ["a header that is not the first", [good.slice(0, 8), pngChunk("tEXt", header.slice(8, 21)), good.slice(8)]],
  ];
  for (const [what, parts] of cases) {
    await assert.rejects(readPicture(concat(...parts)), { errorCode: "INPUT.UNREADABLE" }, what);
  }
});

function pngChunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const content = concat(utf8(type), data);
  const chunk = concat(new Uint8Array(4), content, new Uint8Array(4));
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.byteLength);
  view.setUint32(chunk.byteLength - 4, crc32(content));
  return chunk;
}

Deno.test("readPicture() refuses a small JPEG that goes through its pixels again and again", async () => {
  await assert.rejects(readPicture(progressiveJpeg(501)), { errorCode: "INPUT.UNREADABLE" });
  const { width, height } = await readPicture(progressiveJpeg(499));
  assert.deepEqual([width, height], [8, 8]);
});

/** Of one grey block: a scan of its mean, and then scans that say that there is nothing more. */
function progressiveJpeg(scanCount: number): Uint8Array<ArrayBuffer> {
  const segment = (marker: number, ...bytes: number[]) => [0xff, marker, 0, bytes.length + 2, ...bytes];
  const oneCode = [1, ...Array<number>(15).fill(0)];
  const start = [
    ...[0xff, 0xd8],
    ...segment(0xdb, 0, ...Array<number>(64).fill(1)),
    ...segment(0xc2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0),
    ...segment(0xc4, 0x00, ...oneCode, 0),
    ...segment(0xc4, 0x10, ...oneCode, 0),
    ...segment(0xda, 1, 1, 0, 0, 0, 0),
    0x7f,
  ];
  const more = [...segment(0xda, 1, 1, 0, 1, 63, 0), 0x7f];
  const scans = Array.from({ length: scanCount - 1 }, () => more).flat();
  return Uint8Array.from([...start, ...scans, 0xff, 0xd9]);
}

Deno.test("readPicture() refuses any damage or reads a picture", async () => {
  const good = await writePng(picture(16, 16));
  await fc.assert(
    fc.asyncProperty(fc.nat(good.byteLength - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ change;
      await readPicture(bad).catch((error) => assert.ok(error instanceof ItemInputError, String(error)));
    }),
    { numRuns: 60 },
  );
});

Deno.test("shrink() keeps the form, never enlarges, and takes the mean", () => {
  const sizes = [[1000, 500, 256, 128], [500, 1000, 128, 256], [100, 50, 100, 50], [1000, 1, 256, 1], [
    257,
    257,
    256,
    256,
  ]];
  for (const [width = 0, height = 0, wide, high] of sizes) {
    const small = shrink(picture(width, height), 256);
    assert.deepEqual([small.width, small.height, [...small.data.subarray(0, 4)]], [wide, high, RED]);
  }
  const mixed = { width: 2, height: 1, data: Uint8Array.from([...RED, ...CLEAR_GREEN]) };
  assert.deepEqual([...shrink(mixed, 1).data], [255, 0, 0, 128], "what cannot be seen has no colour");
});

Deno.test("readPicture() reads the pictures of others", async () => {
  const sizes = { "baseline.jpeg": [150, 103], "progressive.jpeg": [150, 103], "gray.png": [1, 16] };
  for (const [name, size] of Object.entries(sizes)) {
    const { width, height, data } = await readPicture(await Deno.readFile(`tests/fixtures/pictures/${name}`));
    assert.deepEqual([width, height, data.length], [...size, width * height * 4], name);
  }
});
