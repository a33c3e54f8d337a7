/** Which system calls of a process fail. */
export interface FailingCalls {
  /** Names, with commas. */
  readonly calls: string;
  /** Such as `EIO`. */
  readonly error: string;
  /** Only where they are about exactly this file. */
  readonly path?: string;
}

/** Calls that make what was written durable. */
export const FLUSHES = "fsync,fdatasync";
/** Calls that give a file its name. */
export const RENAMES = "rename,renameat,renameat2";

/** Lets system calls of a running process fail, by strace, until it is disposed. */
export async function failingCalls(
  { strace, pid }: { strace: string; pid: number },
  { calls, error, path }: FailingCalls,
): Promise<AsyncDisposable> {
  const only = path === undefined ? [] : ["-P", path];
  const words = ["-f", "-p", String(pid), "-o", "/dev/null", ...only, "-e", `trace=${calls}`];
  const tracer = new Deno.Command(strace, {
    args: [...words, "-e", `inject=${calls}:error=${error}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = tracer.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("attached");) {
    const { value, done } = await said.read();
    if (done) throw new Error(`strace did not attach: ${text}`);
    text += value;
  }
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill("SIGINT"); // it lets the process go
      await tracer.status;
      await said.cancel();
    },
  };
}
