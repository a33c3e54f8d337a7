import { Crc32c } from "../../lib/crc32c.ts";
import { NotFoundError, NotSignedInError } from "../../lib/errors.ts";
import { type ByteStream, watched } from "../../lib/streams.ts";
import type { ObjectFolder } from "../object_store.ts";
import { ItemInputError } from "./processor.ts";
import type { JsonObject } from "./request.ts";
import type { SignedFiles } from "./signed_files.ts";

/** Which input is read. */
export interface InputRequest {
  readonly url: URL;
  /** As they came with it: `checksum_base64_crc32c` is checked where there is one. */
  readonly metadata: JsonObject;
  readonly signal: AbortSignal;
}

/** Gets a file from anywhere else. @throws {ItemInputError} */
export type FetchInput = (url: URL, signal: AbortSignal) => Promise<ByteStream>;

/** The names under which clients send the checksum. */
const CHECKSUM_KEYS = ["checksum_base64_crc32c", "checksum_crc32c"] as const;

/** Opens the inputs of items: files that were sent to this origin, and those of other servers. */
export class InputSource {
  readonly #files: SignedFiles;
  readonly #objects: ObjectFolder;
  readonly #fetchInput: FetchInput;

  constructor({ files, objects, fetchInput }: {
    readonly files: SignedFiles;
    readonly objects: ObjectFolder;
    readonly fetchInput: FetchInput;
  }) {
    this.#files = files;
    this.#objects = objects;
    this.#fetchInput = fetchInput;
  }

  /** The bytes of an input; they fail at their end when they have another checksum. @throws {ItemInputError} */
  async open({ url, metadata, signal }: InputRequest): Promise<ByteStream> {
    const body = this.#files.isOwn(url) ? await this.#openOwn(url) : await this.#fetchInput(url, signal);
    const expected = CHECKSUM_KEYS.map((key) => metadata[key]).find((value) => typeof value === "string");
    return expected === undefined ? body : checked(body, expected);
  }

  async #openOwn(url: URL): Promise<ByteStream> {
    try {
      const { object } = this.#files.permitOf("GET", url);
      return (await this.#objects.open(object, ({ sizeBytes }) => ({ start: 0, end: sizeBytes }))).body;
    } catch (error) {
      if (!(error instanceof NotFoundError || error instanceof NotSignedInError)) throw error;
      const reason = error instanceof NotFoundError ? "nothing was sent to its URL" : "its URL is wrong or has expired";
      throw new ItemInputError("INPUT.NOT_FETCHED", `The input cannot be read: ${reason}`, { cause: error });
    }
  }
}

function checked(body: ByteStream, expected: string): ByteStream {
  const crc32c = new Crc32c();
  return watched(body, {
    look: (chunk) => crc32c.update(chunk),
    end() {
      if (crc32c.base64() === expected) return;
      throw new ItemInputError("INPUT.CHECKSUM_MISMATCH", "The input does not have the CRC-32C of its metadata");
    },
  });
}
