import { type Bytes, jsonValue, release } from "../bytes.ts";
import { DockerError, InterruptedError, messageOf } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import { type ChildResult, type FedChild, feedChild, runChild } from "../system/process.ts";
import type { LoadOptions, RemovingEngine } from "./docker.ts";
import { imageFacts } from "./image_facts.ts";
import { linesOf } from "./lines.ts";
import { refusal } from "./refusal.ts";

/** Where the engine is, and which program speaks to it. */
export interface DockerCliOptions {
  /** `unix:///path` or `tcp://host:port`. */
  readonly dockerHost: string;
  /** Name on `path`, or an absolute path. */
  readonly program?: string;
  /** Folders where the program is looked for, with colons. */
  readonly path?: string;
  /** How long the engine may take for everything but a load. */
  readonly answerLimitMs?: number;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ANSWER_LIMIT_MS = 30_000;
/** A home that holds no settings, so that nobody's contexts, proxies or plug-ins change where an image goes. */
const NO_HOME = "/nonexistent";
/** Printed for an image without a name or tag. */
const NO_NAME = "<none>";

/** The Docker engine, through its command line client (tried with 20.10 and 28.2). No call uses a shell. */
export function dockerCli(options: DockerCliOptions): RemovingEngine {
  const docker = new DockerProgram(options);
  return {
    version: (signal) => docker.answer(["version", "--format", "{{.Server.Version}}"], signal),
    load: (archive, options = {}) => docker.load(archive, options),
    async inspect(reference, signal) {
      const args = ["image", "inspect", "--format", "{{json .}}", "--", reference];
      const result = await docker.run(args, signal);
      if (result.exitCode !== 0 && /no such image/i.test(result.stderr)) return undefined;
      return imageFacts(jsonValue(answerOf(result)));
    },
    async list(signal) {
      return parseNames(await docker.answer(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], signal));
    },
    async remove(references, signal) {
      await docker.answer(["image", "rm", "--", ...references], signal);
    },
  };
}

/** The names in a list of images, sorted. */
export function parseNames(list: string): string[] {
  return list.split("\n").filter((name) => name !== "" && !name.includes(NO_NAME)).sort();
}

/** The `docker` program with the environment that it always gets. */
class DockerProgram {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #answerLimitMs: number;

  constructor(
    { dockerHost, program = "docker", path = DEFAULT_PATH, answerLimitMs = ANSWER_LIMIT_MS }: DockerCliOptions,
  ) {
    this.#program = program;
    this.#env = { PATH: path, HOME: NO_HOME, DOCKER_CONFIG: NO_HOME, DOCKER_HOST: dockerHost };
    this.#answerLimitMs = answerLimitMs;
  }

  async answer(args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
    return answerOf(await this.run(args, signal));
  }

  async run(args: readonly string[], outer: AbortSignal | undefined): Promise<ChildResult> {
    const limit = AbortSignal.timeout(this.#answerLimitMs);
    const signal = outer === undefined ? limit : AbortSignal.any([outer, limit]);
    try {
      return await runChild(this.#program, { args, env: this.#env, signal });
    } catch (error) {
      if (outer?.aborted) throw new InterruptedError(undefined, { cause: error });
      if (!limit.aborted) throw this.#notStarted(error);
      throw new DockerError(`The Docker engine did not answer within ${this.#answerLimitMs / 1000} seconds`);
    }
  }

  async load(archive: ByteStream, { signal, onMessage = () => {} }: LoadOptions): Promise<void> {
    await using child = await this.#startLoad(archive, signal);
    const said = eachLine(child.stdout, onMessage);
    said.catch(() => child.kill()); // thrown below
    try {
      const handedOver = await feed(child, archive, signal);
      const { exitCode, stderr } = await child.ended;
      if (signal?.aborted) throw new InterruptedError(undefined, { cause: signal.reason });
      if (exitCode !== 0 || !handedOver) throw failure(stderr);
    } finally {
      child.kill();
      await said;
    }
  }

  async #startLoad(archive: ByteStream, signal: AbortSignal | undefined): Promise<FedChild> {
    try {
      return feedChild(this.#program, { args: ["load"], env: this.#env, ...(signal ? { signal } : {}) });
    } catch (error) {
      await archive.cancel(error);
      if (signal?.aborted) throw new InterruptedError(undefined, { cause: error });
      throw this.#notStarted(error);
    }
  }

  #notStarted(error: unknown): DockerError {
    const reason = error instanceof Deno.errors.NotFound ? "it is not installed" : messageOf(error);
    return new DockerError(`Cannot run the program "${this.#program}": ${reason}`, { cause: error });
  }
}

/**
 * Hands the whole archive over and closes the child's input. When the archive fails or the signal is aborted, the child
 * is dead before its input is closed.
 * @returns false when the child ended or stopped reading before the end of the archive
 */
async function feed(child: FedChild, archive: ByteStream, signal: AbortSignal | undefined): Promise<boolean> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", interrupt, { once: true });
  child.ended.then(() => stop.abort());
  const writer = child.stdin.getWriter();
  const sink = new WritableStream<Bytes>({
    async write(chunk) {
      await writer.write(chunk);
      release(chunk);
    },
    close: () => writer.close(),
  });
  try {
    await archive.pipeTo(sink, { preventAbort: true, signal: stop.signal });
    return true;
  } catch (error) {
    if (stop.signal.aborted || error instanceof Deno.errors.BrokenPipe) return false;
    child.kill();
    await child.ended;
    throw error;
  } finally {
    writer.releaseLock();
    signal?.removeEventListener("abort", interrupt);
  }
}

function answerOf({ exitCode, stdout, stderr }: ChildResult): string {
  if (exitCode !== 0) throw failure(stderr);
  return new TextDecoder().decode(stdout).trim();
}

async function eachLine(output: ByteStream, onMessage: (line: string) => void): Promise<void> {
  for await (const line of linesOf(output)) onMessage(line);
}

/** The client's last line as a sentence of ours. */
export function failure(stderr: string): DockerError {
  const line = stderr.split("\n").findLast((line) => line.trim() !== "")?.trim() ?? "";
  if (/^(error during connect|cannot connect|permission denied while trying)/i.test(line)) {
    return new DockerError(
      `The Docker engine cannot be reached: ${line.replace(/\. Is the docker daemon running\?$/, "")}`,
    );
  }
  return refusal(line.replace(/^Error( response from daemon)?: /, ""));
}
