import type { Bytes } from "../bytes.ts";
import { byteReader, type ByteStream, byteStream } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import type { HttpClient, HttpRequest } from "./client.ts";

/** What a bucket holds at most: this long a silence is made up for, no longer. */
const BURST_MS = 100;
const LEAST_PIECE_BYTES = 1024;
const LARGEST_PIECE_BYTES = 256 * 1024;
const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/**
 * Bytes per second of a limit such as `500K` or `2M`; K, M and G are powers of 1024, as curl takes them.
 * @throws {Error} whose message completes "NAME …"
 */
export function parseRate(text: string): number {
  const [, figure = "", unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)([KMG]?)$/i.exec(text) ?? [];
  const bytesPerSecond = Math.floor(Number(figure || NaN) * (UNITS[unit.toUpperCase()] ?? NaN));
  if (bytesPerSecond >= 1024 && Number.isSafeInteger(bytesPerSecond)) return bytesPerSecond;
  throw new Error("must be bytes a second such as 500K or 2M, and at least 1K");
}

/** A token bucket: all that is taken from it, by however many streams, keeps to one rate. */
export class RateLimit {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #freeAtMs = -Infinity;
  /** Taken by those who still wait. */
  #waitingBytes = 0;

  /** The rate counts from the first byte that is taken. */
  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** What one piece should have, so that the flow is even. */
  get pieceBytes(): number {
    const even = Math.floor(this.#bytesPerSecond * BURST_MS / 1000);
    return Math.min(LARGEST_PIECE_BYTES, Math.max(LEAST_PIECE_BYTES, even));
  }

  /** Resolves when `sizeBytes` more may pass; who asks first is served first. */
  async take(sizeBytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    const owedMs = this.#waitingBytes / this.#bytesPerSecond * 1000;
    const freeAtMs = Math.min(this.#freeAtMs, nowMs + owedMs); // it is later only when the clock was set back
    const startMs = Math.max(freeAtMs, nowMs - BURST_MS);
    this.#freeAtMs = startMs + sizeBytes / this.#bytesPerSecond * 1000;
    if (this.#freeAtMs <= nowMs) return;
    this.#waitingBytes += sizeBytes;
    try {
      await this.#clock.sleep(this.#freeAtMs - nowMs, signal);
    } finally {
      this.#waitingBytes -= sizeBytes;
    }
  }
}

/** The same bytes, not faster than the limit. */
export function limitedStream(stream: ByteStream, limit: RateLimit, signal?: AbortSignal): ByteStream {
  const reader = byteReader(stream);
  return byteStream(async () => {
    const piece = await reader.read(limit.pieceBytes, 1);
    if (piece.byteLength === 0) return undefined;
    await limit.take(piece.byteLength, signal);
    return piece;
  }, (reason) => reader.cancel(reason));
}

/** A client whose bodies, sent and received, keep to the limit together. Without a limit it is the client itself. */
export function limitedClient(client: HttpClient, limit: RateLimit | undefined): HttpClient {
  if (limit === undefined) return client;
  return async (url, request = {}) => {
    const answer = await client(url, { ...request, ...limitedBody(request, limit) });
    return { ...answer, body: limitedStream(answer.body, limit, request.signal) };
  };
}

/** Forms are left as they are: they hold kilobytes. */
function limitedBody({ body, signal }: HttpRequest, limit: RateLimit): Pick<HttpRequest, "body" | "bodyBytes"> {
  if (body instanceof ReadableStream) return { body: limitedStream(body, limit, signal) };
  if (!(body instanceof Uint8Array)) return {};
  return { body: limitedStream(piecesOf(body, limit.pieceBytes), limit, signal), bodyBytes: body.byteLength };
}

/** Copies, since whoever reads a piece gives its memory back. */
function piecesOf(bytes: Bytes, pieceBytes: number): ByteStream {
  let offset = 0;
  return byteStream(() => {
    const piece = bytes.slice(offset, offset + pieceBytes);
    offset += piece.byteLength;
    return Promise.resolve(piece.byteLength === 0 ? undefined : piece);
  });
}
