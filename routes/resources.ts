import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { READER_ROLES } from "../lib/auth/roles.ts";
import type { Span } from "../lib/http/byte_ranges.ts";
import { evaluate, rangeStillHolds } from "../lib/http/precondition.ts";
import { parseRange } from "../lib/http/range_request.ts";
import type { OpenResource } from "../lib/resources/open_resource.ts";
import type { Services } from "../lib/services.ts";
import type { ByteStream } from "../lib/streams.ts";
import type { Places } from "../lib/system/places.ts";
import { CALLER_SECURITY, problemAnswers, SIGNED_IN_CODES, UPSTREAM_CODES } from "./answers.ts";
import { noteForAudit } from "./audit.ts";
import { recordDowngrade, requireDowngradeRole } from "./downgrade.ts";
import { requireRole } from "./guard.ts";
import { nameSchema } from "./name_schema.ts";
import { inPlace } from "./transfers.ts";

const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const binary = { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } };
const querySchema = z.object({
  version: z.string().regex(VERSION, "The version is not a valid one").optional()
    .openapi({ description: "A version of format v2, in place of the one that the origin chooses", example: "1.4.2" }),
  allow_downgrade: z.enum(["true", "false"]).optional().openapi({
    description: "`true` lifts, for this call, the rule that the device takes nothing older than what it has used. " +
      "For administrators (Admin, ApiAdmin), others get 403; it stands in the audit trail, and the rule stays as it was",
  }),
});
const headersSchema = z.object({
  "Content-Length": z.int(),
  ETag: z.string().openapi({ description: "Changes with every published version" }),
  "Accept-Ranges": z.enum(["bytes", "none"]).openapi({ description: "`none` for a resource of format v1" }),
  "X-Tally-Source": z.enum(["cache", "media", "cdn"]).openapi({ description: "Where the big part came from" }),
});

/**
 * `GET /resources/{folder}/{filename}`: the same as `POST /load`, with ranges. Of a resource in format v2 only the segments that hold the range are
 * fetched and opened; one of v1 is always sent whole.
 * @see RFC 9110, 13 and 14
 */
export function addResources(app: OpenAPIHono, services: Services, transfers: Places): void {
  const route = createRoute({
    method: "get",
    path: "/resources/{folder}/{filename}",
    summary: "Load a resource, or a part of it",
    description:
      "Takes `Range` (one range, also `bytes=-500`; of several the whole is sent), `If-Range` and `If-None-Match`. " +
      "Only the segments that hold the range are fetched and opened. " +
      "A body that ends before `Content-Length` is damaged and must be thrown away.",
    security: CALLER_SECURITY,
    middleware: requireRole(services, READER_ROLES),
    request: {
      params: z.object({ folder: nameSchema("folder", "models"), filename: nameSchema("filename", "detector.onnx") }),
      query: querySchema,
    },
    responses: {
      200: { description: "All of the resource", headers: headersSchema, content: binary },
      206: { description: "The bytes that `Range` asks for, with `Content-Range`", content: binary },
      304: { description: "The caller has this version already (`If-None-Match`)" },
      416: { description: "No byte of the resource is in the range" },
      ...problemAnswers(
        "invalid_input",
        ...SIGNED_IN_CODES,
        "not_found",
        "conflict",
        "integrity",
        "disk_full",
        "disk_failed",
        "busy",
        ...UPSTREAM_CODES,
      ),
    },
  });

  app.openapi(route, async (c) => {
    const { folder, filename: name } = c.req.valid("param");
    const { version, allow_downgrade } = c.req.valid("query");
    const allowDowngrade = allow_downgrade === "true";
    noteForAudit(c, { resource: `${folder}/${name}`, version });
    if (allowDowngrade) requireDowngradeRole(c);
    return await inPlace(c, transfers, async (keep) => {
      const resource = await services.find({ folder, name, version, allowDowngrade, signal: c.req.raw.signal });
      noteForAudit(c, { version: resource.standing?.version ?? version });
      if (allowDowngrade) await recordDowngrade(c, services, resource);
      return await answer(c, { name, resource, selection: select(c, resource), keep });
    });
  });
}

/** Which bytes are sent, and with which status. */
type Selection =
  | { readonly status: 200 | 304 | 416 }
  | { readonly status: 206; readonly range: Span };

function select(c: Context, { etag, sizeBytes, hasRanges }: OpenResource): Selection {
  const conditions = { ifNoneMatch: c.req.header("if-none-match") };
  if (evaluate(conditions, etag, "not_modified") === "not_modified") return { status: 304 };
  if (!hasRanges || !rangeStillHolds(c.req.header("if-range"), etag)) return { status: 200 };
  const range = parseRange(c.req.header("range"), sizeBytes);
  if (range === "unsatisfiable") return { status: 416 };
  return range === undefined ? { status: 200 } : { status: 206, range };
}

async function answer(
  c: Context,
  { name, resource, selection, keep }: {
    name: string;
    resource: OpenResource;
    selection: Selection;
    keep: (body: ByteStream) => ByteStream;
  },
): Promise<Response> {
  const { sizeBytes, etag, hasRanges } = resource;
  const headers = new Headers({ "etag": `"${etag}"`, "accept-ranges": hasRanges ? "bytes" : "none" });
  if (selection.status === 304 || selection.status === 416) {
    await resource.close();
    if (selection.status === 416) headers.set("content-range", `bytes */${sizeBytes}`);
    return new Response(null, { status: selection.status, headers });
  }
  const { start, end } = selection.status === 206 ? selection.range : { start: 0, end: sizeBytes };
  headers.set("content-type", "application/octet-stream");
  headers.set("content-length", String(end - start));
  headers.set("content-disposition", `attachment; filename="${name}"`);
  if (selection.status === 206) headers.set("content-range", `bytes ${start}-${end - 1}/${sizeBytes}`);
  if (c.req.method === "HEAD") { // served by the same route; its body must not even be opened
    await resource.close();
    return new Response(null, { status: selection.status, headers });
  }
  const { body, source } = await resource.open(selection.status === 206 ? selection.range : undefined);
  headers.set("x-tally-source", source);
  return new Response(keep(body), { status: selection.status, headers });
}
