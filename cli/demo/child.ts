import { type ErrorCode, InterruptedError, TallyError, UpstreamTimeoutError } from "../../lib/errors.ts";
import type { ByteStream } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { runChild, serveChild } from "../../lib/system/process.ts";
import { knownCode } from "../device_client.ts";
import type { ThisProgram } from "./this_program.ts";

/** A service that runs as a child of ours. Dispose it: it is stopped. */
export interface RunningService extends AsyncDisposable {
  readonly url: URL;
}

const START_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 15_000;
const LINE_LIMIT_CHARACTERS = 64 * 1024;

/** Runs a verb that prints one JSON document. @throws {TallyError} with the code and sentence that the child told */
export async function runVerb(
  { program, args, env }: ThisProgram,
  verb: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  const options = { args: [...args, ...verb, "--json"], env, signal: AbortSignal.any([signal, limit]) };
  const { exitCode, stdout, stderr } = await runChild(program, options).catch((error) => {
    throw limit.aborted && !signal.aborted ? tooSlow(verb) : error;
  });
  if (exitCode !== 0) throw toldError(verb, stderr);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Starts a verb that serves, and waits until it says where it listens. */
export async function startService(
  { program, args, env }: ThisProgram,
  verb: readonly string[],
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<RunningService> {
  await using started = new AsyncDisposableStack();
  const child = started.use(serveChild(program, { args: [...args, ...verb, "--json"], env, graceMs: STOP_GRACE_MS }));
  const waited = new AbortController();
  const limit = clock.sleep(START_LIMIT_MS, AbortSignal.any([signal, waited.signal])).then(() => {
    throw tooSlow(verb);
  });
  limit.catch(() => undefined); // only the first of the three is awaited
  try {
    const failed = child.ended.then(({ stderr }) => Promise.reject(toldError(verb, stderr)));
    failed.catch(() => undefined);
    const url = await Promise.race([listeningUrl(child.stdout), failed, limit]);
    const children = started.move();
    return { url, [Symbol.asyncDispose]: () => children.disposeAsync() };
  } catch (error) {
    throw signal.aborted ? new InterruptedError(undefined, { cause: error }) : error;
  } finally {
    waited.abort();
  }
}

function tooSlow(verb: readonly string[]): UpstreamTimeoutError {
  return new UpstreamTimeoutError("device", `"tally ${verb[0]}" does not start in time`);
}

/** Goes on reading after the address came, so that the child never waits for a reader. */
function listeningUrl(stdout: ByteStream): Promise<URL> {
  const { promise, resolve } = Promise.withResolvers<URL>();
  const decoder = new TextDecoder();
  let text = "";
  const read = async () => {
    for await (const chunk of stdout) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-LINE_LIMIT_CHARACTERS);
      const line = text.split("\n", 1)[0] ?? "";
      if (text.includes("\n")) resolve(new URL(JSON.parse(line).url));
    }
  };
  read().catch(() => undefined); // a child that ended is told of by its exit
  return promise;
}

/** The error that a child told as the last JSON document on its standard error. */
function toldError(verb: readonly string[], stderr: string): TallyError {
  for (const line of stderr.split("\n").toReversed()) {
    const told = parseTold(line);
    if (told !== undefined) return new TallyError(told.code, told.message);
  }
  return new TallyError("internal", `"tally ${verb[0]}" ended without saying why`);
}

function parseTold(line: string): { code: ErrorCode; message: string } | undefined {
  if (!line.startsWith("{")) return undefined;
  const { code, message } = JSON.parse(line) as Record<string, unknown>;
  const known = knownCode(typeof code === "string" ? code : undefined);
  return known !== undefined && typeof message === "string" ? { code: known, message } : undefined;
}
