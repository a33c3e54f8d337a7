import { release } from "../bytes.ts";
import { IntegrityError, UnavailableError } from "../errors.ts";
import { byteReader } from "../streams.ts";
import type { PartialFile } from "../system/partial_file.ts";
import { DOWNLOAD_RETRY, type DownloadRequest, SEGMENT_BYTES, type TransferOptions } from "./download_request.ts";
import type { OpenedRange } from "./range_source.ts";
import { limitedStream } from "./rate_limit.ts";
import { withRetry } from "./retry.ts";

/** Where a whole download goes, and what of it has begun. */
export interface WholeDownload {
  readonly file: PartialFile;
  /** The first answer, where it is of all bytes. */
  readonly begun: OpenedRange | undefined;
}

/**
 * Downloads an object in one stream: its size or its version is not known, so that no range could be told to belong to the
 * one before. After a break all of it is asked for again. The file is not committed.
 */
export async function downloadWhole(
  request: DownloadRequest,
  options: TransferOptions,
  { file, begun: first }: WholeDownload,
): Promise<{ sizeBytes: number; fetchedBytes: number }> {
  let begun = first;
  let fetchedBytes = 0;
  const { clock, signal, retry: policy = DOWNLOAD_RETRY } = options;
  const sizeBytes = await withRetry(async () => {
    const answer = begun ?? await openWhole(request, signal);
    begun = undefined;
    file.forget();
    return await readWhole(request, { ...options, onBytes: (count) => fetchedBytes += count }, file, answer);
  }, { policy, clock, signal });
  return { sizeBytes, fetchedBytes };
}

async function openWhole({ sources: [source] }: DownloadRequest, signal: AbortSignal): Promise<OpenedRange> {
  if (source === undefined) throw new TypeError("A download needs a source");
  return await source.open(undefined, { signal });
}

async function readWhole(
  request: DownloadRequest,
  { limit, signal, onProgress, onBytes }: TransferOptions & { readonly onBytes: (count: number) => void },
  file: PartialFile,
  opened: OpenedRange,
): Promise<number> {
  const { path, name = path, segmentBytes = SEGMENT_BYTES, leadBytes = 0, verify, digest } = request;
  const reader = byteReader(limit === undefined ? opened.body : limitedStream(opened.body, limit, signal));
  const running = digest?.();
  let sizeBytes = 0;
  try {
    for (let index = 0;; index++) {
      const bytes = await reader.read(segmentBytes + (index === 0 ? leadBytes : 0));
      onBytes(bytes.byteLength);
      if (bytes.byteLength === 0) break;
      if (await verify?.(index, bytes) === false) throw wrong(name, `segment ${index} is not what it must be`);
      file.writeAt(sizeBytes, bytes);
      running?.update(bytes);
      sizeBytes += bytes.byteLength;
      release(bytes);
      onProgress?.(sizeBytes, opened.totalBytes);
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it has failed, or it is read to its end
  }
  if (sizeBytes !== (opened.totalBytes ?? sizeBytes)) {
    throw new UnavailableError("CDN", `Cannot download "${name}": the answer was broken off`);
  }
  if (running?.matches() === false) throw wrong(name, "all of it came, but its digest is wrong");
  return sizeBytes;
}

function wrong(name: string, why: string): IntegrityError {
  return new IntegrityError(`Cannot download "${name}": ${why}`);
}
