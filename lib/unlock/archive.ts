import { type Bytes, concat } from "../bytes.ts";
import { TAR_BLOCK_BYTES } from "../docker/tar.ts";
import { IntegrityError } from "../errors.ts";
import { type ByteStream, byteStream } from "../streams.ts";
import { ImageList } from "./image_list.ts";
import { missingImages, quotedList } from "./references.ts";
import { TarWalk } from "./tar_walk.ts";

/** Zeros behind the end of an archive; GNU tar fills up to 10 KiB. */
const TRAILER_LIMIT_BYTES = 1024 * 1024;

/**
 * Lets an image archive through and checks it on the way: one of `docker save`, or an OCI image layout, which gets the
 * list of images that `docker save` would have written as its last file, since older engines cannot do without.
 *
 * Its end is held back until the source has ended well and the archive's own list of images has been found to hold all
 * that are expected, so that an engine that is cut off on an error has never seen a whole archive.
 *
 * The stream fails with {@link IntegrityError} when the data is no such archive (a wrong key gives garbage), when it was
 * cut off, or when it holds other images.
 *
 * @param expected `name:tag` of every image that must be in it
 */
export function checkedArchive(source: ByteStream, expected: readonly string[]): ByteStream {
  const reader = source.getReader();
  const check = new ArchiveCheck(expected);
  return byteStream(async () => {
    try {
      const { value, done } = await reader.read();
      return done ? check.end() : check.pass(value);
    } catch (error) {
      await reader.cancel(error).catch(() => undefined); // the source may be the one that failed
      throw error;
    }
  }, (reason) => reader.cancel(reason));
}

class ArchiveCheck {
  readonly #expected: readonly string[];
  readonly #images = new ImageList(hostArchitecture());
  readonly #walk = new TarWalk(this.#images);
  #trailer: Bytes = new Uint8Array(0);
  #over = false;

  constructor(expected: readonly string[]) {
    this.#expected = expected;
  }

  /** The part of a chunk that may leave now; it can be empty. */
  pass(chunk: Bytes): Bytes {
    const passing = this.#take(chunk);
    if (passing === chunk.byteLength) return chunk;
    this.#trailer = concat(this.#trailer, chunk.subarray(passing));
    if (this.#trailer.byteLength > TRAILER_LIMIT_BYTES) throw damaged();
    return chunk.subarray(0, passing);
  }

  #take(chunk: Bytes): number {
    try {
      return this.#walk.take(chunk);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      throw this.#walk.begun ? damaged(error) : notAnArchive(error);
    }
  }

  /** What was held back, once the source has ended; then nothing more. */
  end(): Bytes | undefined {
    if (this.#over) return undefined;
    this.#over = true;
    if (this.#walk.endBytes < 2 * TAR_BLOCK_BYTES) {
      throw new IntegrityError("The image archive was cut off");
    }
    if (this.#trailer.some((byte) => byte !== 0)) throw damaged();
    const { references, addition } = this.#images.read();
    const missing = missingImages(this.#expected, references);
    if (missing.length > 0) {
      throw new IntegrityError(`The archive is another one: it does not hold ${quotedList(missing)}`);
    }
    return addition.byteLength === 0 ? this.#trailer : concat(addition, this.#trailer);
  }
}

/** As Docker calls it. */
function hostArchitecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : "amd64";
}

function notAnArchive(cause: unknown): IntegrityError {
  return new IntegrityError("The archive cannot be opened: wrong key fragment, or not an image archive", { cause });
}

function damaged(cause?: unknown): IntegrityError {
  return new IntegrityError("The image archive is damaged", { cause });
}
