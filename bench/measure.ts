import { watchPeak } from "./memory.ts";

/** One run of something. */
export interface Sample {
  readonly seconds: number;
  /** Processor time of the processes that did the work, in user mode and in the kernel: what a busy machine leaves comparable. */
  readonly cpuSeconds: number;
  /** Most memory of the process that did the work. */
  readonly peakBytes: number;
}

/** Runs each contestant in turn, several rounds, so that a busy moment of the machine meets all of them. */
export async function sideBySide<Name extends string, T>(
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<T>>>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(contestants) as Name[];
  const results: Partial<Record<Name, T[]>> = {};
  for (let round = 0; round < rounds; round++) {
    for (const name of names) (results[name] ??= []).push(await contestants[name]());
  }
  return results as Record<Name, T[]>;
}

/** Median times and highest peak. */
export function summary(samples: readonly Sample[]): Sample {
  return {
    seconds: median(samples.map(({ seconds }) => seconds)),
    cpuSeconds: median(samples.map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)),
  };
}

/** The middle one; of an even number, the lower of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor((values.length - 1) / 2)] ?? NaN;
}

/** How long something takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

/**
 * Runs a script of the bench itself, so that pipelines can be measured as a person would write them.
 * @param variables reach the script as environment variables: nothing is put into its text
 * @throws {Error} when a command of it fails
 */
export async function runScript(script: string, variables: Readonly<Record<string, string>>): Promise<Sample> {
  const startMs = performance.now();
  const child = new Deno.Command("bash", {
    args: ["-c", `set -euo pipefail\n{ ${script}\n} > /dev/null\ntimes`],
    env: { ...variables },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const watch = watchPeak(child.pid);
  const { success, stdout } = await child.output();
  const seconds = (performance.now() - startMs) / 1000;
  const peakBytes = watch.stop();
  if (!success) throw new Error(`This script failed:\n${script}`);
  return { seconds, peakBytes, cpuSeconds: sumOfTimes(new TextDecoder().decode(stdout)) };
}

/** What `times` of a shell prints: four times like `1m2.345s`, of itself and of what it has started. */
function sumOfTimes(text: string): number {
  return [...text.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest),
    0,
  );
}
