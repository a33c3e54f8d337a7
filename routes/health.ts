import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { getPath } from "hono/utils/url";
import project from "../deno.json" with { type: "json" };
import type { Services } from "../lib/services.ts";
import { jsonAnswer, problemAnswers } from "./answers.ts";

const healthRoute = createRoute({
  method: "get",
  path: "/health",
  summary: "Whether the service runs",
  description: "Asks nothing and nobody; always the same bytes.",
  responses: { 200: jsonAnswer("It runs", z.object({ status: z.literal("healthy") })) },
});

const statusRoute = createRoute({
  method: "get",
  path: "/status",
  summary: "Who is signed in, and what the service is doing",
  responses: {
    200: jsonAnswer(
      "The present state",
      z.object({
        status: z.literal("healthy"),
        authenticated: z.boolean().openapi({ description: "Whether an account is signed in on the device" }),
        modelCacheDir: z.string().openapi({ description: "Folder of cached big parts", example: "models" }),
        user: z.object({ email: z.string(), role: z.string() }).optional()
          .openapi({ description: "Who is signed in; only where local callers act as that account" }),
        version: z.string().openapi({ example: project.version }),
        unlock: z.string().openapi({ description: "State of the unlock", example: "idle" }),
      }).openapi("Status"),
    ),
    ...problemAnswers(),
  },
});

const HEALTHY = '{"status":"healthy"}';

/**
 * The answer to `GET /health`, given before everything else: supervisors ask all the time, and what this call says does not
 * depend on who asks. `undefined` for every other call.
 */
export function healthAnswer(request: Request): Response | undefined {
  if (request.method !== "GET" || getPath(request) !== "/health") return undefined;
  return new Response(HEALTHY, { headers: { "Content-Type": "application/json" } });
}

/** `GET /health`, for the documentation and for `HEAD`, and `GET /status`. */
export function addHealth(app: OpenAPIHono, { settings, session, unlock }: Services): void {
  app.openapi(healthRoute, (c) => c.json({ status: "healthy" as const }, 200));
  app.openapi(statusRoute, (c) => {
    const user = session.user();
    const shown = user !== undefined && settings.callerAuth === "session";
    return c.json({
      status: "healthy" as const,
      authenticated: user !== undefined,
      modelCacheDir: settings.modelCacheDir,
      ...(shown ? { user: { email: user.email, role: user.role } } : {}),
      version: project.version,
      unlock: unlock.status().state,
    }, 200);
  });
}
