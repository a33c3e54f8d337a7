import { z } from "@hono/zod-openapi";

/** Name and password of an account, as `POST /login` and `POST /unlock` take them. */
export const credentialsSchema = z.object({
  email: z.string().min(1).max(254).openapi({ example: "operator@example.com" }),
  password: z.string().min(1).max(1024).openapi({ example: "correct horse battery staple", format: "password" }),
}).openapi("Credentials");
