import type { z } from "zod";
import type { Bytes } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";

/**
 * Reads JSON that a program wrote: UTF-8, without spaces, and no field twice, so that no two readers see different things in it.
 * @param what it is, for the message
 * @throws {IntegrityError} step `form`
 */
export function parseCanonical<T>(bytes: Bytes, schema: z.ZodType<T>, what: string): T {
  const parsed = schema.safeParse(canonicalValue(bytes));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: "not known" };
  const field = path.length === 0 ? "" : ` in "${path.join(".")}"`;
  throw new IntegrityError(`${what} is not of its form${field}: ${message}`, { step: "form" });
}

/** `undefined` when writing it again gives another text: then it has spaces, a field twice, or an escape that is not needed. */
function canonicalValue(bytes: Bytes): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined; // no JSON, no UTF-8
    throw error;
  }
}
