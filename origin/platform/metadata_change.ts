import { z } from "zod";
import { metadataChecksum, storedMetadata } from "./metadata.ts";
import { StaleChecksumError } from "./problems.ts";
import { jsonObject } from "./request.ts";

/** Body of the calls that replace metadata. */
export const metadataChange = z.object({
  custom_metadata: jsonObject.nullish(),
  custom_metadata_checksum: z.string().nullish(),
});

/**
 * What replaces the present metadata.
 * @throws {StaleChecksumError} the caller has named another state of them than the present one
 */
export function changeMetadata(
  present: unknown,
  { custom_metadata, custom_metadata_checksum: expected }: z.output<typeof metadataChange>,
): { stored: string | null; checksum: string | null } {
  if (expected !== null && expected !== undefined && expected !== metadataChecksum(present)) {
    throw new StaleChecksumError("The custom metadata were changed since they were read");
  }
  const stored = storedMetadata(custom_metadata);
  return { stored, checksum: metadataChecksum(stored) };
}
