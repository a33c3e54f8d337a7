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

/** The pieces in their order as a stream, `limit` of them in flight: nothing more is started until the reader takes one. */
export function piecesInFlight(limit: number, work: PieceWork): ByteStream {
  const inFlight: Promise<Bytes>[] = [];
  let ended = false;
  const next = async () => {
    while (!ended && inFlight.length < limit) {
      const started = await startInOrder(work);
      ended = started === undefined || started.isLast;
      if (started !== undefined) inFlight.push(settleLater(started.piece));
    }
    return await inFlight.shift();
  };
  const giveUp = async (reason: unknown) => {
    await Promise.allSettled(inFlight);
    await work.cancel(reason);
  };
  return byteStream(next, giveUp);
}

/** A failure to start waits for its turn, like a piece: whatever went wrong further in front is what is told. */
async function startInOrder(work: PieceWork): Promise<{ piece: Promise<Bytes>; isLast: boolean } | undefined> {
  try {
    const started = await work.start();
    return started === undefined ? undefined : { piece: started.piece, isLast: false };
  } catch (error) {
    return { piece: Promise.reject(error), isLast: true };
  }
}

/** A rejection is reported to whoever takes the promise from the queue; until then it must not count as unhandled. */
function settleLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
