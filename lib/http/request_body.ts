import type { Bytes } from "../bytes.ts";
import { InterruptedError, MalformedError, TallyError, TooLargeError } from "../errors.ts";
import { type ByteStream, byteStream, streamOf } from "../streams.ts";
import { systemClock } from "../system/clock.ts";

const STALL_MS = 60_000;

/** Further limits of a body. */
export interface BodyLimits {
  /** Longest time for the whole of it; without it, a body of any size may go on as long as it moves. */
  readonly wholeMs?: number;
}

/**
 * The body of a request as a stream. It fails with `TooLargeError` past `limitBytes` (at once when the request declares
 * more), with `MalformedError` when the connection breaks, with `InterruptedError` when `cutOff` is aborted, and with the code
 * `timeout` when it keeps silent for a minute or takes longer than `wholeMs`.
 *
 * It is read without a buffer of ours (BYOB): the runtime fills one 20 times slower from a chunked body, at 50 MiB more.
 */
export function requestBody(
  request: Request,
  limitBytes: number,
  cutOff: AbortSignal,
  { wholeMs = Infinity }: BodyLimits = {},
): ByteStream {
  const tooLarge = () => new TooLargeError(`The body is larger than ${limitBytes} bytes`, limitBytes);
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge();
  if (request.body === null) return streamOf();
  const reader = request.body.getReader();
  const endMs = systemClock.now() + wholeMs;
  let sizeBytes = 0;
  return byteStream(async () => {
    const chunk = await nextChunk(reader, cutOff, Math.min(STALL_MS, endMs - systemClock.now()));
    sizeBytes += chunk?.byteLength ?? 0;
    if (sizeBytes <= limitBytes) return chunk;
    await reader.cancel();
    throw tooLarge();
  }, (reason) => reader.cancel(reason));
}

async function nextChunk(
  reader: ReadableStreamDefaultReader<Bytes>,
  cutOff: AbortSignal,
  limitMs: number,
): Promise<Bytes | undefined> {
  const ended = Promise.withResolvers<never>();
  const stop = () => ended.reject(new InterruptedError());
  const timer = setTimeout(() => ended.reject(new TallyError("timeout", "The body does not come in time")), limitMs);
  cutOff.addEventListener("abort", stop);
  try {
    const { value } = await Promise.race([reader.read(), ended.promise]);
    return value;
  } catch (cause) {
    if (cause instanceof TallyError) throw cause;
    throw new MalformedError("The connection broke off within the body", { cause });
  } finally {
    clearTimeout(timer);
    cutOff.removeEventListener("abort", stop);
  }
}
