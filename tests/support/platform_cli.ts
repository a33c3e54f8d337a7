import { run } from "../../cli/run.ts";
import type { Programs } from "../../cli/shell.ts";
import { RecordedIo, type RecordedIoOptions } from "./recorded_io.ts";
import { TOKEN } from "./small_platform.ts";

const PROGRAMS: Programs = {
  device: () => Promise.reject(new Error("not asked for")),
  origin: () => Promise.reject(new Error("not asked for")),
};

/** What a command line said, and its exit code. */
export interface Said {
  readonly exitCode: number;
  readonly said: string;
  readonly complained: string;
}

/** Runs one command line against a platform, with a token from the environment. An empty variable is not set. */
export async function runAt(
  root: URL,
  args: readonly string[],
  { environment = {}, ...options }: RecordedIoOptions = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Said> {
  const variables = { AIGNOSTICS_API_ROOT: root.href, AIGNOSTICS_TOKEN: TOKEN, ...environment };
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
  const io = new RecordedIo({ ...options, environment: set });
  const exitCode = await run(args, io, PROGRAMS, signal);
  return { exitCode, said: io.said, complained: io.complained };
}
