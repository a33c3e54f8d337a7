import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { READER_ROLES } from "../lib/auth/roles.ts";
import type { ResourceName } from "../lib/cdn/cached.ts";
import { InvalidInputError } from "../lib/errors.ts";
import type { LoadedResource } from "../lib/resources/load.ts";
import type { Services } from "../lib/services.ts";
import type { Places } from "../lib/system/places.ts";
import {
  CALLER_SECURITY,
  JSON_BODY_CODES,
  jsonBody,
  problemAnswers,
  SIGNED_IN_CODES,
  UPSTREAM_CODES,
} from "./answers.ts";
import { noteForAudit } from "./audit.ts";
import { recordDowngrade, requireDowngradeRole } from "./downgrade.ts";
import { requireRole } from "./guard.ts";
import { nameSchema } from "./name_schema.ts";
import { inPlace } from "./transfers.ts";

const filenameSchema = nameSchema("filename", "detector.onnx");
const bodySchema = z.object({
  filename: filenameSchema,
  folder: nameSchema("folder", "models"),
  allow_downgrade: z.boolean().optional().openapi({
    description: "`true`: as in `GET /resources/{folder}/{filename}`, for administrators",
  }),
});
const headersSchema = z.object({
  "Content-Length": z.int(),
  ETag: z.string().openapi({ description: "Changes with every published version" }),
  "X-Tally-Source": z.enum(["cache", "media", "cdn"]).openapi({ description: "Where the big part came from" }),
});

/**
 * `POST /load/{filename}`: the resource as it was published, decrypted while it is sent. When it turns out to be damaged on
 * the way, the connection is broken: the body stays shorter than announced and never looks whole.
 */
export function addLoad(app: OpenAPIHono, services: Services, transfers: Places): void {
  const route = createRoute({
    method: "post",
    path: "/load/{filename}",
    summary: "Load a resource",
    description: "Both names in the body must be valid, and `filename` the one of the path. " +
      "A body that ends before `Content-Length` is damaged and must be thrown away.",
    security: CALLER_SECURITY,
    middleware: requireRole(services, READER_ROLES),
    request: {
      params: z.object({ filename: filenameSchema }),
      body: jsonBody(bodySchema),
    },
    responses: {
      200: {
        description: "The resource",
        headers: headersSchema,
        content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
      },
      ...problemAnswers(
        ...JSON_BODY_CODES,
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
    const { filename: name, folder, allow_downgrade: allowDowngrade } = c.req.valid("json");
    if (c.req.valid("param").filename !== name) {
      throw new InvalidInputError("filename", "The filename in the body is not the one in the path");
    }
    noteForAudit(c, { resource: `${folder}/${name}` });
    const wanted = { folder, name, signal: c.req.raw.signal };
    return await inPlace(c, transfers, async (keep) => {
      const resource = await (allowDowngrade ? loadOlder(c, services, wanted) : services.load(wanted));
      noteForAudit(c, { version: resource.version });
      return c.body(keep(resource.body), 200, {
        "Content-Type": "application/octet-stream",
        "Content-Length": String(resource.sizeBytes),
        "Content-Disposition": `attachment; filename="${name}"`,
        "ETag": `"${resource.etag}"`,
        "X-Tally-Source": resource.source,
      });
    });
  });
}

/** The same for an administrator who takes an older version as well. */
async function loadOlder(
  c: Context,
  services: Services,
  wanted: ResourceName & { readonly signal: AbortSignal },
): Promise<LoadedResource> {
  requireDowngradeRole(c);
  const found = await services.find({ ...wanted, allowDowngrade: true });
  await recordDowngrade(c, services, found);
  const { sizeBytes, etag, standing } = found;
  return { ...await found.open(), sizeBytes, etag, version: standing?.version };
}
