import { type Bytes, utf8 } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";

/** Headers, and contents with their padding, are whole blocks of this size. */
export const TAR_BLOCK_BYTES = 512;

/** What a tar header says. */
export interface TarHeader {
  readonly name: string;
  /** Bytes of content that follow, without the padding. */
  readonly sizeBytes: number;
  /** Type flag: `0` file, `5` folder, `x` and `g` pax records, `L` GNU long name, … */
  readonly type: string;
}

/** Where a field of the header lies. @see POSIX.1-2017, pax, "ustar Interchange Format" */
const FIELD = {
  name: [0, 100],
  mode: [100, 108],
  size: [124, 136],
  modified: [136, 148],
  checksum: [148, 156],
  type: [156, 157],
  magic: [257, 265],
  prefix: [345, 500],
} as const;

const TYPES_WITHOUT_CONTENT = "123456";
const POSIX_MAGIC = "ustar\x0000";
const FILE_TYPE = "0";
const FILE_MODE = 0o644;
const SPACE = 0x20;
/** First byte of a size that is written in binary, for 8 GiB and more. @see GNU tar, "Extending Tar" */
const BINARY_SIZE_MARK = 0x80;

/** Whether entries of a type have content; links, devices, folders and pipes have none, whatever is said of their size. */
export function hasContent(type: string): boolean {
  return !TYPES_WITHOUT_CONTENT.includes(type);
}

/** Bytes that the content of an entry takes, with its padding. */
export function paddedSize(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

/**
 * Reads one header of 512 bytes; `undefined` for a block of zeros, which begins the end of the archive.
 * @throws {IntegrityError} when the checksum or a number in it is wrong
 */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (octal(field(block, "checksum")) !== checksum(block)) throw notAHeader();
  const type = text(field(block, "type")) || FILE_TYPE;
  const sizeBytes = hasContent(type) ? sizeOf(field(block, "size")) : 0;
  return { name: nameOf(block), sizeBytes, type };
}

function nameOf(block: Uint8Array): string {
  const name = text(field(block, "name"));
  const isPosix = new TextDecoder("latin1").decode(field(block, "magic")) === POSIX_MAGIC;
  const prefix = isPosix ? text(field(block, "prefix")) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function sizeOf(bytes: Uint8Array): number {
  const size = bytes[0] === BINARY_SIZE_MARK
    ? bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
    : octal(bytes);
  if (!Number.isSafeInteger(size)) throw notAHeader();
  return size;
}

function octal(bytes: Uint8Array): number {
  const digits = text(bytes).trim();
  return /^[0-7]*$/.test(digits) ? parseInt(digits || "0", 8) : NaN;
}

/** Sum of all bytes, those of the checksum itself counted as spaces. */
function checksum(block: Uint8Array): number {
  const [start, end] = FIELD.checksum;
  return block.reduce((sum, byte, index) => sum + (index >= start && index < end ? SPACE : byte), 0);
}

function field(block: Uint8Array, name: keyof typeof FIELD): Uint8Array {
  return block.subarray(...FIELD[name]);
}

/** Up to the first NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function notAHeader(): IntegrityError {
  return new IntegrityError("The data is not a tar archive, or is damaged");
}

/**
 * The records of a pax header (`LENGTH NAME=VALUE` and a line feed each), the last of each name.
 * @throws {IntegrityError} when they are not of this form
 */
export function parsePaxRecords(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let rest = bytes; rest.byteLength > 0;) {
    const length = Number(/^(\d{1,7}) /.exec(new TextDecoder().decode(rest.subarray(0, 8)))?.[1] ?? 0);
    const record = new TextDecoder().decode(rest.subarray(0, length));
    const [, name, value] = /^\d+ ([^=]+)=([^]*)\n$/.exec(record) ?? [];
    if (name === undefined || value === undefined || length > rest.byteLength) throw notAHeader();
    records.set(name, value);
    rest = rest.subarray(length);
  }
  return records;
}

/** Header of a regular file, dated 1970. The name has at most 100 bytes. */
export function tarHeader(name: string, sizeBytes: number): Bytes {
  const nameBytes = utf8(name);
  if (nameBytes.byteLength > FIELD.name[1]) throw new RangeError(`"${name}" is too long for a tar header`);
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  block.set(nameBytes);
  block.set(utf8(`${octalText(FILE_MODE, 7)}\0${octalText(0, 7)}\0${octalText(0, 7)}\0`), FIELD.mode[0]);
  block.set(sizeBytes < 8 ** 11 ? utf8(octalText(sizeBytes, 11)) : binarySize(sizeBytes), FIELD.size[0]);
  block.set(utf8(octalText(0, 11)), FIELD.modified[0]);
  block.set(utf8(FILE_TYPE), FIELD.type[0]);
  block.set(utf8(POSIX_MAGIC), FIELD.magic[0]);
  block.set(utf8(`${octalText(checksum(block), 6)}\0 `), FIELD.checksum[0]);
  return block;
}

function octalText(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function binarySize(sizeBytes: number): Bytes {
  const field = new Uint8Array(12);
  new DataView(field.buffer).setBigUint64(4, BigInt(sizeBytes));
  field[0] = BINARY_SIZE_MARK;
  return field;
}

/** What stands behind the content of an entry. */
export function tarPadding(sizeBytes: number): Bytes {
  return new Uint8Array(paddedSize(sizeBytes) - sizeBytes);
}

/** The end of an archive: two blocks of zeros. */
export function tarEnd(): Bytes {
  return new Uint8Array(2 * TAR_BLOCK_BYTES);
}
