import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { UPLOADER_ROLES } from "../lib/auth/roles.ts";
import { InvalidInputError } from "../lib/errors.ts";
import { type Fields, readForm } from "../lib/http/form.ts";
import { requestBody } from "../lib/http/request_body.ts";
import type { Services } from "../lib/services.ts";
import type { Places } from "../lib/system/places.ts";
import { parseName } from "../lib/split/names.ts";
import { CALLER_SECURITY, jsonAnswer, problemAnswers, SIGNED_IN_CODES, UPSTREAM_CODES } from "./answers.ts";
import { noteForAudit } from "./audit.ts";
import { requireRole } from "./guard.ts";
import { nameSchema } from "./name_schema.ts";
import { inPlace } from "./transfers.ts";

const DEFAULT_FOLDER = "models";

/**
 * `POST /upload/{filename}`: encrypts, splits and publishes the file of a form. The form is read by {@link readForm}, not by
 * the framework, which would hold all of it in memory; so its OpenAPI entry stands beside it.
 */
export function addUpload(app: OpenAPIHono, services: Services, transfers: Places): void {
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/upload/{filename}",
    summary: "Publish a resource",
    description:
      "Streams: the size is not limited. The resource becomes visible when all of it is published, or not at all.",
    security: CALLER_SECURITY,
    request: {
      params: z.object({ filename: nameSchema("filename", "detector.onnx") }),
      body: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: z.object({
              folder: nameSchema("folder", DEFAULT_FOLDER).default(DEFAULT_FOLDER),
              data: z.string().openapi({ format: "binary", description: "The resource; exactly one file" }),
            }),
          },
        },
      },
    },
    responses: {
      200: {
        ...jsonAnswer("Published", z.object({ status: z.literal("ok") })),
        headers: z.object({
          "X-Tally-Format": z.enum(["v1", "v2"])
            .openapi({ description: "`v2` where the server offers it and `PUBLISHER_KEY_FILE` is set" }),
        }),
      },
      ...problemAnswers(
        "malformed",
        "unsupported_media_type",
        "too_large",
        "invalid_input",
        ...SIGNED_IN_CODES,
        "conflict",
        "integrity",
        "disk_full",
        "disk_failed",
        "busy",
        ...UPSTREAM_CODES,
      ),
    },
  });

  app.post("/upload/:filename", requireRole(services, UPLOADER_ROLES), async (c) => {
    const name = parseName("filename", c.req.param("filename"));
    const signal = c.req.raw.signal;
    return await inPlace(c, transfers, async () => {
      using stagings = new DisposableStack();
      const { fields, file: staged } = await readForm(
        requestBody(c.req.raw, Infinity, signal),
        c.req.header("content-type") ?? "",
        {
          fileField: "data",
          receive: async (data, _filename, fieldsBefore) => {
            folderOf(fieldsBefore); // a wrong one is refused before the data is read
            return stagings.use(await services.stage(data, { signal }));
          },
        },
      );
      if (staged === undefined) throw new InvalidInputError("data", 'The form has no file in the field "data"');
      const folder = folderOf(fields);
      noteForAudit(c, { resource: `${folder}/${name}` });
      const { version } = await staged.publish({ folder, name, signal });
      noteForAudit(c, { version });
      c.header("X-Tally-Format", staged.format);
      return c.json({ status: "ok" });
    });
  });
}

function folderOf(fields: Fields): string {
  return parseName("folder", fields.get("folder") ?? DEFAULT_FOLDER);
}
