import type { Bytes } from "../bytes.ts";
import { InterruptedError, MalformedError, TallyError, TooLargeError } from "../errors.ts";
import { type ByteStream, byteStream, streamOf } from "../streams.ts";
import { systemClock } from "../system/clock.ts";

const STALL_MS = 60_000;
/** What has to come in each minute that is spent waiting: the slowest link that is waited for brings 256 bytes a second. */
const LEAST_BYTES_PER_STALL = 15 * 1024;

/** Further limits of a body. */
export interface BodyLimits {
  /** Longest time for the whole of it; without it, a body of any size may go on as long as it moves. */
  readonly wholeMs?: number;
  /** Longest silence; a minute unless given. */
  readonly stallMs?: number;
}

/**
 * The body of a request as a stream. It fails with `TooLargeError` past `limitBytes` (at once when the request declares
 * more), with `MalformedError` when the connection breaks, with `InterruptedError` when `cutOff` is aborted, and with the code
 * `timeout` when it keeps silent for a minute, brings less than 15 KiB in a minute of waiting for it, or takes longer than `wholeMs`.
 *
 * It is read without a buffer of ours (BYOB): the runtime fills one 20 times slower from a chunked body, at 50 MiB more.
 */
export function requestBody(
  request: Request,
  limitBytes: number,
  cutOff: AbortSignal,
  { wholeMs = Infinity, stallMs = STALL_MS }: BodyLimits = {},
): ByteStream {
  const tooLarge = () => new TooLargeError(`The body is larger than ${limitBytes} bytes`, limitBytes);
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge();
  if (request.body === null) return streamOf();
  const reader = request.body.getReader();
  const endMs = systemClock.now() + wholeMs;
  const pace = new Pace(stallMs);
  let sizeBytes = 0;
  return byteStream(async () => {
    const startMs = systemClock.now();
    const chunk = await nextChunk(reader, cutOff, Math.min(pace.leftMs, endMs - startMs));
    pace.came(chunk?.byteLength ?? 0, systemClock.now() - startMs);
    sizeBytes += chunk?.byteLength ?? 0;
    if (sizeBytes <= limitBytes) return chunk;
    await reader.cancel();
    throw tooLarge();
  }, (reason) => reader.cancel(reason));
}

/** How long a body may still be waited for: what came counts, and only the time in which it was waited for. */
class Pace {
  readonly #stallMs: number;
  #waitedMs = 0;
  #cameBytes = 0;

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  get leftMs(): number {
    return Math.max(0, this.#stallMs - this.#waitedMs);
  }

  came(sizeBytes: number, waitedMs: number): void {
    this.#cameBytes += sizeBytes;
    this.#waitedMs += Math.max(0, waitedMs);
    if (this.#cameBytes < LEAST_BYTES_PER_STALL) return;
    [this.#cameBytes, this.#waitedMs] = [0, 0];
  }
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
