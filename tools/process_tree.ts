const GRACE_MS = 5_000;
const POLL_MS = 50;

/** Ends a process and everything it has started: asks first, then kills what is left after five seconds. */
export async function endTree(root: number): Promise<void> {
  const family = [root, ...descendants(root)];
  for (const pid of family) send(pid, "SIGTERM");
  for (let waitedMs = 0; waitedMs < GRACE_MS && family.some(isAlive); waitedMs += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  for (const pid of family) send(pid, "SIGKILL");
}

/** Ids of all processes that a process, and those below it, have started and that still run. */
export function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? parentOf(Number(name)) : undefined;
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const family = new Set([root]);
  for (let grown = true; grown;) {
    const before = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
    grown = family.size > before;
  }
  family.delete(root);
  return [...family];
}

/** Field 4 of proc(5) `stat`; field 2, the name, may hold spaces and brackets. */
function parentOf(pid: number): number | undefined {
  const fields = readStat(pid)?.replace(/^.*\) /s, "").split(" ");
  return fields === undefined ? undefined : Number(fields[1]);
}

function isAlive(pid: number): boolean {
  const state = readStat(pid)?.replace(/^.*\) /s, "")[0];
  return state !== undefined && state !== "Z";
}

function readStat(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return undefined; // it has ended
  }
}

function send(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error; // it has ended
  }
}
