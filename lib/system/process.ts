import type { Bytes } from "../bytes.ts";
import { type ByteStream, byteStream, collect } from "../streams.ts";

/** How a child program is started: an absolute path or a name on PATH, an argument list, and only the variables given. */
export interface ChildOptions {
  readonly args: readonly string[];
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Kills the child (SIGKILL) when it is aborted. */
  readonly signal?: AbortSignal;
}

/** What a finished child left behind. */
export interface ChildResult {
  readonly exitCode: number;
  readonly stdout: Bytes;
  /** At most the last {@link STDERR_LIMIT_BYTES} bytes, as text. */
  readonly stderr: string;
}

/** A running child whose standard input is fed by us. */
export interface FedChild extends AsyncDisposable {
  readonly stdin: WritableStream<Bytes>;
  /** Standard output as it comes, for progress. */
  readonly stdout: ReadableStream<Bytes>;
  /** Resolves when the child has ended, however it ended. */
  readonly ended: Promise<{ exitCode: number; stderr: string }>;
  /** Kills it at once: a child that got half of a plaintext must not see an orderly end of it. */
  kill(): void;
}

const STDOUT_LIMIT_BYTES = 4 * 1024 * 1024;
const STDERR_LIMIT_BYTES = 16 * 1024;
const ORPHAN_GRACE_MS = 500;
const LAUNCH_LIMIT_MS = 2_000;
const UNSTARTABLE = [Deno.errors.NotFound, Deno.errors.PermissionDenied, Deno.errors.NotCapable] as const;

/**
 * Runs a program to its end.
 * @throws {Deno.errors.NotFound} when there is no such program; {TooLargeError} when it prints over 4 MiB; the signal's
 * reason when it was aborted
 */
export async function runChild(program: string, options: ChildOptions): Promise<ChildResult> {
  const child = spawn(program, "null", options);
  const ended = Promise.all([lastText(untilOrphaned(child, child.stderr)), child.status]);
  const output = collect(untilOrphaned(child, child.stdout), STDOUT_LIMIT_BYTES, `The output of "${program}"`);
  const stdout = await output.catch(async (error) => {
    killQuietly(child);
    await ended;
    throw error;
  });
  const [stderr, status] = await ended;
  options.signal?.throwIfAborted();
  return { exitCode: status.code, stdout, stderr };
}

/**
 * Starts a program that reads from us. Dispose it: a child that still runs is killed.
 * @throws {Deno.errors.NotFound} when there is no such program
 */
export function feedChild(program: string, options: ChildOptions): FedChild {
  const child = spawn(program, "piped", options);
  const ended = Promise.all([child.status, lastText(untilOrphaned(child, child.stderr))])
    .then(([status, stderr]) => ({ exitCode: status.code, stderr }));
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    kill: () => killQuietly(child),
    async [Symbol.asyncDispose]() {
      killQuietly(child);
      await child.status; // first: an end of its input is something that it must not live to see
      await child.stdin.abort().catch(() => undefined); // closed already, or locked by a pipe that has ended
      await child.stdout.cancel().catch(() => undefined); // read by somebody else
      await ended; // last: what it started may hold its standard error until its input ends
    },
  };
}

/** A running child that serves until it is asked to stop. */
export interface ServingChild extends AsyncDisposable {
  /** Standard output as it comes; read it to its end. */
  readonly stdout: ReadableStream<Bytes>;
  /** Resolves when the child has ended, however it ended. */
  readonly ended: Promise<{ exitCode: number; stderr: string }>;
}

/**
 * Starts a program that serves. Dispose it: it is asked to stop (SIGTERM), and killed when it still runs after `graceMs`.
 * @throws {Deno.errors.NotFound} when there is no such program
 */
export function serveChild(program: string, options: ChildOptions & { readonly graceMs: number }): ServingChild {
  const child = spawn(program, "null", options);
  const ended = Promise.all([child.status, lastText(untilOrphaned(child, child.stderr))])
    .then(([status, stderr]) => ({ exitCode: status.code, stderr }));
  return {
    stdout: child.stdout,
    ended,
    async [Symbol.asyncDispose]() {
      const limit = setTimeout(() => killQuietly(child), options.graceMs);
      killQuietly(child, "SIGTERM");
      await ended;
      clearTimeout(limit);
      await child.stdout.cancel().catch(() => undefined); // read by somebody else
    },
  };
}

/**
 * Starts a program that outlives us, such as a browser, with nothing to read and nowhere to write.
 * @returns `false` when there is no such program, the sandbox does not let it start, or it fails within two seconds
 */
export async function launchChild(program: string, { args, env, signal }: ChildOptions): Promise<boolean> {
  let child: Deno.ChildProcess;
  try {
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    child = new Deno.Command(program, { args: [...args], env: { ...env }, clearEnv: true, ...streams }).spawn();
  } catch (error) {
    if (UNSTARTABLE.some((kind) => error instanceof kind)) return false;
    throw error;
  }
  child.unref();
  const { promise: started, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), LAUNCH_LIMIT_MS);
  const stop = () => resolve(true);
  signal?.addEventListener("abort", stop, { once: true });
  child.status.then(({ success }) => resolve(success));
  try {
    return await started;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Not by `Deno.Command`'s own signal option: that asks politely (SIGTERM), which a child may ignore. */
function spawn(program: string, stdin: "null" | "piped", { args, env, signal }: ChildOptions): Deno.ChildProcess {
  signal?.throwIfAborted();
  const child = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    clearEnv: true,
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = () => killQuietly(child);
  signal?.addEventListener("abort", kill, { once: true });
  child.status.finally(() => signal?.removeEventListener("abort", kill));
  return child;
}

function killQuietly(child: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): void {
  try {
    child.kill(signal);
  } catch (error) {
    const gone = error instanceof TypeError || error instanceof Deno.errors.NotFound;
    if (!gone) throw error;
  }
}

/**
 * The output of a child up to its end, or shortly after the child's own: a program that it has left behind may hold the
 * pipe open for ever.
 */
function untilOrphaned(child: Deno.ChildProcess, stream: ByteStream): ByteStream {
  const reader = stream.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const end = () => {
    isOver = true;
    clearTimeout(timer);
  };
  child.status.then(() => isOver || (timer = setTimeout(() => reader.cancel(), ORPHAN_GRACE_MS)));
  return byteStream(async () => {
    const { value } = await reader.read();
    if (value === undefined) end();
    return value;
  }, (reason) => {
    end();
    return reader.cancel(reason);
  });
}

async function lastText(stream: ReadableStream<Bytes>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text = (text + decoder.decode(chunk, { stream: true })).slice(-STDERR_LIMIT_BYTES);
  return text.trim();
}
