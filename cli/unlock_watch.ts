import { type ErrorCode, TallyError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Output, Progress } from "./output.ts";

/** How far an unlock is. */
export interface UnlockReport {
  readonly state: string;
  readonly error: string | null;
  /** The condition behind `error`, where it is known. */
  readonly code?: ErrorCode | undefined;
  readonly progress: { readonly doneBytes: number; readonly totalBytes: number } | null;
}

const POLL_MS = 100;
const SENTENCES: Readonly<Record<string, string>> = {
  authenticating: "Signing in",
  downloading_key: "Fetching the key fragment",
  decrypting: "Decrypting the archive",
  loading_images: "Loading the images into Docker",
  ready: "The images are ready",
};

/** What an unlock goes through once it has signed in. */
const WAY = ["downloading_key", "decrypting", "loading_images", "ready"];

/**
 * Shows each state of an unlock, those too that were over before anybody asked, and its progress, until it is ready.
 * @throws {TallyError} of the unlock's condition when it ends with an error; {InterruptedError} from `report` or the clock
 */
export async function watchUnlock(
  first: UnlockReport,
  report: () => Promise<UnlockReport>,
  { output, clock, signal }: { output: Output; clock: Clock; signal: AbortSignal },
): Promise<void> {
  let current = first;
  while (!isSettled(current)) {
    const { state } = current;
    current = await watchState(current, report, { output, clock, signal });
    statesBetween(state, current.state).forEach((passed) => showState(output, passed));
  }
  showState(output, current.state);
  if (current.state === "ready") return;
  throw new TallyError(current.code ?? "internal", current.error ?? `The unlock stopped in the state ${current.state}`);
}

function isSettled({ state }: UnlockReport): boolean {
  return state === "ready" || state === "error" || state === "idle";
}

/** Stays with one state, and returns the first report of another. */
async function watchState(
  first: UnlockReport,
  report: () => Promise<UnlockReport>,
  { output, clock, signal }: { output: Output; clock: Clock; signal: AbortSignal },
): Promise<UnlockReport> {
  const { state } = first;
  const label = SENTENCES[state] ?? state;
  showState(output, state);
  using progress = output.progress(label, { event: "progress", state });
  for (let current = first;; current = await report()) {
    if (current.state !== state) return current;
    showProgress(progress, current);
    await clock.sleep(POLL_MS, signal);
  }
}

function showProgress(display: Progress, { progress }: UnlockReport): void {
  if (progress !== null) display.update(progress.doneBytes, progress.totalBytes);
}

function statesBetween(before: string, after: string): string[] {
  const start = WAY.indexOf(before);
  return start === -1 ? [] : WAY.slice(start + 1, Math.max(start, WAY.indexOf(after)));
}

function showState(output: Output, state: string): void {
  output.event({ event: "state", state }, ...(state in SENTENCES ? [SENTENCES[state] ?? state] : []));
}
