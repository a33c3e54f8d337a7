import { endTree } from "./process_tree.ts";

/** How a tool starts another program. */
export interface RunOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes the standard output line by line; without it, the output goes where ours goes. */
  readonly onLine?: (line: string) => void;
  /** The program is ended after this time. */
  readonly limitMs: number;
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
    stderr: "inherit",
  }).spawn();
  let end: RunResult["end"] = "exited";
  let stopped = Promise.resolve();
  const stop = (reason: RunResult["end"]) => {
    end = reason;
    stopped = endTree(child.pid);
  };
  const interrupt = () => stop("interrupted");
  const timer = setTimeout(() => stop("timed out"), options.limitMs);
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  try {
    if (options.onLine !== undefined) await eachLine(child.stdout, options.onLine);
    const { code } = await child.status;
    await stopped;
    return { exitCode: code, end };
  } finally {
    clearTimeout(timer);
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", interrupt);
  }
}

/** Runs this same Deno. */
export function runDeno(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return run(Deno.execPath(), args, options);
}

async function eachLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onLine: (line: string) => void) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}
