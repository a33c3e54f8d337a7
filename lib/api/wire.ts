import { z } from "zod";
import { parseRole, type Role, ROLES, type User } from "../auth/roles.ts";

const SENTENCE_LIMIT = 300;
const TOKEN_LIMIT = 16_384;

/** What the API says when it refuses a call: `{ErrorCode, Message}` of a business error, or an RFC 9457 problem body. */
export interface Refusal {
  /** The server's own number or word for the condition. */
  readonly reason: string | undefined;
  /** One clean line, at most 300 characters. */
  readonly message: string | undefined;
}

// Further keys are ignored, and keys may be camel or Pascal case: .NET servers send either.

/** Answer of `POST /login`: the token. */
export const loginAnswer: z.ZodType<string> = withCamelKeys(z.object({ token: z.string().refine(isToken) }))
  .transform(({ token }) => token);

/** Answer of `GET /users/current`. An unknown role is `NONE`. */
export const userAnswer: z.ZodType<User> = withCamelKeys(z.object({
  id: z.union([z.string(), z.number()]).transform(String),
  email: z.string(),
  role: z.union([z.string(), z.number()]).nullish().transform(roleOf),
}));

/** Answer of `POST /resources/list/{folder}`. */
export const namesAnswer: z.ZodType<string[]> = z.array(z.string());

const refusalBody = withCamelKeys(z.object({
  errorCode: z.union([z.string(), z.number()]).nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
  message: z.string().nullish(),
  detail: z.string().nullish(),
}));

/** Not by `min()` and `max()`: they look at the `length` of whatever came, and stumble over one that is no number. */
function isToken(text: string): boolean {
  return text !== "" && text.length <= TOKEN_LIMIT;
}

/** Reads the body of a refused call; whatever is not of a known form tells nothing. */
export function parseRefusal(text: string): Refusal {
  const parsed = refusalBody.safeParse(jsonOrUndefined(text));
  if (!parsed.success) return { reason: undefined, message: undefined };
  const { errorCode, code, message, detail } = parsed.data;
  const reason = errorCode ?? code;
  return {
    reason: reason === null || reason === undefined ? undefined : cleanLine(String(reason)),
    message: cleanLine(message ?? detail ?? ""),
  };
}

/** The value of a JSON text, or `undefined`, which is not a JSON value, when it is none. */
export function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function cleanLine(text: string): string | undefined {
  const line = text.replace(/[\p{C}\p{Z}]+/gu, " ").trim();
  return line === "" ? undefined : line.slice(0, SENTENCE_LIMIT);
}

function roleOf(role: string | number | null | undefined): Role {
  const byNumber = Object.entries(ROLES).find(([, number]) => number === role);
  return parseRole(byNumber?.[0] ?? role);
}

function withCamelKeys<T extends z.ZodType>(schema: T): z.ZodPreprocess<T> {
  return z.preprocess(camelKeys, schema);
}

function camelKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.charAt(0).toLowerCase() + key.slice(1), item]),
  );
}
