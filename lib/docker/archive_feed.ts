import { InterruptedError } from "../errors.ts";
import { type ByteStream, byteStream } from "../streams.ts";

/**
 * An archive on its way into an engine as the body of a request. Only an archive that was read to its end gives the body
 * an orderly end: one that failed or was stopped makes the body fail, and so breaks the connection.
 */
export class ArchiveFeed {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #stopped = false;
  readonly body: ByteStream;
  /** What the archive failed with. */
  failure: unknown;
  /** Whether all of it has been read. */
  finished = false;

  constructor(archive: ByteStream) {
    this.#reader = archive.getReader();
    this.body = byteStream(() => this.#next(), () => this.stop());
  }

  /** Gives the rest up. */
  async stop(): Promise<void> {
    this.#stopped = true; // first: a cancelled reader looks like one at its end
    await this.#reader.cancel().catch(() => undefined); // it may be what failed
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const { value, done } = await this.#reader.read();
      if (this.#stopped) throw new InterruptedError();
      this.finished = done;
      return value;
    } catch (error) {
      if (!this.#stopped) this.failure = error;
      throw error;
    }
  }
}
