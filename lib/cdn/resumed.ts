import { UnavailableError } from "../errors.ts";
import { type RetryPolicy, withRetry } from "../http/retry.ts";
import { type ByteStream, byteStream } from "../streams.ts";
import type { Clock } from "../system/clock.ts";

/** About half a minute of silence, if it must be; each piece that comes starts the count anew. */
const RETRY: RetryPolicy = { attempts: 6, baseDelayMs: 500, maxDelayMs: 15_000 };

/** What a stream is taken up again with. */
export interface ResumeOptions {
  /** Bytes in all. */
  readonly sizeBytes: number;
  /** Opens the same bytes from `start` on. */
  readonly open: (start: number) => Promise<ByteStream>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** The bytes of a stream, which is taken up again where it breaks off. It fails with the error of the last attempt, or of one that is not passing. */
export function resumed(stream: ByteStream, { sizeBytes, open, clock, signal }: ResumeOptions): ByteStream {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined = stream.getReader();
  let position = 0;
  const close = async (reason?: unknown) => {
    const given = reader;
    reader = undefined;
    await given?.cancel(reason).catch(() => undefined); // it may be what failed
  };
  const next = async () => {
    try {
      reader ??= (await open(position)).getReader();
      const { value, done } = await reader.read();
      if (done && position < sizeBytes) throw new UnavailableError("CDN", "The CDN broke an answer off");
      position += value?.byteLength ?? 0;
      return value;
    } catch (error) {
      await close(error);
      if (position >= sizeBytes) return undefined; // all of it is there
      throw error;
    }
  };
  return byteStream(() => withRetry(next, { policy: RETRY, clock, signal }), close);
}
