import { endTree } from "./process_tree.ts";

/** How a tool starts another program. */
export interface RunOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes the standard output line by line; without it, the output goes where ours goes. */
  readonly onLine?: (line: string) => void;
  /** Drops what the program says on standard error. */
  readonly quiet?: boolean;
  /** The program is ended after this time. */
  readonly limitMs: number;
  /** The program is ended when it prints no line of progress for this time; counts only together with `onLine`. */
  readonly stallMs?: number;
  /** Whether a line is progress; every line is, when this is left out. */
  readonly isProgress?: (line: string) => boolean;
}

/** How a program ended. */
export type RunResult = { readonly exitCode: number; readonly end: "exited" | "interrupted" | "timed out" };

/** Runs a program with an argument list. Ctrl-C, SIGTERM and the time limit end it together with all its children. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = new Deno.Command(program, {
    args: [...args],
    env: { ...options.env },
    stdin: "null",
    stdout: options.onLine === undefined ? "inherit" : "piped",
    stderr: options.quiet ? "null" : "inherit",
  }).spawn();
  let end: RunResult["end"] = "exited";
  let stopped = Promise.resolve();
  const stop = (reason: RunResult["end"]) => {
    end = reason;
    stopped = endTree(child.pid);
  };
  const interrupt = () => stop("interrupted");
  const expire = () => stop("timed out");
  const limit = setTimeout(expire, options.limitMs);
  const stall = new Alarm(expire, options.stallMs ?? options.limitMs);
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  try {
    const { onLine, isProgress = () => true } = options;
    const take = (line: string) => {
      if (isProgress(line)) stall.reset();
      onLine?.(line);
    };
    if (onLine !== undefined) await eachLine(child.stdout, take);
    const { code } = await child.status;
    await stopped;
    return { exitCode: code, end };
  } finally {
    clearTimeout(limit);
    stall.clear();
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", interrupt);
  }
}

/** Runs this same Deno. */
export function runDeno(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return run(Deno.execPath(), args, options);
}

/** Rings when it was not reset for a while. */
class Alarm {
  readonly #ring: () => void;
  readonly #afterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ring: () => void, afterMs: number) {
    this.#ring = ring;
    this.#afterMs = afterMs;
    this.reset();
  }

  reset(): void {
    this.clear();
    this.#timer = setTimeout(this.#ring, this.#afterMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

/** Calls `onLine` with each line, the last one also when it is cut off. */
async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}
