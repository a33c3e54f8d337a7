import type { Floors } from "../device/floors.ts";
import { IntegrityError, NotFoundError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { LoadResource } from "./load.ts";
import type { FindResource, OpenResource } from "./open_resource.ts";
import type { StageUpload } from "./upload.ts";

/** Which formats a device works with: what the server offers, or v1 whatever it offers. */
export type FormatSetting = "auto" | "v1";

/** What decides between the formats. */
export interface FormatChoice {
  readonly format: FormatSetting;
  /** Whether the server knows format v2. */
  readonly isOffered: (signal?: AbortSignal) => Promise<boolean>;
}

/**
 * Finds a resource in format v2 where the server offers it and has it, and in v1 otherwise; but what this device has once used in v2 it takes in
 * no other format, since whoever stands for the server could then leave out the publisher's signature.
 */
export function resourceFinder(
  { format, isOffered, v1, v2, floors }: FormatChoice & { v1: LoadResource; v2: FindResource; floors: Floors },
): FindResource {
  return async (request) => {
    if (format === "v1") return await foundInV1(v1, request);
    try {
      if (await isOffered(request.signal)) return await v2(request);
    } catch (error) {
      if (!(error instanceof NotFoundError) || request.version !== undefined) throw error;
    }
    await refuseKnownInV2(floors, request);
    return await foundInV1(v1, request);
  };
}

/** A loader of whole resources, over a finder. A caller's own key is one of format v1. */
export function wholeLoader(find: FindResource, v1: LoadResource): LoadResource {
  return async (request) => {
    if (request.key !== undefined) return await v1(request);
    const { open, sizeBytes, etag, standing } = await find(request);
    return { ...await open(), sizeBytes, etag, version: standing?.version };
  };
}

/** Publishes in format v2 where the server offers it and this device has a publisher's key; in v1 otherwise, which is logged. */
export function uploadChooser(
  { format, isOffered, v1, v2, log }: FormatChoice & { v1: StageUpload; v2: StageUpload | undefined; log: Logger },
): StageUpload {
  return async (data, options = {}) => {
    if (format === "v1" || options.key !== undefined || !await isOffered(options.signal)) {
      return await v1(data, options);
    }
    if (v2 !== undefined) return await v2(data, options);
    log.warning("upload_in_v1", { why: "The server offers format v2, but PUBLISHER_KEY_FILE is not set" });
    return await v1(data, options);
  };
}

async function refuseKnownInV2(floors: Floors, { folder, name }: { folder: string; name: string }): Promise<void> {
  if (await floors.seq({ folder, name }) === undefined) return;
  throw new IntegrityError(
    `Cannot load "${folder}/${name}": this device has used it in format v2, and the server has it no longer`,
    { step: "sequence" },
  );
}

async function foundInV1(load: LoadResource, request: Parameters<FindResource>[0]): Promise<OpenResource> {
  const { body, sizeBytes, etag, source } = await load(request);
  return {
    ...{ format: "v1", sizeBytes, etag, hasRanges: false },
    open: () => Promise.resolve({ body, source }),
    close: () => body.cancel(),
  };
}
