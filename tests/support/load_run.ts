import { linesOf } from "./lines.ts";
import type { LoadJob } from "./v2_load_child.ts";

const CHILD = new URL("./v2_load_child.ts", import.meta.url).pathname;

/** What a child has said, as far as it came. */
export interface LoadRun {
  /** Bytes that came over, by key of the big part. */
  readonly gotBytes: Map<string, number>;
  /** Answers of the CDN that are being read, by key. */
  readonly open: Map<string, number>;
  /** SHA-256 in hex of what was loaded, by name. */
  readonly ended: Map<string, string>;
  readonly wasKilled: boolean;
}

/** A child at work. */
export interface LoadChild {
  readonly pid: number;
  kill(): void;
  /** Lets it go on. */
  goOn(): Promise<void>;
}

/** Hears each line that a child says, with all that it has said so far. */
export type OnLine = (
  words: readonly string[],
  child: LoadChild,
  run: Omit<LoadRun, "wasKilled">,
) => Promise<void> | void;

/** Runs a child until it ends or is killed. @throws {Error} when it fails by itself */
export async function runLoads(job: LoadJob, onLine: OnLine): Promise<LoadRun> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--unstable-no-legacy-abort", "--allow-all", CHILD, JSON.stringify(job)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stdin = process.stdin.getWriter();
  const child: LoadChild = {
    pid: process.pid,
    kill: () => process.kill("SIGKILL"),
    goOn: () => stdin.write(new TextEncoder().encode("\n")),
  };
  const run = {
    gotBytes: new Map<string, number>(),
    open: new Map<string, number>(),
    ended: new Map<string, string>(),
  };
  for await (const line of linesOf(process.stdout)) {
    const words = line.trimEnd().split(" ");
    note(run, words);
    await onLine(words, child, run);
  }
  await stdin.close().catch(() => undefined); // it has gone
  const { success, signal, code } = await process.status;
  if (!success && signal !== "SIGKILL") throw new Error(`A child that loads failed by itself, with ${signal ?? code}`);
  return { ...run, wasKilled: signal === "SIGKILL" };
}

function note(
  { gotBytes, open, ended }: Omit<LoadRun, "wasKilled">,
  [word, name = "", fact = ""]: readonly string[],
): void {
  if (word === "got") gotBytes.set(name, (gotBytes.get(name) ?? 0) + Number(fact));
  if (word === "open") open.set(name, (open.get(name) ?? 0) + 1);
  if (word === "over") open.set(name, (open.get(name) ?? 0) - 1);
  if (word === "end") ended.set(name, fact);
}
