import type { Bytes } from "../bytes.ts";
import {
  hasContent,
  paddedSize,
  parsePaxRecords,
  parseTarHeader,
  TAR_BLOCK_BYTES,
  type TarHeader,
} from "../docker/tar.ts";
import { IntegrityError } from "../errors.ts";

/** Long names, pax records and the files that are collected are small. */
const CONTENT_LIMIT_BYTES = 1024 * 1024;

/** Collects files of an archive. Paths are as an engine unpacks them: without `.`, and without a slash in front. */
export interface FileCollector {
  /** Whether the content is wanted; asked once for each regular file that is not empty. */
  wants(path: string, sizeBytes: number): boolean;
  /** Takes a content that is wanted; the bytes are the collector's own. */
  take(path: string, content: Bytes): void;
}

/**
 * Walks through the entries of a tar archive as its bytes pass, and hands some files to a collector. Payload is stepped
 * over by arithmetic; only headers, names and the wanted files are copied.
 */
export class TarWalk {
  readonly #files: FileCollector;
  /** What is being read: a header, or the content behind one. */
  #header: TarHeader | undefined;
  /** Room for what is being read; `undefined` for a content that nobody wants. */
  #gathered: Bytes | undefined = new Uint8Array(TAR_BLOCK_BYTES);
  #leftBytes = TAR_BLOCK_BYTES;
  /** What a GNU long name and pax records say of the entry that comes next; the long name is stronger, as it is to Docker. */
  #longName: string | undefined;
  #paxName: string | undefined;
  #paxSize: number | undefined;

  /** Whether the first header has been read, and is one. */
  begun = false;
  /** Bytes of the end so far: from the first block of zeros on. */
  endBytes = 0;

  constructor(files: FileCollector) {
    this.#files = files;
  }

  /**
   * Takes the next bytes of the archive.
   * @returns how many of them stand before its end: all of them, as long as no whole block of zeros has come
   * @throws {IntegrityError} when they are not a tar archive
   */
  take(chunk: Uint8Array): number {
    let offset = 0;
    while (offset < chunk.byteLength && this.endBytes === 0) {
      const taken = chunk.subarray(offset, offset + this.#leftBytes);
      this.#gathered?.set(taken, this.#gathered.byteLength - this.#leftBytes);
      this.#leftBytes -= taken.byteLength;
      offset += taken.byteLength;
      if (this.#leftBytes === 0) this.#step(this.#gathered);
    }
    if (this.endBytes === 0) return chunk.byteLength;
    const passing = Math.max(0, offset - this.endBytes);
    this.endBytes += chunk.byteLength - offset;
    return passing;
  }

  #step(gathered: Bytes | undefined): void {
    const header = this.#header;
    this.#expectHeader();
    if (gathered === undefined) return;
    if (header === undefined) return this.#afterHeader(parseTarHeader(gathered));
    this.#afterContent(header, gathered.subarray(0, header.sizeBytes));
  }

  #expectHeader(): void {
    this.#header = undefined;
    this.#gathered = new Uint8Array(TAR_BLOCK_BYTES);
    this.#leftBytes = TAR_BLOCK_BYTES;
  }

  #afterHeader(raw: TarHeader | undefined): void {
    this.begun = true;
    if (raw === undefined) return void (this.endBytes = TAR_BLOCK_BYTES);
    const header = isAnnotation(raw) ? raw : this.#annotated(raw);
    if (header.sizeBytes === 0) return;
    this.#leftBytes = paddedSize(header.sizeBytes);
    this.#header = header;
    this.#gathered = this.#isWanted(header) ? gatherRoom(header) : undefined;
  }

  #annotated({ name, sizeBytes, type }: TarHeader): TarHeader {
    const header = {
      name: this.#longName ?? this.#paxName ?? name,
      sizeBytes: hasContent(type) ? this.#paxSize ?? sizeBytes : 0,
      type,
    };
    this.#longName = this.#paxName = undefined;
    this.#paxSize = undefined;
    return header;
  }

  #isWanted(header: TarHeader): boolean {
    return isAnnotation(header) || (header.type === "0" && this.#files.wants(pathOf(header), header.sizeBytes));
  }

  #afterContent(header: TarHeader, content: Bytes): void {
    if (header.type === "L") this.#longName = new TextDecoder().decode(content).replace(/\0[^]*$/, "");
    else if (header.type === "x") this.#takeRecords(parsePaxRecords(content));
    else this.#files.take(pathOf(header), content);
  }

  #takeRecords(records: ReadonlyMap<string, string>): void {
    this.#paxName = records.get("path") ?? this.#paxName;
    const size = records.get("size");
    if (size === undefined) return;
    if (!/^\d{1,15}$/.test(size)) throw new IntegrityError("The tar archive names an impossible size");
    this.#paxSize = Number(size);
  }
}

/** The path that an engine unpacks to. @throws {IntegrityError} it goes up: no archive of images has such a one */
function pathOf({ name }: TarHeader): string {
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw new IntegrityError("The tar archive names a path that leads upwards");
  return segments.join("/");
}

/** An entry that tells something of the next one. Global pax records (`g`) say nothing that matters here. */
function isAnnotation({ type }: TarHeader): boolean {
  return type === "x" || type === "L";
}

function gatherRoom({ name, sizeBytes }: TarHeader): Bytes {
  if (sizeBytes <= CONTENT_LIMIT_BYTES) return new Uint8Array(paddedSize(sizeBytes));
  throw new IntegrityError(`The file "${name}" of the archive is larger than ${CONTENT_LIMIT_BYTES} bytes`);
}
