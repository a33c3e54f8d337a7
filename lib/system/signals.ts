const STATUS_PATH = "/proc/self/status";
const IGNORED_MASK = /^SigIgn:\s*([0-9a-f]+)$/m;
const HANG_UP_BIT = 1n; // signal 1

/**
 * Whether the program was started so that it outlives its terminal, as `nohup` does. To be asked before the first signal
 * is listened for: the runtime then handles SIGHUP itself. `false` where a sandbox does not show it.
 */
export function ignoresHangUp(): boolean {
  try {
    const mask = IGNORED_MASK.exec(Deno.readTextFileSync(STATUS_PATH))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & HANG_UP_BIT) !== 0n;
  } catch {
    return false;
  }
}
