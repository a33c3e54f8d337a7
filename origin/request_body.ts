import type { Context } from "hono";
import type { z } from "zod";
import type { Bytes } from "../lib/bytes.ts";
import {
  InterruptedError,
  InvalidInputError,
  MalformedError,
  TallyError,
  TooLargeError,
  UnsupportedMediaTypeError,
} from "../lib/errors.ts";
import { type ByteStream, byteStream, collect, streamOf } from "../lib/streams.ts";
import type { OriginEnv } from "./guard.ts";

const JSON_LIMIT_BYTES = 64 * 1024;
const STALL_MS = 60_000;

/**
 * The body of a request as a stream. It fails with `TooLargeError` past `limitBytes` (at once when the request declares
 * more), with `MalformedError` when the connection breaks, with `InterruptedError` when `cutOff` is aborted, and when it
 * keeps silent for a minute.
 */
export function requestBody(request: Request, limitBytes: number, cutOff: AbortSignal): ByteStream {
  const tooLarge = () => new TooLargeError(`The body is larger than ${limitBytes} bytes`, limitBytes);
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge();
  if (request.body === null) return streamOf();
  const reader = request.body.getReader();
  let sizeBytes = 0;
  return byteStream(async () => {
    const chunk = await nextChunk(reader, cutOff);
    sizeBytes += chunk?.byteLength ?? 0;
    if (sizeBytes <= limitBytes) return chunk;
    await reader.cancel();
    throw tooLarge();
  }, (reason) => reader.cancel(reason));
}

async function nextChunk(reader: ReadableStreamDefaultReader<Bytes>, cutOff: AbortSignal): Promise<Bytes | undefined> {
  const ended = Promise.withResolvers<never>();
  const stop = () => ended.reject(new InterruptedError());
  const timer = setTimeout(() => ended.reject(new TallyError("timeout", "The body stalled")), STALL_MS);
  cutOff.addEventListener("abort", stop);
  try {
    const { value } = await Promise.race([reader.read(), ended.promise]);
    return value;
  } catch (cause) {
    if (cause instanceof TallyError) throw cause;
    throw new MalformedError("The connection broke off within the body", { cause });
  } finally {
    clearTimeout(timer);
    cutOff.removeEventListener("abort", stop);
  }
}

/**
 * Reads a JSON object of at most 64 KiB. Its keys may be of any case, as .NET servers take them; keys that the schema
 * does not know are ignored.
 * @throws {UnsupportedMediaTypeError} {MalformedError} {TooLargeError} {InvalidInputError}
 */
export async function readJson<T extends z.ZodObject>(c: Context<OriginEnv>, schema: T): Promise<z.output<T>> {
  const request = c.req.raw;
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new UnsupportedMediaTypeError("The body must be application/json");
  }
  const value = parseJson(await collect(requestBody(request, JSON_LIMIT_BYTES, c.env.cutOff), JSON_LIMIT_BYTES));
  const parsed = schema.safeParse(withKeysOf(schema, value));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "body";
  throw new InvalidInputError(field, `The field "${field}" of the body is missing or wrong: ${issue?.message}`);
}

function parseJson(bytes: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MalformedError("The body is not JSON in UTF-8", { cause });
  }
}

function withKeysOf(schema: z.ZodObject, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const names = new Map(Object.keys(schema.shape).map((name) => [name.toLowerCase(), name]));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [names.get(key.toLowerCase()) ?? key, item]));
}
