import { InvalidInputError, MalformedError, TooLargeError, UnsupportedMediaTypeError } from "../errors.ts";
import { type ByteStream, collect, watched } from "../streams.ts";
import { multipartBoundary, multipartParts, type Part } from "./multipart.ts";

const FIELD_LIMIT_BYTES = 1024;
const FIELDS_LIMIT = 8;

/** The text fields of a form that have come so far. */
export type Fields = ReadonlyMap<string, string>;

/** A form that has been read to its end. */
export interface Form<T> {
  readonly fields: Fields;
  /** What `receive` made of the file; `undefined` when none came. */
  readonly file: T | undefined;
}

/** What is expected of a form. */
export interface FormRules<T> {
  /** Name of the only field that may hold a file, and only one. */
  readonly fileField: string;
  readonly fileLimitBytes?: number;
  /**
   * Takes the file while it comes in, and sets the pace: no more is read from the sender than it has taken. Called at most
   * once; it must read to the end or fail. The stream fails when the form turns out to be cut off or the file too large;
   * what has been made of it is not final before {@link readForm} has resolved.
   */
  readonly receive: (body: ByteStream, filename: string, fieldsBefore: Fields) => Promise<T>;
}

/**
 * Reads a `multipart/form-data` body with at most one file, in memory that does not grow with it. When it fails, `receive`
 * has settled before.
 * @throws {UnsupportedMediaTypeError} another content type; {MalformedError} cut off or no form at all;
 * {InvalidInputError} a second file, a file in another field, or a field twice; {TooLargeError} a field over 1 KiB, too many
 * of them, or a file over its limit; and what `receive` throws
 * @see RFC 7578
 */
export async function readForm<T>(body: ByteStream, contentType: string, rules: FormRules<T>): Promise<Form<T>> {
  const fields = new Map<string, string>();
  let file: { received: T } | undefined;
  for await (const part of multipartParts(body, boundaryOf(contentType))) {
    if (part.filename === undefined) {
      await addField(fields, part);
      continue;
    }
    if (part.name !== rules.fileField || file !== undefined) {
      throw new InvalidInputError(part.name, `The form must have exactly one file, in the field "${rules.fileField}"`);
    }
    file = { received: await rules.receive(limited(part.body, rules.fileLimitBytes), part.filename, new Map(fields)) };
  }
  return { fields, file: file?.received };
}

function boundaryOf(contentType: string): string {
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    throw new UnsupportedMediaTypeError("The body must be multipart/form-data");
  }
  const boundary = multipartBoundary(contentType);
  if (boundary === undefined) throw new MalformedError("The content type of the form names no boundary");
  return boundary;
}

async function addField(fields: Map<string, string>, { name, body }: Part): Promise<void> {
  if (fields.has(name)) throw new InvalidInputError(name, "A field comes twice in the form");
  if (fields.size === FIELDS_LIMIT) throw new TooLargeError("The form has too many fields", FIELDS_LIMIT);
  fields.set(name, new TextDecoder().decode(await collect(body, FIELD_LIMIT_BYTES, "A field of the form")));
}

function limited(body: ByteStream, limitBytes = Infinity): ByteStream {
  let sizeBytes = 0;
  return watched(body, {
    look(chunk) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > limitBytes) throw new TooLargeError(`The file is larger than ${limitBytes} bytes`, limitBytes);
    },
  });
}
