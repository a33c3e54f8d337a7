import { z } from "zod";
import { type Bytes, release } from "../bytes.ts";
import { DockerError, InterruptedError, messageOf } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import { type ChildResult, type FedChild, feedChild, runChild } from "../system/process.ts";
import type { ImageEngine, ImageFacts, LoadOptions } from "./docker.ts";

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
/** A line without an end does not fill the memory. */
const LINE_LIMIT_CHARACTERS = 4096;
/** Printed for an image without a name or tag. */
const NO_NAME = "<none>";

const inspectSchema = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Architecture: z.string(),
  Size: z.number(),
});

/** An engine whose images can be removed as well; an unlock never does that. */
export interface RemovingEngine extends ImageEngine {
  /** Takes the names `name:tag` away, and with the last name of an image the image. */
  remove(references: readonly string[], signal?: AbortSignal): Promise<void>;
}

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
      return imageFacts(answerOf(result));
    },
    async list(signal) {
      const names = await docker.answer(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], signal);
      return names.split("\n").filter((name) => name !== "" && !name.includes(NO_NAME)).sort();
    },
    async remove(references, signal) {
      await docker.answer(["image", "rm", "--", ...references], signal);
    },
  };
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
    try {
      const handedOver = await feed(child, archive, signal);
      const { exitCode, stderr } = await child.ended;
      if (signal?.aborted) throw new InterruptedError(undefined, { cause: signal.reason });
      if (exitCode !== 0 || !handedOver) throw refusal(stderr);
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

async function eachLine(output: ByteStream, onMessage: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of output) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()?.slice(-LINE_LIMIT_CHARACTERS) ?? "";
    for (const line of lines) if (line.trim() !== "") onMessage(line.trim());
  }
}

function answerOf({ exitCode, stdout, stderr }: ChildResult): string {
  if (exitCode !== 0) throw refusal(stderr);
  return new TextDecoder().decode(stdout).trim();
}

function imageFacts(json: string): ImageFacts {
  try {
    const { Id, RepoTags, Architecture, Size } = inspectSchema.parse(JSON.parse(json));
    return { id: Id, tags: RepoTags ?? [], architecture: Architecture, sizeBytes: Size };
  } catch (error) {
    throw new DockerError("The Docker engine describes an image in a form that is not understood", { cause: error });
  }
}

/** The client's last line as a sentence of ours, without the engine's temporary folders. */
function refusal(stderr: string): DockerError {
  const line = stderr.split("\n").findLast((line) => line.trim() !== "")?.trim() ?? "no reason given";
  if (/^(error during connect|cannot connect|permission denied while trying)/i.test(line)) {
    return new DockerError(
      `The Docker engine cannot be reached: ${line.replace(/\. Is the docker daemon running\?$/, "")}`,
    );
  }
  const reason = line.replace(/^Error( response from daemon)?: /, "").replaceAll(/\S*\/docker-import-\d+\//g, "");
  return new DockerError(`The Docker engine refused: ${reason}`);
}
