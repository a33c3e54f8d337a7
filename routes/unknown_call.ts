import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { MethodNotAllowedError, NotFoundError, type TallyError } from "../lib/errors.ts";

/** What is wrong with a call that no route takes: its method, when the same address takes others, or its address. */
export function unknownCall(app: OpenAPIHono, c: Context): TallyError {
  const methods = new Set(
    app.routes.filter(({ method, path }) => method !== "ALL" && matches(path, c.req.path)).map(({ method }) => method),
  );
  if (methods.size === 0) return new NotFoundError("There is no such call");
  if (methods.has("GET")) methods.add("HEAD");
  const allowed = [...methods].sort();
  return new MethodNotAllowedError(`This address takes ${allowed.join(", ")} only`, allowed);
}

/** @param pattern a path in which `:name` stands for any one segment */
function matches(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  return wanted.length === given.length &&
    wanted.every((segment, i) => segment === given[i] || (segment.startsWith(":") && given[i] !== ""));
}
