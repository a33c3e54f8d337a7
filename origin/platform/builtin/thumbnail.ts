import { TooLargeError } from "../../../lib/errors.ts";
import { collect, streamOf } from "../../../lib/streams.ts";
import type { Application } from "../application.ts";
import { ItemInputError, type ItemJob, onlyInput } from "../processor.ts";
import { PIXEL_LIMIT, readPicture, shrink, writePng } from "./picture.ts";

const SIDE_LIMIT_PX = 256;
const FILE_LIMIT_BYTES = 32 * 1024 ** 2;
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** The built-in application that gives a picture: a small one of a large one. */
export const THUMBNAIL_APPLICATION: Application = {
  applicationId: "thumbnail",
  name: "Thumbnail",
  description: `A PNG of at most ${SIDE_LIMIT_PX} × ${SIDE_LIMIT_PX} pixels of each PNG or JPEG.`,
  regulatoryClasses: ["RUO"],
  versions: [
    {
      number: "1.0.0",
      changelog: "First version.",
      releasedMs: Date.UTC(2026, 10, 24),
      inputArtifacts: [
        {
          name: "picture",
          mimeType: "image/png",
          metadataSchema: {
            $schema: DIALECT,
            type: "object",
            properties: {
              media_type: { enum: ["image/png", "image/jpeg"] },
              checksum_base64_crc32c: { type: "string", pattern: "^[A-Za-z0-9+/]{6}==$" },
            },
          },
        },
      ],
      outputArtifacts: [
        {
          name: "thumbnail",
          mimeType: "image/png",
          visibility: "EXTERNAL",
          metadataSchema: {
            $schema: DIALECT,
            type: "object",
            required: ["media_type", "checksum_base64_crc32c", "width_px", "height_px"],
            properties: {
              media_type: { const: "image/png" },
              checksum_base64_crc32c: { type: "string" },
              width_px: { type: "integer", minimum: 1, maximum: SIDE_LIMIT_PX },
              height_px: { type: "integer", minimum: 1, maximum: SIDE_LIMIT_PX },
            },
          },
        },
      ],
      documents: [
        {
          id: "5f0c1d0e-6d0b-4c60-9a3f-2f7f3f7f0002",
          name: "README.md",
          mimeType: "text/markdown",
          content: `# Thumbnail

For each item: a PNG of at most ${SIDE_LIMIT_PX} × ${SIDE_LIMIT_PX} pixels of its \`picture\`, a PNG (not interlaced) or a JPEG
of at most ${PIXEL_LIMIT / 1e6} million pixels and ${FILE_LIMIT_BYTES / 1024 ** 2} MiB.
`,
        },
      ],
    },
  ],
};

/** Reads the whole picture: it is small by then, or refused. */
export async function processThumbnail(job: ItemJob): Promise<void> {
  const picture = shrink(await readPicture(await wholeInput(job)), SIDE_LIMIT_PX);
  job.signal.throwIfAborted();
  const metadata = { width_px: picture.width, height_px: picture.height };
  await job.produce("thumbnail", streamOf(await writePng(picture)), metadata);
}

async function wholeInput(job: ItemJob) {
  try {
    return await collect(await onlyInput(job).open(), FILE_LIMIT_BYTES, "The picture");
  } catch (error) {
    if (error instanceof TooLargeError) throw new ItemInputError("INPUT.TOO_LARGE", error.message, { cause: error });
    throw error;
  }
}
