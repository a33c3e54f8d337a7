import type { Context } from "hono";
import { z } from "zod";
import type { Bytes } from "../../lib/bytes.ts";
import { requestBody } from "../../lib/http/request_body.ts";
import { collect } from "../../lib/streams.ts";
import type { PlatformEnv } from "./caller.ts";
import { invalid, InvalidRequestError, issuesOf, type Place } from "./problems.ts";

const BODY_LIMIT_BYTES = 16 * 1024 ** 2;
/** What is nested deeper cannot be walked by functions that call themselves. */
const DEPTH_LIMIT = 200;
const BODY_LIMIT_MS = 60_000;
const PAGE_SIZE = { min: 5, max: 100, default: 50 } as const;
const REPEATED: ReadonlySet<string> = new Set(["sort", "relation", "item_id__in", "external_id__in"]);
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, false: false, 1: true, 0: false };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Any JSON object, as it came. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON object whose keys are the caller's own. */
export const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "Input should be a valid dictionary",
);

/** A UUID in its canonical form. */
export const uuid = z.string().regex(UUID, "Input should be a valid UUID").transform((text) => text.toLowerCase());

/** A point in time, in milliseconds since 1970, from ISO 8601 with a zone; without one it is UTC. */
export const dateTime = z.string().transform((text, context) => {
  const hasZone = /([zZ]|[+-]\d{2}:?\d{2})$/.test(text);
  const ms = /^\d{4}-\d{2}-\d{2}[tT ]\d{2}:\d{2}/.test(text) ? Date.parse(hasZone ? text : `${text}Z`) : NaN;
  if (!Number.isNaN(ms)) return ms;
  context.addIssue({ code: "custom", message: "Input should be a valid datetime" });
  return z.NEVER;
});

/** `true` or `false` in a query. */
export const booleanParameter = z.string().transform((text, context) => {
  const word = text.toLowerCase();
  const value = Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : undefined;
  if (value !== undefined) return value;
  context.addIssue({ code: "custom", message: "Input should be a valid boolean" });
  return z.NEVER;
});

const wholeNumber = z.string().regex(/^[+-]?\d{1,400}$/, "Input should be a valid integer").transform(Number);

/** `page`, from 1. */
export const pageParameter = wholeNumber.pipe(z.number().min(1)).default(1);

/** `page_size`, from 5 to 100. */
export const pageSizeParameter = wholeNumber.pipe(z.number().min(PAGE_SIZE.min).max(PAGE_SIZE.max))
  .default(PAGE_SIZE.default);

/** Rows `[offset, offset + limit)` of a list. */
export interface Slice {
  readonly limit: number;
  readonly offset: number;
}

/** Which rows a page has. A page that no list can have begins behind every list. */
export function sliceOf(page: number, pageSize: number): Slice {
  return { limit: pageSize, offset: Math.min((page - 1) * pageSize, Number.MAX_SAFE_INTEGER) };
}

/**
 * Reads the parameters of a query that the schema names; the last one counts where one is given twice.
 * @throws {InvalidRequestError}
 */
export function readQuery<T extends z.ZodObject>(c: Context<PlatformEnv>, schema: T): z.output<T> {
  const given = new URL(c.req.url).searchParams;
  const names = Object.keys(schema.shape).filter((name) => given.has(name));
  const values = names.map((name) => {
    const all = given.getAll(name);
    return [name, REPEATED.has(name) ? all : all.at(-1)];
  });
  return parseWith(schema, Object.fromEntries(values), "query");
}

/** A segment of the path that must be a UUID. @throws {InvalidRequestError} */
export function pathUuid(c: Context<PlatformEnv>, name: string): string {
  return parseWith(z.object({ [name]: uuid }), { [name]: c.req.param(name) }, "path")[name] ?? "";
}

/** Reads a JSON body of at most 16 MiB. @throws {InvalidRequestError} {TooLargeError} */
export async function readBody<T extends z.ZodType>(c: Context<PlatformEnv>, schema: T): Promise<z.output<T>> {
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(c.req.header("content-type") ?? "")) {
    throw new InvalidRequestError([{ loc: ["body"], msg: "The body must be application/json", type: "json_invalid" }]);
  }
  const body = requestBody(c.req.raw, BODY_LIMIT_BYTES, c.env.cutOff, { wholeMs: BODY_LIMIT_MS });
  return parseWith(schema, parseJson(await collect(body, BODY_LIMIT_BYTES)), "body");
}

/**
 * Sort fields in the order that they count: `-field` descending, `+field` or `field` ascending.
 * @param columns constant SQL expression of each field
 * @returns constant SQL behind `ORDER BY`
 * @throws {InvalidRequestError}
 */
export function orderBy(sort: readonly string[], columns: Readonly<Record<string, string>>, last: string): string {
  const wanted = new Map<string, string>();
  for (const text of sort) {
    const [, sign = "", field = ""] = /^([+\- ]?)(\w+)$/.exec(text) ?? []; // a plus in a query is a space
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (column === undefined) throw invalid("query", "sort", `Cannot sort by "${text.slice(0, 64)}"`);
    if (!wanted.has(column)) wanted.set(column, sign === "-" ? "DESC" : "ASC");
  }
  return [...wanted].map(([column, direction]) => `${column} ${direction}, `).join("") + last;
}

function parseWith<T extends z.ZodType>(schema: T, value: unknown, place: Place): z.output<T> {
  try {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new InvalidRequestError(issuesOf(parsed.error, place));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the schema library stumbles over a `length` that is no number
    throw new InvalidRequestError([{ loc: [place], msg: "Input should be of another type", type: "value_error" }]);
  }
}

function parseJson(bytes: Bytes): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!isShallow(text)) throw new RangeError("The JSON is nested too deeply");
    return JSON.parse(text);
  } catch {
    throw new InvalidRequestError([{ loc: ["body"], msg: "JSON decode error", type: "json_invalid" }]);
  }
}

/** Whether no value stands inside more than {@link DEPTH_LIMIT} others; brackets within strings do not count. */
function isShallow(json: string): boolean {
  let depth = 0;
  for (let index = 0; index < json.length; index++) {
    const character = json[index];
    if (character === '"') index = endOfString(json, index);
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (depth > DEPTH_LIMIT) return false;
  }
  return true;
}

function endOfString(json: string, start: number): number {
  for (let index = start + 1; index < json.length; index++) {
    if (json[index] === "\\") index++;
    else if (json[index] === '"') return index;
  }
  return json.length;
}
