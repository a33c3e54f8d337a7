import { createHash } from "node:crypto";
import { type Bytes, utf8 } from "../bytes.ts";
import type { ByteStream } from "../streams.ts";
import { TAR_BLOCK_BYTES, tarEnd, tarHeader, tarPadding } from "./tar.ts";

/** What an archive of scratch images holds. */
export interface ScratchArchiveOptions {
  /** `name:tag` of each image. */
  readonly references: readonly string[];
  /** As Docker calls it. */
  readonly architecture: "amd64" | "arm64";
  /** Bytes of filling in each image; none when it is left out. */
  readonly payloadBytes?: number;
}

const PAYLOAD_PIECE_BYTES = 256 * 1024;
const EPOCH = "1970-01-01T00:00:00Z";
const FILE_NAME = "name.txt";
const PAYLOAD_NAME = "payload.bin";

interface ScratchImage {
  readonly reference: string;
  readonly layerPath: string;
  readonly configPath: string;
  readonly config: Bytes;
}

/**
 * A real archive in the form of `docker save`, of tiny images that hold one file with their name, and filling. It is
 * made as it is read: its size does not count in memory. Equal options give equal bytes.
 */
export function scratchArchive(options: ScratchArchiveOptions): ByteStream {
  return ReadableStream.from(archive(options));
}

async function* archive({ references, architecture, payloadBytes = 0 }: ScratchArchiveOptions): AsyncGenerator<Bytes> {
  const images: ScratchImage[] = [];
  for (const reference of references) {
    const layerPath = `${sha256Hex(utf8(reference))}/layer.tar`;
    const digest = createHash("sha256");
    yield tarHeader(layerPath, layerSize(reference, payloadBytes));
    for (const piece of layer(reference, payloadBytes)) {
      digest.update(piece);
      yield piece;
    }
    images.push(scratchImage(reference, layerPath, digest.digest("hex"), architecture));
  }
  for (const { configPath, config } of images) yield* file(configPath, config);
  yield* file("manifest.json", utf8(JSON.stringify(images.map(manifestEntry))));
  yield tarEnd();
}

function* layer(reference: string, payloadBytes: number): Generator<Bytes> {
  yield* file(FILE_NAME, utf8(`${reference}\n`));
  if (payloadBytes > 0) {
    yield tarHeader(PAYLOAD_NAME, payloadBytes);
    const filling = payloadPiece(reference);
    for (let left = payloadBytes; left > 0; left -= PAYLOAD_PIECE_BYTES) {
      yield filling.slice(0, Math.min(left, PAYLOAD_PIECE_BYTES));
    }
    yield tarPadding(payloadBytes);
  }
  yield tarEnd();
}

/** A multiple of the block size, so that the layer needs no padding in the archive. */
function layerSize(reference: string, payloadBytes: number): number {
  const contents = [utf8(`${reference}\n`).byteLength, ...(payloadBytes > 0 ? [payloadBytes] : [])];
  const files = contents.map((size) => TAR_BLOCK_BYTES + size + tarPadding(size).byteLength);
  return files.reduce((sum, size) => sum + size, tarEnd().byteLength);
}

/** Bytes that do not compress, another sequence for each image (xorshift32). */
function payloadPiece(reference: string): Bytes {
  let state = parseInt(sha256Hex(utf8(reference)).slice(0, 8), 16) | 1;
  const words = new Uint32Array(PAYLOAD_PIECE_BYTES / 4);
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

function scratchImage(reference: string, layerPath: string, diffId: string, architecture: string): ScratchImage {
  const config = utf8(JSON.stringify({
    architecture,
    os: "linux",
    created: EPOCH,
    config: { Cmd: [`/${FILE_NAME}`] },
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
    history: [{ created: EPOCH, created_by: `COPY ${FILE_NAME} /` }],
  }));
  return { reference, layerPath, config, configPath: `${sha256Hex(config)}.json` };
}

function manifestEntry({ reference, configPath, layerPath }: ScratchImage) {
  return { Config: configPath, RepoTags: [reference], Layers: [layerPath] };
}

function* file(name: string, content: Bytes): Generator<Bytes> {
  const padding = tarPadding(content.byteLength); // a reader may take the content's buffer for good
  yield tarHeader(name, content.byteLength);
  yield content;
  yield padding;
}

function sha256Hex(bytes: Bytes): string {
  return createHash("sha256").update(bytes).digest("hex");
}
