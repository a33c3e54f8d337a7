/** Ticks of proc(5) in a second: the same on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;
/** Fields of proc(5) `stat` behind the name: user mode and kernel, all threads together. */
const [USER, KERNEL] = [11, 12];

/** Processor time that a process has taken since its start, in seconds; in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[USER]) + Number(fields[KERNEL])) / TICKS_PER_SECOND;
}
