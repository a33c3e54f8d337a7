import { thisProgram } from "../../cli/demo/this_program.ts";
import { utf8 } from "../../lib/bytes.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { recordOutput } from "./witness.ts";

/** How the program ended. */
export interface TallyResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the program is started. */
export interface TallyOptions {
  /** Text for standard input; nothing when it is left out. */
  readonly stdin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A program that runs. */
export interface RunningTally {
  readonly pid: number;
  readonly stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly ended: Promise<TallyResult>;
  signal(name: Deno.Signal): void;
}

/** Starts the real program as a process of its own, as a person would. */
export function startTally(args: readonly string[], { cwd, env = {} }: TallyOptions = {}): RunningTally {
  const { program, args: before, env: inherited } = thisProgram(processEnvironment);
  const child = new Deno.Command(program, {
    args: [...before, ...args],
    clearEnv: true,
    env: { ...inherited, ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
  return {
    pid: child.pid,
    stdin: child.stdin.getWriter(),
    signal: (name) => child.kill(name),
    ended: Promise.all([child.status, new Response(child.stdout).text(), new Response(child.stderr).text()])
      .then(([{ code }, stdout, stderr]) => recorded(args, { exitCode: code, stdout, stderr })),
  };
}

/** Verbs whose result is a secret, on standard output. */
const SHOWN: readonly RegExp[] = [/^origin init/, /^origin user add/, /sign-url/, /^run share/, /--unmask/, /^whoami/];

function recorded(args: readonly string[], result: TallyResult): TallyResult {
  const words = args.join(" ");
  const name = `tally ${args.slice(0, 2).join(" ")}`;
  recordOutput(`standard error of ${name}`, result.stderr);
  if (!SHOWN.some((pattern) => pattern.test(words))) recordOutput(`standard output of ${name}`, result.stdout);
  return result;
}

/** Runs the real program to its end. */
export async function tally(args: readonly string[], options: TallyOptions = {}): Promise<TallyResult> {
  const running = startTally(args, options);
  if (options.stdin !== undefined) await running.stdin.write(utf8(options.stdin));
  await running.stdin.close();
  return await running.ended;
}

/** Ends a program that may run still (SIGKILL), and waits until it has ended. */
export async function killTally({ pid, ended }: RunningTally): Promise<void> {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended
  }
  await ended;
}
