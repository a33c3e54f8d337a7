import { z } from "zod";
import { type Bytes, concat, utf8 } from "../bytes.ts";
import { tarHeader, tarPadding } from "../docker/tar.ts";
import { IntegrityError } from "../errors.ts";
import { type ArchivedImage, OciLayout } from "./oci_layout.ts";
import type { FileCollector } from "./tar_walk.ts";

const MANIFEST_NAME = "manifest.json";
const INDEX_NAME = "index.json";

const manifestSchema = z.array(z.object({ RepoTags: z.array(z.string()).nullish() }));

/** What an archive says of its images, and what must be added to it so that an engine understands it. */
export interface ImageListing {
  /** `name:tag` of each. */
  readonly references: readonly string[];
  /** Entry for the end of the archive; empty when it needs none. */
  readonly addition: Bytes;
}

/**
 * Collects the list of images that an archive carries: the `manifest.json` of `docker save`, or, where there is none, the
 * `index.json` of an OCI image layout with the manifests behind it.
 */
export class ImageList implements FileCollector {
  readonly #layout: OciLayout;
  #manifest: Bytes | undefined;
  #index: Bytes | undefined;

  /** @param architecture as Docker calls it: which image is meant where a name stands for several */
  constructor(architecture: string) {
    this.#layout = new OciLayout(architecture);
  }

  wants(path: string, sizeBytes: number): boolean {
    return path === MANIFEST_NAME || path === INDEX_NAME || this.#layout.wants(path, sizeBytes);
  }

  take(path: string, content: Bytes): void {
    if (path === MANIFEST_NAME) this.#manifest = content;
    else if (path === INDEX_NAME) this.#index = content;
    else this.#layout.take(path, content);
  }

  /** The list, once all of the archive has passed. @throws {IntegrityError} when there is none that can be read */
  read(): ImageListing {
    const images = this.#manifest === undefined && this.#index !== undefined
      ? this.#layout.images(this.#index)
      : undefined;
    if (images === undefined) return { references: referencesOf(this.#manifest), addition: new Uint8Array(0) };
    return { references: images.flatMap(({ RepoTags }) => RepoTags), addition: manifestEntry(images) };
  }
}

function referencesOf(manifest: Bytes | undefined): readonly string[] {
  try {
    const images = manifestSchema.parse(JSON.parse(new TextDecoder().decode(manifest)));
    return images.flatMap(({ RepoTags }) => RepoTags ?? []);
  } catch (error) {
    const reason = `it has no ${MANIFEST_NAME} that can be read, and is no OCI image layout`;
    throw new IntegrityError(`The archive is not one of docker save: ${reason}`, { cause: error });
  }
}

/** Engines before 25 know no OCI layout. They read the blobs all the same where a manifest in their own form names them. */
function manifestEntry(images: readonly ArchivedImage[]): Bytes {
  const content = utf8(JSON.stringify(images));
  return concat(tarHeader(MANIFEST_NAME, content.byteLength), content, tarPadding(content.byteLength));
}
