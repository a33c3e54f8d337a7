import { createHash } from "node:crypto";
import { z } from "zod";
import { type Bytes, jsonValue } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";

/** An image of an archive in the words of `docker save`: paths in the archive, and the names `name:tag`. */
export interface ArchivedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/** Manifests and indexes are far smaller; what is larger is a layer. */
const DOCUMENT_LIMIT_BYTES = 256 * 1024;
/** An index may name another one; more levels have no meaning. */
const LEVELS_LIMIT = 8;
/** Of all images together, each name with its own list: a small index could stand for any number otherwise. */
const LAYERS_LIMIT = 16 * 1024;
/** Of all manifests and indexes together. */
const DOCUMENTS_LIMIT_BYTES = 4 * 1024 * 1024;
const BLOB_PATH = /^blobs\/(sha256|sha512)\/([0-9a-f]{64,128})$/;
const JSON_START = "{".charCodeAt(0);
/** Platform of what is no image, such as an attestation. */
const NO_PLATFORM = "unknown";
/** Annotations that name an image; the first is a whole name, the second may be a tag alone. */
const NAME_ANNOTATIONS = ["io.containerd.image.name", "org.opencontainers.image.ref.name"] as const;
const TAGGED_NAME = /^[^@:]+(:\d+\/[^@:]+)?:[\w][\w.-]{0,127}$/;

const descriptorSchema = z.object({
  digest: z.string().regex(/^(sha256|sha512):[0-9a-f]{64,128}$/),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: z.object({ os: z.string(), architecture: z.string() }).nullish(),
});
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });
const indexSchema = z.object({ manifests: z.array(descriptorSchema) });

type Descriptor = z.infer<typeof descriptorSchema>;
type Manifest = z.infer<typeof manifestSchema>;

/**
 * Finds the images of an OCI image layout while its files pass. Only manifests and indexes are kept, and only those
 * whose digest is right.
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export class OciLayout {
  readonly #architecture: string;
  readonly #manifests = new Map<string, Manifest>();
  readonly #indexes = new Map<string, readonly Descriptor[]>();
  #keptBytes = 0;

  /** @param architecture as Docker calls it: which image is meant where a name stands for several */
  constructor(architecture: string) {
    this.#architecture = architecture;
  }

  /** Whether a file of this path and size may be a manifest or an index. */
  wants(path: string, sizeBytes: number): boolean {
    return sizeBytes <= DOCUMENT_LIMIT_BYTES && BLOB_PATH.test(path);
  }

  /** Takes a file that is wanted. @throws {IntegrityError} when there are too many */
  take(path: string, content: Bytes): void {
    const [, algorithm, hex] = BLOB_PATH.exec(path) ?? [];
    if (algorithm === undefined || content[0] !== JSON_START) return;
    const document = jsonValue(content);
    const manifest = manifestSchema.safeParse(document).data;
    const index = indexSchema.safeParse(document).data;
    if ((manifest ?? index) === undefined || createHash(algorithm).update(content).digest("hex") !== hex) return;
    this.#keptBytes += content.byteLength;
    if (this.#keptBytes > DOCUMENTS_LIMIT_BYTES) throw tooMany();
    if (manifest !== undefined) this.#manifests.set(`${algorithm}:${hex}`, manifest);
    else if (index !== undefined) this.#indexes.set(`${algorithm}:${hex}`, index.manifests);
  }

  /** The images that have a name. `undefined` when `indexJson`, the content of `index.json`, is none. @throws {IntegrityError} too many */
  images(indexJson: Bytes): ArchivedImage[] | undefined {
    const index = indexSchema.safeParse(jsonValue(indexJson)).data;
    if (index === undefined) return undefined;
    const images: ArchivedImage[] = [];
    let layers = 0;
    for (const [name, descriptors] of Map.groupBy(index.manifests, nameOf)) {
      const manifest = name === undefined ? undefined : this.#resolve(descriptors);
      if (name === undefined || manifest === undefined) continue;
      layers += 1 + manifest.layers.length;
      if (layers > LAYERS_LIMIT) throw tooMany();
      images.push(archived(name, manifest));
    }
    return images;
  }

  #resolve(descriptors: readonly Descriptor[], level = 1): Manifest | undefined {
    const images = descriptors.filter(({ platform }) => platform?.os !== NO_PLATFORM);
    const ours = images.find(({ platform }) =>
      platform?.os === "linux" && platform.architecture === this.#architecture
    );
    const [only, ...others] = images;
    const digest = (ours ?? (others.length === 0 ? only : undefined))?.digest ?? "";
    const index = this.#indexes.get(digest); // cannot name itself: it would have to hold its own digest
    if (index === undefined) return this.#manifests.get(digest);
    return level < LEVELS_LIMIT ? this.#resolve(index, level + 1) : undefined;
  }
}

function tooMany(): IntegrityError {
  return new IntegrityError("The archive describes too many images");
}

function nameOf({ annotations }: Descriptor): string | undefined {
  return NAME_ANNOTATIONS.map((key) => annotations?.[key]).find((name) => name !== undefined && TAGGED_NAME.test(name));
}

function archived(name: string, { config, layers }: Manifest): ArchivedImage {
  return { Config: blobPath(config), RepoTags: [name], Layers: layers.map(blobPath) };
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/${digest.replace(":", "/")}`;
}
