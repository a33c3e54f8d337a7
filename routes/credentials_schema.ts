import { z } from "@hono/zod-openapi";

/** Name and password of an account, as `POST /login` and `POST /unlock` take them. */
export const credentialsSchema = z.object({
  email: textOf(254).openapi({ example: "operator@example.com" }),
  password: textOf(1024).openapi({ example: "correct horse battery staple", format: "password" }),
}).openapi("Credentials");

/** Not by `min()` and `max()`: they look at the `length` of whatever came, and stumble over one that is no number. */
function textOf(maxLength: number): z.ZodString {
  const isWithin = (text: string) => text !== "" && text.length <= maxLength;
  return z.string().refine(isWithin, `Expected 1 to ${maxLength} characters`).openapi({ minLength: 1, maxLength });
}
