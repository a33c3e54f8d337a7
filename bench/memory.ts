import { descendants } from "../tools/process_tree.ts";

const POLL_MS = 10;
const KIB = 1024;
/** ESRCH: the runtime does not always give the error a code. */
const NO_SUCH_PROCESS = "(os error 3)";

/** Most memory that a process has held at once since its start or the last {@link resetPeak}, in bytes (`VmHWM`). */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** Memory that a process holds now, in bytes (`VmRSS`). */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Starts the peak of a process anew; see proc(5), `clear_refs`. */
export function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Watches a process and all that it starts until it is told to stop; gives the sum of their peaks, in bytes. */
export function watchPeak(pid: number): { stop(): number } {
  const peaks = new Map<number, number>();
  const look = () => {
    for (const one of [pid, ...descendants(pid)]) peaks.set(one, Math.max(peaks.get(one) ?? 0, peakBytes(one)));
  };
  const timer = setInterval(look, POLL_MS);
  return {
    stop() {
      clearInterval(timer);
      return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
    },
  };
}

/** 0 for a process that has ended. */
function statusBytes(pid: number, field: string): number {
  try {
    const line = Deno.readTextFileSync(`/proc/${pid}/status`).split("\n").find((text) => text.startsWith(`${field}:`));
    return Number(/\d+/.exec(line ?? "")?.[0] ?? 0) * KIB;
  } catch (error) {
    const hasEnded = error instanceof Error && error.message.includes(NO_SUCH_PROCESS); // between open and read
    if (hasEnded || error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
