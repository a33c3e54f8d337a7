import { type Bytes, utf8 } from "../lib/bytes.ts";
import { byteReader, type ByteStream, byteStream } from "../lib/streams.ts";

const PIECE_BYTES = 256 * 1024;

/** A file that goes with a form. */
export interface FormFile {
  readonly field: string;
  readonly name: string;
  readonly data: ByteStream;
  /** Exact size of `data`. */
  readonly sizeBytes: number;
}

/** A `multipart/form-data` body (RFC 7578) that is made while it is sent. */
export interface MultipartForm {
  readonly contentType: string;
  readonly body: ByteStream;
  /** Exact size of `body`. */
  readonly sizeBytes: number;
}

/**
 * A form with text fields and one file, of which only a piece is in memory at a time. Fields come first.
 * @throws {TypeError} when a name could break out of its header; the body fails when the file is not as long as it was said
 */
export function multipartForm(
  { fields, file, boundary = crypto.randomUUID() }: {
    fields: Readonly<Record<string, string>>;
    file: FormFile;
    boundary?: string;
  },
): MultipartForm {
  const texts = Object.entries(fields).map(([name, value]) => `${partHead(boundary, quoted(name))}\r\n${value}\r\n`);
  const fileHead = `${partHead(boundary, `${quoted(file.field)}; filename=${quoted(file.name)}`)}` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const head = utf8(texts.join("") + fileHead);
  const tail = utf8(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: formBody(file, head, tail),
    sizeBytes: head.byteLength + file.sizeBytes + tail.byteLength,
  };
}

function partHead(boundary: string, name: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; name=${name}\r\n`;
}

function quoted(name: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/["\\\x00-\x1f\x7f]/.test(name)) throw new TypeError(`A form cannot hold the name ${JSON.stringify(name)}`);
  return `"${name}"`;
}

function formBody(file: FormFile, head: Bytes, tail: Bytes): ByteStream {
  const reader = byteReader(file.data);
  const frame = [head, tail];
  let leftBytes = file.sizeBytes;
  return byteStream(async () => {
    if (frame.length === 2) return frame.shift();
    if (frame.length === 0) return undefined;
    const piece = await reader.read(PIECE_BYTES);
    leftBytes -= piece.byteLength;
    if (leftBytes < 0 || (piece.byteLength === 0 && leftBytes > 0)) throw changed(file.name);
    return piece.byteLength > 0 ? piece : frame.shift();
  }, (reason) => reader.cancel(reason));
}

function changed(name: string): Error {
  return new Error(`"${name}" changed its size while it was read`);
}
