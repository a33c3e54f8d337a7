import type { Context } from "hono";
import type { z } from "zod";
import type { Bytes } from "../lib/bytes.ts";
import { InvalidInputError, MalformedError, UnsupportedMediaTypeError } from "../lib/errors.ts";
import { requestBody } from "../lib/http/request_body.ts";
import { collect } from "../lib/streams.ts";
import type { OriginEnv } from "./guard.ts";

const JSON_LIMIT_BYTES = 64 * 1024;
const JSON_LIMIT_MS = 30_000;

/**
 * Reads a JSON object of at most 64 KiB, which has half a minute to come. Its keys may be of any case, as .NET servers take them; keys that the schema
 * does not know are ignored.
 * @throws {UnsupportedMediaTypeError} {MalformedError} {TooLargeError} {InvalidInputError} {TallyError} with the code `timeout`
 */
export async function readJson<T extends z.ZodObject>(c: Context<OriginEnv>, schema: T): Promise<z.output<T>> {
  const request = c.req.raw;
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new UnsupportedMediaTypeError("The body must be application/json");
  }
  const body = requestBody(request, JSON_LIMIT_BYTES, c.env.cutOff, { wholeMs: JSON_LIMIT_MS });
  const value = parseJson(await collect(body, JSON_LIMIT_BYTES));
  const parsed = parsedOrNone(schema, withKeysOf(schema, value));
  if (parsed === undefined) {
    throw new InvalidInputError("body", "A field of the body is of another type than it must be");
  }
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "body";
  throw new InvalidInputError(field, `The field "${field}" of the body is missing or wrong: ${issue?.message}`);
}

/** The schema library stumbles over a `length` that is no number, in the place of a text or list: `undefined` then. */
function parsedOrNone<T extends z.ZodObject>(schema: T, value: unknown): z.ZodSafeParseResult<z.output<T>> | undefined {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
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
