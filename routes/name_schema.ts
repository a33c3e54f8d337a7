import { z } from "@hono/zod-openapi";
import { messageOf } from "../lib/errors.ts";
import { NAME_PATTERN, parseName } from "../lib/split/names.ts";

/** Schema of a folder or resource name: whatever fails it is answered with 422 and reaches no path, URL or command. */
export function nameSchema(field: "folder" | "filename", example: string): z.ZodString {
  return z.string().superRefine((value, context) => {
    try {
      parseName(field, value);
    } catch (error) {
      context.addIssue({ code: "custom", message: messageOf(error) });
    }
  }).openapi({ pattern: NAME_PATTERN.source, example });
}
