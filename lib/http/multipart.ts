import { type Bytes, concat, release, utf8 } from "../bytes.ts";
import { MalformedError, TooLargeError } from "../errors.ts";
import { type ByteReader, byteReader, type ByteStream, byteStream } from "../streams.ts";

const PIECE_BYTES = 128 * 1024;
const HEAD_LIMIT_BYTES = 8 * 1024;
const HYPHEN = 0x2d;
const CRLF = utf8("\r\n");
const HEAD_END = utf8("\r\n\r\n");
const findHeadEnd = finderOf(HEAD_END);

/** One field or file of a form. */
export interface Part {
  readonly name: string;
  /** Present for a file. */
  readonly filename: string | undefined;
  /** What lies in it. It must be read to its end or cancelled before the next part is asked for. */
  readonly body: ByteStream;
}

/** The boundary of a `multipart/form-data` content type; `undefined` for another type, or when there is none. */
export function multipartBoundary(contentType: string): string | undefined {
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(
    contentType,
  );
  return match?.[1] ?? match?.[2];
}

/**
 * Reads the parts of a `multipart/form-data` body one after the other, in memory that does not grow with them.
 * @throws {MalformedError} from the iterator and from part bodies: the body is cut off or no form; {TooLargeError}: the
 * head of a part, or what stands before the first, is over 8 KiB
 * @see RFC 7578, RFC 2046 section 5.1.1
 */
export async function* multipartParts(body: ByteStream, boundary: string): AsyncGenerator<Part, void, void> {
  const input = new DelimitedReader(byteReader(body), utf8(`\r\n--${boundary}`));
  try {
    await input.skipTo(HEAD_LIMIT_BYTES);
    while (await input.hasPart()) {
      const head = parseHead(await input.readHead());
      const partBody = byteStream(() => input.nextPiece());
      yield { ...head, body: partBody };
      await input.skipTo(Infinity);
    }
    await input.finish();
  } finally {
    await input.cancel();
  }
}

/** A window on the body that knows where the next delimiter is. */
class DelimitedReader {
  readonly #source: ByteReader;
  readonly #delimiter: Bytes;
  readonly #findDelimiter: (bytes: Bytes) => number;
  /** What has been read and not yet been taken. Begins with the line break that the first delimiter lacks. */
  #window: Bytes = CRLF;
  #atDelimiter = false;
  #ended = false;

  constructor(source: ByteReader, delimiter: Bytes) {
    this.#source = source;
    this.#delimiter = delimiter;
    this.#findDelimiter = finderOf(delimiter);
  }

  /** The next bytes of the present part; `undefined` when its delimiter is reached and passed. */
  async nextPiece(): Promise<Bytes | undefined> {
    if (this.#atDelimiter) return undefined;
    while (this.#window.byteLength < this.#delimiter.byteLength) await this.#readMore();
    const at = this.#findDelimiter(this.#window);
    this.#atDelimiter = at >= 0;
    return at >= 0 ? this.#takeLast(at) : this.#takeSafe();
  }

  /** What stands before the delimiter, which is passed. Nothing is left where it stands at the beginning. */
  #takeLast(at: number): Bytes | undefined {
    const piece = this.#window.slice(0, at);
    this.#window = this.#window.subarray(at + this.#delimiter.byteLength);
    return piece.byteLength > 0 ? piece : undefined;
  }

  /** All but the last bytes, with which a delimiter may begin. The buffer goes with them: only the rest is copied. */
  #takeSafe(): Bytes {
    const sizeBytes = this.#window.byteLength - this.#delimiter.byteLength + 1;
    const piece = this.#window.subarray(0, sizeBytes);
    this.#window = this.#window.slice(sizeBytes);
    return piece;
  }

  /** Gives the rest of the present part up. @throws {TooLargeError} past `limitBytes` */
  async skipTo(limitBytes: number): Promise<void> {
    let skipped = 0;
    for (let piece = await this.nextPiece(); piece !== undefined; piece = await this.nextPiece()) {
      skipped += piece.byteLength;
      if (skipped > limitBytes) throw new TooLargeError("The form has too much before its first part", limitBytes);
    }
  }

  /** Whether a part follows the delimiter, or the end of the form. */
  async hasPart(): Promise<boolean> {
    while (this.#window.byteLength < 2) await this.#readMore();
    return this.#window[0] !== HYPHEN || this.#window[1] !== HYPHEN;
  }

  /** The lines between a delimiter and the empty line. */
  async readHead(): Promise<string> {
    for (;;) {
      const at = findHeadEnd(this.#window);
      if (at > HEAD_LIMIT_BYTES || at < 0 && this.#window.byteLength > HEAD_LIMIT_BYTES + PIECE_BYTES) {
        throw new TooLargeError("A part of the form has too large a head", HEAD_LIMIT_BYTES);
      }
      if (at < 0) {
        await this.#readMore();
        continue;
      }
      const head = new TextDecoder().decode(this.#window.subarray(0, at));
      this.#window = this.#window.subarray(at + HEAD_END.byteLength);
      this.#atDelimiter = false;
      return head;
    }
  }

  /** Reads what stands after the last delimiter, so that the connection can be used again. */
  async finish(): Promise<void> {
    const piece = await this.#read(HEAD_LIMIT_BYTES);
    this.#ended = piece.byteLength < HEAD_LIMIT_BYTES;
  }

  async cancel(): Promise<void> {
    if (!this.#ended) await this.#source.cancel().catch(() => undefined); // the source may be what failed
  }

  async #readMore(): Promise<void> {
    const piece = await this.#read(PIECE_BYTES);
    if (piece.byteLength === 0) {
      this.#ended = true;
      throw new MalformedError("The form is cut off");
    }
    this.#window = concat(this.#window, piece);
    release(piece);
  }

  async #read(sizeBytes: number): Promise<Bytes> {
    try {
      return await this.#source.read(sizeBytes);
    } catch (error) {
      throw new MalformedError("The form is cut off", { cause: error });
    }
  }
}

/**
 * Finds where `needle` begins in bytes; -1 when it does not. Most of the time it looks at one byte in each length of the needle
 * (Horspool's search). No input makes it slow as long as the needle has its first byte only once, as a delimiter has.
 */
function finderOf(needle: Bytes): (bytes: Bytes) => number {
  const last = needle.byteLength - 1;
  const steps = new Array<number>(256).fill(needle.byteLength);
  needle.subarray(0, last).forEach((byte, index) => steps[byte] = last - index);
  const standsAt = (bytes: Bytes, at: number) => needle.every((byte, index) => bytes[at + index] === byte);
  return (bytes) => {
    for (let end = last; end < bytes.byteLength; end += steps[bytes[end] ?? 0] ?? 1) {
      if (bytes[end] === needle[last] && standsAt(bytes, end - last)) return end - last;
    }
    return -1;
  };
}

function parseHead(head: string): { name: string; filename: string | undefined } {
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(head)?.[1];
  const name = disposition && parameter(disposition, "name");
  if (name === undefined || name === "" || disposition === undefined) {
    throw new MalformedError("A part of the form has no name");
  }
  return { name, filename: parameter(disposition, "filename") };
}

/** The value of a parameter, with the escapes that browsers and curl use for `"` and line breaks. */
function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[;\\s])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, "i").exec(disposition);
  return match?.[2] ?? match?.[1]?.replace(/%22/g, '"').replace(/\\(["\\])/g, "$1");
}
