import { Buffer } from "node:buffer";
import type { Bytes } from "../../../lib/bytes.ts";
import { ItemInputError } from "../processor.ts";

/** Pixels row by row, four bytes each: red, green, blue, alpha. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** What is used of `pngjs`, which brings no types. */
interface PngPackage {
  readonly PNG: {
    new (size: { width: number; height: number }): Picture;
    readonly sync: { read(file: Buffer): Picture; write(picture: Picture): Uint8Array };
  };
}

/** Largest picture, in pixels: a JPEG of this size takes a second and half a gigabyte. */
export const PIXEL_LIMIT = 6_000_000;

const JPEG_MEMORY_LIMIT_MIB = 768;
const UNREADABLE = "INPUT.UNREADABLE";
const PNG_MAGIC = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const JPEG_MAGIC = [0xff, 0xd8, 0xff];
/** A progressive JPEG has about ten; each goes through all of the picture again, however few bytes it has. */
const JPEG_SCAN_LIMIT = 500;
const JPEG_START_OF_SCAN = 0xda;
const PNG_HEADER_TYPE = 0x49484452; // IHDR
/** Of a PNG: length and type before the data of a chunk, a checksum behind them. */
const PNG_CHUNK = { data: 8, checksum: 4 } as const;
/** Where the header of a PNG says its width, height and interlacing. @see PNG (Third Edition), 11.2.1 */
const PNG_HEADER = { width: 16, height: 20, interlace: 28, end: 33 } as const;

/** Reads a PNG or JPEG. @throws {ItemInputError} it is neither, damaged, or too large */
export async function readPicture(file: Bytes): Promise<Picture> {
  if (startsWith(file, PNG_MAGIC)) return await readPng(file);
  if (startsWith(file, JPEG_MAGIC)) return await readJpeg(file);
  throw new ItemInputError(UNREADABLE, "The input is neither a PNG nor a JPEG");
}

/** A picture as PNG. */
export async function writePng(picture: Picture): Promise<Bytes> {
  const { PNG }: PngPackage = await import("pngjs");
  const png = new PNG({ width: picture.width, height: picture.height });
  png.data.set(picture.data);
  return new Uint8Array(PNG.sync.write(png));
}

/** A smaller picture of the same form that fits into a square; each pixel is the mean of those that it stands for. */
export function shrink({ width, height, data }: Picture, sideLimit: number): Picture {
  const factor = Math.max(1, Math.max(width, height) / sideLimit);
  const target = { width: Math.max(1, Math.round(width / factor)), height: Math.max(1, Math.round(height / factor)) };
  const pixels = new Uint8Array(target.width * target.height * 4);
  for (let y = 0; y < target.height; y++) {
    for (let x = 0; x < target.width; x++) {
      const columns = span(x, target.width, width);
      const rows = span(y, target.height, height);
      pixels.set(mean(data, width, columns, rows), (y * target.width + x) * 4);
    }
  }
  return { ...target, data: pixels };
}

/** From and to, at least one. */
type Span = readonly [number, number];

function span(index: number, count: number, of: number): Span {
  const from = Math.floor((index * of) / count);
  return [from, Math.max(from + 1, Math.floor(((index + 1) * of) / count))];
}

/** Colours count as much as they can be seen. */
function mean(data: Uint8Array, width: number, [left, right]: Span, [top, bottom]: Span): number[] {
  const sums = [0, 0, 0];
  let alphas = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const at = (y * width + x) * 4;
      const alpha = data[at + 3] ?? 0;
      alphas += alpha;
      for (let channel = 0; channel < 3; channel++) {
        sums[channel] = (sums[channel] ?? 0) + (data[at + channel] ?? 0) * alpha;
      }
    }
  }
  const count = (right - left) * (bottom - top);
  return [...sums.map((sum) => alphas === 0 ? 0 : Math.round(sum / alphas)), Math.round(alphas / count)];
}

async function readPng(file: Bytes): Promise<Picture> {
  if (file.byteLength < PNG_HEADER.end) throw damaged();
  requireOneHeader(file);
  const header = new DataView(file.buffer, file.byteOffset, PNG_HEADER.end);
  checkSize(header.getUint32(PNG_HEADER.width), header.getUint32(PNG_HEADER.height));
  // The decoder unpacks interlaced rows without a limit.
  if (header.getUint8(PNG_HEADER.interlace) !== 0) throw new ItemInputError(UNREADABLE, "Interlaced PNGs are not read");
  const { PNG }: PngPackage = await import("pngjs");
  return decoded(() => PNG.sync.read(Buffer.from(file.buffer, file.byteOffset, file.byteLength)));
}

/** The decoder believes the last header; what was checked is the first chunk. */
function requireOneHeader(file: Bytes): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at: number = PNG_MAGIC.length;
  while (at + PNG_CHUNK.data <= file.byteLength) {
    const isHeader = view.getUint32(at + 4) === PNG_HEADER_TYPE;
    if (isHeader !== (at === PNG_MAGIC.length)) throw damaged();
    at += PNG_CHUNK.data + view.getUint32(at) + PNG_CHUNK.checksum;
  }
}

async function readJpeg(file: Bytes): Promise<Picture> {
  if (scanCount(file) > JPEG_SCAN_LIMIT) throw new ItemInputError(UNREADABLE, "The JPEG has too many scans");
  const { decode } = await import("jpeg-js");
  const limits = { maxResolutionInMP: PIXEL_LIMIT / 1e6, maxMemoryUsageInMB: JPEG_MEMORY_LIMIT_MIB };
  const picture = decoded(() => decode(file, { useTArray: true, ...limits }));
  checkSize(picture.width, picture.height);
  return picture;
}

/** Of all that could be one: in the data of a scan no such pair of bytes can stand. */
function scanCount(file: Bytes): number {
  let count = 0;
  for (let at = file.indexOf(0xff); at !== -1; at = file.indexOf(0xff, at + 1)) {
    if (file[at + 1] === JPEG_START_OF_SCAN) count++;
  }
  return count;
}

function decoded(decode: () => Picture): Picture {
  try {
    return decode();
  } catch (cause) {
    const isLimit = cause instanceof Error && /^max(Resolution|MemoryUsage)InM[PB] limit exceeded/.test(cause.message);
    throw isLimit ? tooLarge() : damaged(cause);
  }
}

function checkSize(width: number, height: number): void {
  if (width === 0 || height === 0) throw damaged();
  if (width * height > PIXEL_LIMIT) throw tooLarge();
}

function tooLarge(): ItemInputError {
  return new ItemInputError("INPUT.TOO_LARGE", `The picture has more than ${PIXEL_LIMIT / 1e6} million pixels`);
}

function damaged(cause?: unknown): ItemInputError {
  return new ItemInputError(UNREADABLE, "The picture is damaged", { cause });
}

function startsWith(bytes: Bytes, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
