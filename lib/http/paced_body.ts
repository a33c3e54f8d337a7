import { InterruptedError, TallyError } from "../errors.ts";
import { type ByteStream, byteStream } from "../streams.ts";

/** How long a caller may take nothing of an answer. */
export const READER_STALL_MS = 60_000;

/** When the body of an answer is given up. */
export interface Pace {
  readonly stallMs: number;
  /** Told once, when the caller has taken nothing for `stallMs`. */
  readonly onStall: () => void;
  /** Aborted when no answer may go on. */
  readonly cutOff: AbortSignal;
}

/**
 * The same bytes for a caller who has to take them: when nothing is asked of it for `stallMs`, or `cutOff` is aborted, its source is cancelled, and
 * with it all that the source holds. What is read afterwards fails, so that the answer stays shorter than announced.
 */
export function pacedBody(body: ByteStream, { stallMs, onStall, cutOff }: Pace): ByteStream {
  const reader = body.getReader();
  let failure: TallyError | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const giveUp = (error: TallyError) => {
    failure = error;
    rest();
    void reader.cancel(error).catch(() => undefined); // `failure` is what the caller's side is told
  };
  const stop = () => giveUp(new InterruptedError());
  const stalled = () => {
    giveUp(new TallyError("timeout", "The caller does not take the answer"));
    onStall();
  };
  const rest = () => {
    clearTimeout(timer);
    cutOff.removeEventListener("abort", stop);
  };
  cutOff.addEventListener("abort", stop, { once: true });
  timer = setTimeout(stalled, stallMs);
  return byteStream(async () => {
    clearTimeout(timer);
    if (failure !== undefined) throw failure;
    const { value, done } = await reader.read();
    if (failure !== undefined) throw failure;
    if (done) rest();
    else timer = setTimeout(stalled, stallMs);
    return value;
  }, (reason) => {
    rest();
    return reader.cancel(reason);
  });
}
