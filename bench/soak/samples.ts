import { residentBytes } from "../memory.ts";
import { formatMemory, printTable, type Row } from "../report.ts";

/** What a process held at a moment. */
interface Held {
  readonly memoryBytes: number;
  readonly handles: number;
}

/** One stretch of the soak. */
export interface Stretch {
  readonly name: string;
  readonly samples: Held[];
  readonly done: Map<string, number>;
  /** By the fault that explains them. */
  failed: number;
  unexplained: number;
}

/** Memory must stay within so much of its mean. */
export const FLAT = 0.1;
/** The first stretches are left out: caches and the compiler fill. */
const WARM_UP_SHARE = 1 / 6;
const HANDLES_SPARE = 8;

/** What a process holds now. */
export function heldBy(pid: number): Held {
  return { memoryBytes: residentBytes(pid), handles: [...Deno.readDirSync(`/proc/${pid}/fd`)].length };
}

/** A stretch that has just begun. */
export function newStretch(name: string): Stretch {
  return { name, samples: [], done: new Map(), failed: 0, unexplained: 0 };
}

/** Prints memory, file handles and errors over time. */
export function printStretches(stretches: readonly Stretch[], operations: readonly string[]): void {
  const columns = [...operations, "failed in a fault", "failed otherwise", "memory", "file handles"];
  printTable("time", columns, stretches.map((stretch) => rowOf(stretch, operations)));
}

function rowOf({ name, samples, done, failed, unexplained }: Stretch, operations: readonly string[]): Row {
  const counts = operations.map((operation) => String(done.get(operation) ?? 0));
  const memory = formatMemory(mean(samples.map(({ memoryBytes }) => memoryBytes)));
  const handles = mean(samples.map(({ handles }) => handles)).toFixed(0);
  return { what: name, cells: [...counts, String(failed), String(unexplained), memory, handles] };
}

/** What is wrong with how memory and handles went; nothing, when they stayed flat. */
export function drift(stretches: readonly Stretch[]): string[] {
  const settled = stretches.slice(Math.ceil(stretches.length * WARM_UP_SHARE)).filter(({ samples }) =>
    samples.length > 0
  );
  const memory = settled.map(({ samples }) => mean(samples.map(({ memoryBytes }) => memoryBytes)));
  const handles = settled.map(({ samples }) => mean(samples.map((sample) => sample.handles)));
  const third = Math.ceil(settled.length / 3);
  const [early, late] = [mean(memory.slice(0, third)), mean(memory.slice(-third))];
  const grown = mean(handles.slice(-third)) - mean(handles.slice(0, third));
  return [
    ...(Math.abs(late - early) > FLAT * early
      ? [`Memory went from ${formatMemory(early)} to ${formatMemory(late)}`]
      : []),
    ...(grown > HANDLES_SPARE ? [`There are ${grown.toFixed(0)} file handles more than at the beginning`] : []),
  ];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
