import type { OpenAPIHono } from "@hono/zod-openapi";
import project from "../deno.json" with { type: "json" };

/** The OpenAPI document of the device, as far as the page that shows it reads it. */
export type ApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const DESCRIPTION = "Loads, publishes and unlocks what an authenticated API and an untrusted CDN hold in two halves. " +
  "Errors are RFC 9457 problem bodies. Names of folders and resources begin with a letter or digit and hold letters, " +
  "digits, `.`, `_` and `-`, at most 128, without `..`.";

/** Makes the OpenAPI 3.1 document from the routes that `app` has; the schemas are those that requests are checked by. */
export function apiDocument(app: OpenAPIHono): ApiDocument {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A token of the API, where the device runs with `CALLER_AUTH=bearer`. " +
      "With `session`, local callers act as whoever is signed in and bring none.",
  });
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Tallystick device",
      version: project.version,
      description: DESCRIPTION,
      license: { name: project.license },
    },
    servers: [{ url: "/" }],
  });
}
