import { z } from "zod";
import { DockerError, InterruptedError, messageOf, UnavailableError, UpstreamTimeoutError } from "../errors.ts";
import { type HttpAnswer, type HttpClient, httpClient, type HttpRequest } from "../http/client.ts";
import { collect } from "../streams.ts";
import { refusal } from "./refusal.ts";

/** Where the engine is. */
export interface EngineApiOptions {
  /** `unix:///path` or `tcp://host:port`. */
  readonly dockerHost: string;
  /** How long the engine may take for everything but a load. */
  readonly answerLimitMs?: number;
}

/** An answer that was read whole. */
export interface JsonAnswer {
  readonly status: number;
  /** `undefined` when the answer has no body. */
  readonly value: unknown;
  readonly isPodman: boolean;
}

const ANSWER_LIMIT_MS = 30_000;
const ANSWER_LIMIT_BYTES = 4 * 1024 * 1024;
/** Host in the URL of a call over a unix socket: a name that nobody can ever have (RFC 2606). */
const SOCKET_URL = "http://docker.invalid";

const refusalSchema = z.object({ message: z.string() });

/** Calls of the engine's HTTP API. Every one fails with `DockerError`, or `InterruptedError` when its signal was aborted. */
export class EngineConnection {
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

  /** The answer to a call that must succeed. @throws {DockerError} it is refused, or answered in another form */
  async ask<T>(path: string, schema: z.ZodType<T>, request: HttpRequest): Promise<T> {
    const answer = await this.json(path, request);
    if (answer.status >= 300) throw refusal(reasonOf(answer));
    return parsed(schema, answer.value);
  }

  /** The answer to a call, whatever its status. */
  async json(path: string, request: HttpRequest): Promise<JsonAnswer> {
    const limits = { timeoutMs: this.#answerLimitMs, stallMs: this.#answerLimitMs };
    try {
      return await jsonAnswer(await this.send(path, { ...limits, ...request }));
    } catch (error) {
      throw this.translated(error, `did not answer within ${this.#answerLimitMs / 1000} seconds`);
    }
  }

  /** Sends a call whose answer the caller reads. Its errors are those of the HTTP client. */
  send(path: string, request: HttpRequest): Promise<HttpAnswer> {
    return this.#http(new URL(path, this.#base), request);
  }

  /** An error of the HTTP client as one of the engine. @param late what is said of an engine that keeps silent */
  translated(error: unknown, late: string): unknown {
    if (error instanceof UpstreamTimeoutError) return new DockerError(`The Docker engine ${late}`, { cause: error });
    if (error instanceof UnavailableError) {
      const reason = `${this.#dockerHost} does not answer, or broke the connection off`;
      return new DockerError(`The Docker engine cannot be reached: ${reason}`, { cause: error });
    }
    const isOurs = error instanceof DockerError || error instanceof InterruptedError;
    return isOurs ? error : new DockerError(messageOf(error), { cause: error });
  }
}

/** Reads a short answer whole. @throws {DockerError} it is not JSON */
export async function jsonAnswer({ status, headers, body }: HttpAnswer): Promise<JsonAnswer> {
  const bytes = await collect(body, ANSWER_LIMIT_BYTES, "The answer of the Docker engine");
  const isPodman = headers.get("server")?.startsWith("Libpod/") ?? false;
  const value = bytes.byteLength === 0 ? undefined : jsonOf(new TextDecoder().decode(bytes));
  return { status, value, isPodman };
}

/** @throws {DockerError} the text is not JSON */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DockerError("The Docker engine does not answer in JSON", { cause: error });
  }
}

/** @throws {DockerError} the value has another form */
export function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new DockerError("The Docker engine answers in a form that is not understood", { cause: error });
}

/** Why a call was refused. */
export function reasonOf({ status, value }: JsonAnswer): string {
  return refusalSchema.safeParse(value).data?.message ?? `status ${status}`;
}
