import { z } from "zod";
import { DockerError, InterruptedError, messageOf, UnavailableError, UpstreamTimeoutError } from "../errors.ts";
import { type HttpAnswer, type HttpClient, httpClient, type HttpRequest } from "../http/client.ts";
import { type ByteStream, collect } from "../streams.ts";
import { ArchiveFeed } from "./archive_feed.ts";
import type { ImageFacts, LoadOptions, RemovingEngine } from "./docker.ts";
import { imageFacts } from "./image_facts.ts";
import { linesOf } from "./lines.ts";
import { refusal } from "./refusal.ts";

/** Where the engine is. */
export interface EngineApiOptions {
  /** `unix:///path` or `tcp://host:port`. */
  readonly dockerHost: string;
  /** How long the engine may take for everything but a load. */
  readonly answerLimitMs?: number;
}

const ANSWER_LIMIT_MS = 30_000;
const ANSWER_LIMIT_BYTES = 4 * 1024 * 1024;
/** While it loads, the engine takes bytes or says something at least this often. */
const LOAD_STALL_MS = 10 * 60_000;
/** Host in the URL of a call over a unix socket: a name that nobody can ever have (RFC 2606). */
const SOCKET_URL = "http://docker.invalid";
/** Podman keeps images without a registry in their name under this one. */
const PODMAN_PREFIX = /^localhost\//;
const NO_IMAGE = /no such image|invalid reference format/i;
/** Name of an image that has none. */
const NO_NAME = "<none>";

const versionSchema = z.object({ Version: z.string() });
const listSchema = z.array(z.object({ RepoTags: z.array(z.string()).nullish() }));
const refusalSchema = z.object({ message: z.string() });
const progressSchema = z.object({
  error: z.string().optional(),
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).nullish(),
});

/** The Docker engine, through its HTTP API (tried with dockerd 20.10 and Podman 4.3). @see https://docs.docker.com/reference/api/engine/ */
export function engineApi(options: EngineApiOptions): RemovingEngine {
  const engine = new EngineConnection(options);
  return {
    async version(signal) {
      return (await engine.ask("/version", versionSchema, { signal })).Version;
    },
    load: (archive, options = {}) => engine.load(archive, options),
    inspect: (reference, signal) => engine.inspect(reference, signal),
    list: (signal) => engine.list(signal),
    async remove(references, signal) {
      for (const reference of references) {
        await engine.ask(imagePath(reference), z.unknown(), { method: "DELETE", signal });
      }
    },
  };
}

/** An answer that was read whole. */
interface JsonAnswer {
  readonly status: number;
  readonly value: unknown;
  readonly isPodman: boolean;
}

class EngineConnection {
  readonly #dockerHost: string;
  readonly #http: HttpClient;
  readonly #base: string;
  readonly #answerLimitMs: number;

  constructor({ dockerHost, answerLimitMs = ANSWER_LIMIT_MS }: EngineApiOptions) {
    const socket = /^unix:\/\/(.+)$/.exec(dockerHost)?.[1];
    this.#dockerHost = dockerHost;
    this.#http = httpClient("engine", socket === undefined ? {} : { unixSocket: socket });
    this.#base = socket === undefined ? dockerHost.replace(/^tcp:/, "http:") : SOCKET_URL;
    this.#answerLimitMs = answerLimitMs;
  }

  async ask<T>(path: string, schema: z.ZodType<T>, request: HttpRequest): Promise<T> {
    const answer = await this.#json(path, request);
    if (answer.status >= 300) throw refusal(reasonOf(answer));
    return parsed(schema, answer.value);
  }

  async inspect(reference: string, signal: AbortSignal | undefined): Promise<ImageFacts | undefined> {
    const answer = await this.#json(`${imagePath(reference)}/json`, { signal });
    if (answer.status < 300) {
      const facts = imageFacts(answer.value);
      return { ...facts, tags: familiarNames(facts.tags, answer) };
    }
    const reason = reasonOf(answer);
    if (NO_IMAGE.test(reason)) return undefined;
    throw refusal(reason);
  }

  async list(signal: AbortSignal | undefined): Promise<string[]> {
    const answer = await this.#json("/images/json", { signal });
    if (answer.status >= 300) throw refusal(reasonOf(answer));
    const names = parsed(listSchema, answer.value).flatMap(({ RepoTags }) => RepoTags ?? []);
    return familiarNames(names.filter((name) => !name.includes(NO_NAME)), answer).sort();
  }

  async load(archive: ByteStream, { signal, onMessage = () => {} }: LoadOptions): Promise<void> {
    const feed = new ArchiveFeed(archive);
    try {
      const answer = await this.#http(this.#url("/images/load?quiet=0"), {
        method: "POST",
        headers: { "content-type": "application/x-tar" },
        body: feed.body,
        timeoutMs: LOAD_STALL_MS,
        stallMs: LOAD_STALL_MS,
        signal,
      });
      if (answer.status !== 200) throw refusal(reasonOf(await jsonAnswer(answer)));
      for await (const line of linesOf(answer.body)) say(line, onMessage);
      if (!feed.finished) throw refusal("it did not read the archive to its end");
    } catch (error) {
      throw feed.failure ?? this.#translated(error, "has made no progress for 10 minutes");
    } finally {
      await feed.stop();
    }
  }

  async #json(path: string, request: HttpRequest): Promise<JsonAnswer> {
    const limits = { timeoutMs: this.#answerLimitMs, stallMs: this.#answerLimitMs };
    try {
      return await jsonAnswer(await this.#http(this.#url(path), { ...limits, ...request }));
    } catch (error) {
      throw this.#translated(error, `did not answer within ${this.#answerLimitMs / 1000} seconds`);
    }
  }

  #url(path: string): URL {
    return new URL(path, this.#base);
  }

  #translated(error: unknown, late: string): unknown {
    if (error instanceof UpstreamTimeoutError) return new DockerError(`The Docker engine ${late}`, { cause: error });
    if (error instanceof UnavailableError) {
      const reason = `${this.#dockerHost} does not answer, or broke the connection off`;
      return new DockerError(`The Docker engine cannot be reached: ${reason}`, { cause: error });
    }
    const isOurs = error instanceof DockerError || error instanceof InterruptedError;
    return isOurs ? error : new DockerError(messageOf(error), { cause: error });
  }
}

function imagePath(reference: string): string {
  return `/images/${encodeURIComponent(reference)}`;
}

async function jsonAnswer({ status, headers, body }: HttpAnswer): Promise<JsonAnswer> {
  const bytes = await collect(body, ANSWER_LIMIT_BYTES, "The answer of the Docker engine");
  const isPodman = headers.get("server")?.startsWith("Libpod/") ?? false;
  return { status, value: json(new TextDecoder().decode(bytes)), isPodman };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DockerError("The Docker engine does not answer in JSON", { cause: error });
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new DockerError("The Docker engine answers in a form that is not understood", { cause: error });
}

function reasonOf({ status, value }: JsonAnswer): string {
  return refusalSchema.safeParse(value).data?.message ?? `status ${status}`;
}

function familiarNames(names: readonly string[], { isPodman }: JsonAnswer): string[] {
  return names.map((name) => isPodman ? name.replace(PODMAN_PREFIX, "") : name);
}

/** Hands one line of a load on. The engine has answered 200 by then: only such a line says that it failed. */
function say(line: string, onMessage: (line: string) => void): void {
  const { error, stream, status, id, progressDetail } = parsed(progressSchema, json(line));
  if (error !== undefined) throw refusal(error);
  const { current, total } = progressDetail ?? {};
  const progress = current === undefined ? "" : ` (${current} of ${total} bytes)`;
  const said = stream ?? `${status ?? ""} ${id ?? ""}${progress}`;
  if (said.trim() !== "") onMessage(said.trim());
}
