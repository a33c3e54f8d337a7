import { z } from "zod";
import { type Bytes, concat } from "../bytes.ts";
import { TAR_BLOCK_BYTES } from "../docker/tar.ts";
import { IntegrityError } from "../errors.ts";
import { type ByteStream, byteStream } from "../streams.ts";
import { missingImages, quotedList } from "./references.ts";
import { TarWalk } from "./tar_walk.ts";

const MANIFEST_NAME = "manifest.json";
/** Zeros behind the end of an archive; GNU tar fills up to 10 KiB. */
const TRAILER_LIMIT_BYTES = 1024 * 1024;

const manifestSchema = z.array(z.object({ RepoTags: z.array(z.string()).nullish() }));

/**
 * Lets an archive of `docker save` through and checks it on the way. Its end is held back until the source has ended
 * well and the archive's own list of images has been found to hold all that are expected, so that an engine that is cut
 * off on an error has never seen a whole archive.
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
  readonly #walk = new TarWalk(MANIFEST_NAME);
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
    const missing = missingImages(this.#expected, imagesOf(this.#walk.found));
    if (missing.length > 0) {
      throw new IntegrityError(`The archive is another one: it does not hold ${quotedList(missing)}`);
    }
    return this.#trailer;
  }
}

function imagesOf(manifest: Bytes | undefined): readonly string[] {
  try {
    const images = manifestSchema.parse(JSON.parse(new TextDecoder().decode(manifest)));
    return images.flatMap(({ RepoTags }) => RepoTags ?? []);
  } catch (error) {
    throw new IntegrityError(`The archive is not one of docker save: it has no ${MANIFEST_NAME} that can be read`, {
      cause: error,
    });
  }
}

function notAnArchive(cause: unknown): IntegrityError {
  return new IntegrityError("The archive cannot be opened: wrong key fragment, or not an image archive", { cause });
}

function damaged(cause?: unknown): IntegrityError {
  return new IntegrityError("The image archive is damaged", { cause });
}
