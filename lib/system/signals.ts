const STATUS_PATH = "/proc/self/status";
const IGNORED_MASK = /^SigIgn:\s*([0-9a-f]+)$/m;
const HANG_UP_BIT = 1n; // signal 1

/**
 * Whether the program was started so that it outlives its terminal, as `nohup` does. To be asked before the first signal
 * is listened for: the runtime then handles SIGHUP itself. `false` where a sandbox does not show it.
 */
export function ignoresHangUp(): boolean {
  if (!mayDoEverything()) return false; // asked, not tried: the stack of an error in a bundle costs 40 ms and 15 MiB
  try {
    const mask = IGNORED_MASK.exec(Deno.readTextFileSync(STATUS_PATH))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & HANG_UP_BIT) !== 0n;
  } catch {
    return false;
  }
}

/** Deno shows `/proc` only to who has every right there is; the one to call libraries goes with no others. */
function mayDoEverything(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}
