import { createHash } from "node:crypto";
import { utf8 } from "../../../lib/bytes.ts";
import { Crc32c } from "../../../lib/crc32c.ts";
import { consume, streamOf } from "../../../lib/streams.ts";
import type { Application } from "../application.ts";
import { type ItemJob, onlyInput } from "../processor.ts";

/** The built-in application that says what a file is: its size and checksums. */
export const CHECKSUM_APPLICATION: Application = {
  applicationId: "checksum",
  name: "Checksum",
  description: "Size, SHA-256 and CRC-32C of each file, as JSON.",
  regulatoryClasses: ["RUO"],
  versions: [
    {
      number: "1.0.0",
      changelog: "First version.",
      releasedMs: Date.UTC(2026, 10, 24),
      inputArtifacts: [
        {
          name: "file",
          mimeType: "application/octet-stream",
          metadataSchema: {
            $schema: "https://json-schema.org/draft/2020-12/schema",
            type: "object",
            properties: {
              checksum_base64_crc32c: { type: "string", pattern: "^[A-Za-z0-9+/]{6}==$" },
              media_type: { type: "string", maxLength: 255 },
            },
          },
        },
      ],
      outputArtifacts: [
        {
          name: "checksums",
          mimeType: "application/json",
          visibility: "EXTERNAL",
          metadataSchema: {
            $schema: "https://json-schema.org/draft/2020-12/schema",
            type: "object",
            required: ["media_type", "checksum_base64_crc32c"],
            properties: { media_type: { const: "application/json" }, checksum_base64_crc32c: { type: "string" } },
          },
        },
      ],
      documents: [
        {
          id: "5f0c1d0e-6d0b-4c60-9a3f-2f7f3f7f0001",
          name: "README.md",
          mimeType: "text/markdown",
          content: '# Checksum\n\nFor each item: `{"size_bytes", "sha256" (hex), "crc32c" (base64)}` of its `file`.\n',
        },
      ],
    },
  ],
};

/** Reads the file once, piece by piece. */
export async function processChecksum(job: ItemJob): Promise<void> {
  const sha256 = createHash("sha256");
  const crc32c = new Crc32c();
  let sizeBytes = 0;
  await consume(await onlyInput(job).open(), (chunk) => {
    job.signal.throwIfAborted();
    sha256.update(chunk);
    crc32c.update(chunk);
    sizeBytes += chunk.byteLength;
  });
  const sums = { size_bytes: sizeBytes, sha256: sha256.digest("hex"), crc32c: crc32c.base64() };
  await job.produce("checksums", streamOf(utf8(`${JSON.stringify(sums)}\n`)));
}
