import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { MalformedError, TooLargeError, UnsupportedMediaTypeError } from "../lib/errors.ts";
import { type ByteStream, byteStream } from "../lib/streams.ts";

/** A file of a form, while it comes in. */
export interface FormFile {
  /** As the sender wrote it: not to be trusted. `undefined` when it gave none. */
  readonly fileName: string | undefined;
  /** Fails when the form turns out to be cut off or too large. */
  readonly body: ByteStream;
}

/** How a form is read. */
export interface FormOptions {
  /** Name of the field with the file. Other files are passed over. */
  readonly fileField: string;
  readonly fileLimitBytes: number;
  /**
   * Called at most once, when the file begins; reads its body to the end. What it keeps is not final before
   * {@link readForm} has resolved: the form may still turn out to be cut off behind the file.
   */
  readonly onFile: (file: FormFile) => Promise<void>;
}

const FIELD_LIMIT_BYTES = 64 * 1024;
const PART_LIMIT = 16;
const HEADER_LIMIT_BYTES = 16 * 1024;

/**
 * Reads a `multipart/form-data` body (RFC 7578) as it comes, and resolves with its text fields when all of it has come
 * well. On an error the source is cancelled and `onFile` has ended.
 * @throws {UnsupportedMediaTypeError} another content type; {MalformedError} not a whole form, or the file twice;
 * {TooLargeError} a field over 64 KiB or the file over its limit; and the errors of `onFile`
 */
export async function readForm(
  source: ByteStream,
  contentType: string | undefined,
  options: FormOptions,
): Promise<ReadonlyMap<string, string>> {
  const form = new FormReading(contentType, options);
  const reader = source.getReader();
  try {
    return await form.read(reader);
  } catch (error) {
    await form.giveUp(error);
    await reader.cancel(error).catch(() => undefined); // the source may be the one that failed
    throw error;
  }
}

/** One pass of the parser over one form. */
class FormReading {
  readonly #parser: BusboyInstance;
  readonly #options: FormOptions;
  readonly #fields = new Map<string, string>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #finished = Promise.withResolvers<void>();
  #file: Readable | undefined;
  #receiving: Promise<void> | undefined;

  constructor(contentType: string | undefined, options: FormOptions) {
    this.#options = options;
    this.#parser = formParser(contentType);
    this.#failed.promise.catch(() => undefined); // reported by whoever waits for it; until then it must not count as unhandled
    const fail = this.#failed.reject;
    this.#parser
      .on("file", (field, stream, fileName) => this.#takeFile(field, stream, fileName))
      .on("field", (name, value, _nameCut, cut) => this.#takeField(name, value, cut))
      .on("partsLimit", () => fail(new TooLargeError(`The form has more than ${PART_LIMIT} parts`, PART_LIMIT)))
      .on("error", (cause) => fail(cutOff(cause)))
      .on("finish", () => this.#finished.resolve());
  }

  async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<ReadonlyMap<string, string>> {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      await this.#unlessFailed(this.#write(chunk.value));
    }
    this.#parser.end();
    await this.#unlessFailed(this.#finished.promise);
    await this.#receiving;
    return this.#fields;
  }

  async giveUp(reason: unknown): Promise<void> {
    this.#file?.destroy(reason instanceof Error ? reason : undefined);
    await Promise.allSettled([this.#receiving]);
  }

  #write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve) => void this.#parser.write(Buffer.from(chunk), () => resolve()));
  }

  #unlessFailed(work: Promise<void>): Promise<void> {
    return Promise.race([work, this.#failed.promise]);
  }

  #takeField(name: string, value: string, cut: boolean): void {
    if (cut) {
      this.#failed.reject(
        new TooLargeError(`The field "${name}" is larger than ${FIELD_LIMIT_BYTES} bytes`, FIELD_LIMIT_BYTES),
      );
    }
    this.#fields.set(name, value);
  }

  #takeFile(field: string, stream: Readable, fileName: string | undefined): void {
    stream.on("error", (cause) => this.#failed.reject(cutOff(cause)));
    if (field !== this.#options.fileField) return void stream.resume();
    if (this.#receiving !== undefined) {
      return this.#failed.reject(new MalformedError(`The form has more than one file in the field "${field}"`));
    }
    this.#file = stream;
    this.#receiving = this.#options.onFile({ fileName, body: fileBody(stream, this.#options.fileLimitBytes) });
    this.#receiving.catch(this.#failed.reject);
  }
}

function formParser(contentType: string | undefined): BusboyInstance {
  if (contentType === undefined || !/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    throw new UnsupportedMediaTypeError("The body must be multipart/form-data");
  }
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      preservePath: true, // a hostile name must be seen whole to be refused
      limits: { fieldSize: FIELD_LIMIT_BYTES, parts: PART_LIMIT, headerSize: HEADER_LIMIT_BYTES, headerPairs: 32 },
    });
  } catch (cause) {
    throw new MalformedError("The content type of the form has no boundary", { cause });
  }
}

function cutOff(cause: unknown): MalformedError {
  return new MalformedError("The form cannot be read: it is cut off or has another form than multipart/form-data", {
    cause,
  });
}

function fileBody(stream: Readable, limitBytes: number): ByteStream {
  const chunks = stream[Symbol.asyncIterator]();
  let sizeBytes = 0;
  return byteStream(async () => {
    const { value, done } = await chunks.next();
    if (done) return undefined;
    sizeBytes += value.byteLength;
    if (sizeBytes > limitBytes) throw new TooLargeError(`The file is larger than ${limitBytes} bytes`, limitBytes);
    return new Uint8Array(value); // the parser's chunks are views of its own buffers
  }, (reason) => void stream.destroy(reason instanceof Error ? reason : undefined));
}
