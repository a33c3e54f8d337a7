import { z } from "zod";

/**
 * One of the words that the API document names, or one that a newer server has added: unknown words pass, so that an old
 * client can still list what it does not understand. Whoever branches on a word treats an unknown one as "not that".
 */
export type Word<Known extends string> = Known | (string & Record<never, never>);

/** Free JSON object that the platform stores and gives back as it is. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The words of the document only help those who read the type. */
export function word<Known extends string>(): z.ZodType<Word<Known>> {
  return z.string();
}

/** Any JSON object. */
export const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.unknown());

/** A field that may be absent or `null`; both are `null` for the reader. */
export function orNull<T>(schema: z.ZodType<T>): z.ZodType<T | null> {
  return schema.nullish().transform((value) => value ?? null);
}

/** A field that must be there, but may be `null`: its absence means that something else answered. */
export function required<T>(schema: z.ZodType<T>): z.ZodType<T | null> {
  return schema.nullable();
}

/** An instant in ISO 8601, kept as the text that was sent. */
export const instant: z.ZodType<string> = z.string().refine((text) => !Number.isNaN(Date.parse(text)), "is no instant");
