import { type Context, Hono } from "hono";
import { NotFoundError } from "../../lib/errors.ts";
import { requestBody } from "../../lib/http/request_body.ts";
import type { Span } from "../../lib/http/byte_ranges.ts";
import { parseRange } from "../../lib/http/range_request.ts";
import type { OriginEnv } from "../guard.ts";
import type { ObjectFolder, ObjectRecord } from "../object_store.ts";
import { evaluate, rangeStillHolds } from "../../lib/http/precondition.ts";
import type { FilePermit, FilePresentation, SignedFiles } from "./signed_files.ts";

const INPUT_LIMIT_BYTES = 64 * 1024 ** 3;

/** The platform's files by signed URLs, without a token: `GET`, `HEAD` and `PUT {FILES_PATH}/{bucket}/{key}`. */
export function fileRoutes({ files, objects }: {
  readonly files: SignedFiles;
  readonly objects: ObjectFolder;
}): Hono<OriginEnv> {
  return new Hono<OriginEnv>()
    .get("/:bucket/:key", async (c) => {
      const permit = files.permitOf("GET", new URL(c.req.url));
      return await sendFile(c, permit, objects);
    })
    .put("/:bucket/:key", async (c) => {
      const { object } = files.permitOf("PUT", new URL(c.req.url));
      await objects.write(object, requestBody(c.req.raw, INPUT_LIMIT_BYTES, c.env.cutOff));
      return c.body(null, 200);
    });
}

/** Which bytes are sent, and with which status. */
interface Selection extends Span {
  readonly status: 200 | 206 | 304 | 416;
  readonly record: ObjectRecord;
}

async function sendFile(c: Context<OriginEnv>, { object, ...presentation }: FilePermit, objects: ObjectFolder) {
  const found = objects.find(object);
  if (found === undefined) throw new NotFoundError("The file is gone");
  if (c.req.method === "HEAD") return answer(select(c, found), null, presentation);
  const { chosen, body } = await objects.open(object, (record) => select(c, record));
  if (chosen.start < chosen.end) return answer(chosen, c.env.paced(body), presentation);
  await body.cancel();
  return answer(chosen, null, presentation);
}

function select(c: Context<OriginEnv>, record: ObjectRecord): Selection {
  const whole = { status: 200, record, start: 0, end: record.sizeBytes } as const;
  if (evaluate({ ifNoneMatch: c.req.header("if-none-match") }, record.etag, "not_modified") === "not_modified") {
    return { ...whole, status: 304, end: 0 };
  }
  if (c.req.method !== "GET" || !rangeStillHolds(c.req.header("if-range"), record.etag)) return whole;
  const range = parseRange(c.req.header("range"), record.sizeBytes);
  if (range === "unsatisfiable") return { ...whole, status: 416, end: 0 };
  return range === undefined ? whole : { status: 206, record, ...range };
}

function answer(
  { status, record, start, end }: Selection,
  body: BodyInit | null,
  presentation: FilePresentation,
): Response {
  const headers = new Headers({
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "etag": `"${record.etag}"`,
    "content-security-policy": "sandbox", // what an application made is no page of this origin
  });
  if (status === 200 || status === 206) {
    headers.set("content-type", presentation.mimeType);
    headers.set("content-length", String(end - start));
    if (presentation.saveAs !== undefined) headers.set("content-disposition", attachment(presentation.saveAs));
  }
  if (status === 206) headers.set("content-range", `bytes ${start}-${end - 1}/${record.sizeBytes}`);
  if (status === 416) headers.set("content-range", `bytes */${record.sizeBytes}`);
  return new Response(body, { status, headers });
}

/** @see RFC 6266 and RFC 8187 */
function attachment(name: string): string {
  const plain = name.replace(/[^\w.-]/g, "_");
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, percent)}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
