import type { Bytes } from "../bytes.ts";
import { type ByteStream, byteStream } from "../streams.ts";

/** What is made piece by piece, each piece in a call of its own. */
export interface PieceWork {
  /**
   * Starts the next piece, and returns once its input has been read; `undefined` when there is none. Called one at a time. The promise inside
   * becomes the piece, and its failure, or that of the call, the failure of the stream, when all before it have left.
   */
  start(): Promise<{ readonly piece: Promise<Bytes> } | undefined>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * The pieces in their order as a stream, `limit` of them in flight: nothing more is started until the reader takes one. They are
 * started behind the reader, who waits for the piece at its turn alone, and never for the input of a later one.
 */
export function piecesInFlight(limit: number, work: PieceWork): ByteStream {
  const inFlight: Promise<Bytes | undefined>[] = [];
  let started: Promise<unknown> = Promise.resolve();
  let ended = false;
  const start = async (): Promise<{ readonly piece: Promise<Bytes> } | undefined> => {
    if (ended) return undefined;
    try {
      const next = await work.start();
      ended ||= next === undefined;
      return next;
    } catch (error) {
      ended = true;
      throw error; // waits for its turn, like a piece: whatever went wrong further in front is what is told
    }
  };
  const startLater = () => {
    const next = started.then(start);
    started = next.catch(() => undefined);
    inFlight.push(settleLater(next.then((begun) => begun?.piece)));
  };
  const next = async () => {
    while (!ended && inFlight.length < limit) startLater();
    return await inFlight.shift();
  };
  const giveUp = async (reason: unknown) => {
    ended = true;
    const cancelled = settleLater(work.cancel(reason)); // first: a start may be waiting for its input
    await Promise.allSettled(inFlight);
    await cancelled;
  };
  return byteStream(next, giveUp);
}

/** A rejection is reported to whoever takes the promise; until then it must not count as unhandled. */
function settleLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
