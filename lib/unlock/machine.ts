import type { ErrorCode } from "../errors.ts";

/** Where an unlock is. */
export type UnlockState =
  | "idle"
  | "authenticating"
  | "downloading_key"
  | "decrypting"
  | "loading_images"
  | "ready"
  | "error";

/** How far an unlock is, as callers see it. */
export interface UnlockStatus {
  readonly state: UnlockState;
  /** One sentence in the state `error`, else null. */
  readonly error: string | null;
  /** The condition behind `error`; only in the state `error`. */
  readonly code?: ErrorCode;
  /** Bytes of the archive, while it is decrypted and loaded, else null. */
  readonly progress: { readonly doneBytes: number; readonly totalBytes: number } | null;
}

/** What can happen to an unlock. */
export type UnlockEvent =
  | { readonly kind: "started" }
  /** There is nothing that could be unlocked, and nobody was signed in. */
  | { readonly kind: "withdrawn" }
  | { readonly kind: "authenticated" }
  | { readonly kind: "key_received"; readonly totalBytes: number }
  | { readonly kind: "progressed"; readonly doneBytes: number }
  | { readonly kind: "handed_over" }
  /** At the start, at the end, or after another program's unlock was waited for. */
  | { readonly kind: "images_present" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

type Transitions = Partial<Record<UnlockEvent["kind"], UnlockState>>;

/** The state that follows each event; what is not listed cannot happen. */
const TRANSITIONS: Readonly<Record<UnlockState, Transitions>> = {
  idle: { started: "authenticating" },
  authenticating: {
    images_present: "ready",
    withdrawn: "idle",
    authenticated: "downloading_key",
    failed: "error",
  },
  downloading_key: { key_received: "decrypting", images_present: "ready", failed: "error" },
  decrypting: { progressed: "decrypting", handed_over: "loading_images", failed: "error" },
  loading_images: { images_present: "ready", failed: "error" },
  ready: { started: "authenticating" },
  error: { started: "authenticating" },
};

/** The status before the first unlock. */
export const IDLE: UnlockStatus = { state: "idle", error: null, progress: null };

/** Whether an unlock is under way, so that no other may start. */
export function isRunning({ state }: UnlockStatus): boolean {
  return TRANSITIONS[state].started === undefined;
}

/** The status after an event. Pure. @throws {Error} when the event cannot happen in this state */
export function transition(status: UnlockStatus, event: UnlockEvent): UnlockStatus {
  const state = TRANSITIONS[status.state][event.kind];
  if (state === undefined) throw new Error(`An unlock in the state "${status.state}" cannot take "${event.kind}"`);
  const failure = event.kind === "failed" ? { error: event.message, code: event.code } : { error: null };
  return { state, ...failure, progress: progressAfter(status.progress, event) };
}

function progressAfter(progress: UnlockStatus["progress"], event: UnlockEvent): UnlockStatus["progress"] {
  if (event.kind === "key_received") return { doneBytes: 0, totalBytes: event.totalBytes };
  if (progress === null) return null;
  const { doneBytes, totalBytes } = progress;
  if (event.kind === "progressed") {
    return { doneBytes: Math.max(doneBytes, Math.min(event.doneBytes, totalBytes)), totalBytes };
  }
  return event.kind === "handed_over" ? { doneBytes: totalBytes, totalBytes } : null;
}
