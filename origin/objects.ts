import { type Context, Hono } from "hono";
import { z } from "zod";
import { READER_ROLES, UPLOADER_ROLES } from "../lib/auth/roles.ts";
import { ConflictError, InvalidInputError, MalformedError, NotAllowedError, NotFoundError } from "../lib/errors.ts";
import { checkObjectName } from "../lib/cdn/object_name.ts";
import { requestBody } from "../lib/http/request_body.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Span } from "../lib/http/byte_ranges.ts";
import { parseRange } from "../lib/http/range_request.ts";
import { digestField, parseDigestField } from "./digest_field.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import { checkObjectAccess } from "./object_access.ts";
import type { ObjectFolder, ObjectName, ObjectRecord } from "./object_store.ts";
import { type Conditions, evaluate, rangeStillHolds } from "../lib/http/precondition.ts";
import { baseOf } from "./public_url.ts";
import { readJson } from "./json_body.ts";
import { readSecret } from "./secrets.ts";
import { signPermit } from "./signed_url.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** What the routes of the object store need. */
export interface ObjectRoutesDeps {
  readonly state: State;
  readonly objects: ObjectFolder;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly publicUrl: URL;
}

const OBJECT_LIMIT_BYTES = 64 * 1024 ** 3;
const PAIRED_HEADER = "x-tally-small-sha256";
const DEFAULT_PERMIT_SECONDS = 3600;
const PERMIT_LIMIT_SECONDS = 24 * 3600;

const signRequest = z.object({
  method: z.enum(["GET", "PUT", "DELETE"]),
  bucket: z.string(),
  key: z.string(),
  expiresInSeconds: z.int().min(1).max(PERMIT_LIMIT_SECONDS).default(DEFAULT_PERMIT_SECONDS),
});

/**
 * The object store of the embedded CDN: `GET`, `HEAD`, `PUT` and `DELETE /objects/{bucket}/{key}`,
 * `GET /objects/{bucket}` → `{keys: [{key, sizeBytes}]}`, and `POST /objects/sign` → `{url, expires}`. One range per
 * request; strong ETags; `Repr-Digest` with SHA-256; a publisher's `x-tally-small-sha256` is kept and given back.
 */
export function objectRoutes(deps: ObjectRoutesDeps): Hono<OriginEnv> {
  const { state, objects, tokens, clock, publicUrl } = deps;
  return new Hono<OriginEnv>()
    .post("/objects/sign", requireSignIn(tokens, READER_ROLES), async (c) => {
      const { method, bucket, key, expiresInSeconds } = await readJson(c, signRequest);
      if (method !== "GET" && !UPLOADER_ROLES.includes(c.get("signedIn").account.role)) {
        throw new NotAllowedError("This account may only read objects");
      }
      const path = `/objects/${checkObjectName("bucket", bucket)}/${checkObjectName("key", key)}`;
      const expires = Math.floor(clock.now() / 1000) + expiresInSeconds;
      const signature = signPermit({ method, path, expires }, readSecret(state, "url_signing"));
      return c.json({ url: `${baseOf(publicUrl)}${path}?expires=${expires}&signature=${signature}`, expires });
    })
    .get("/objects/:bucket", (c) => {
      checkObjectAccess(c, "GET", deps);
      return c.json({ keys: objects.list(checkObjectName("bucket", c.req.param("bucket"))) });
    })
    .get("/objects/:bucket/:key", async (c) => {
      checkObjectAccess(c, "GET", deps);
      return await sendObject(c, objects);
    })
    .put("/objects/:bucket/:key", async (c) => {
      checkObjectAccess(c, "PUT", deps);
      return await receiveObject(c, objects);
    })
    .delete("/objects/:bucket/:key", async (c) => {
      checkObjectAccess(c, "DELETE", deps);
      await objects.remove(objectName(c), conditionsOf(c));
      return c.body(null, 204);
    });
}

/** What of an object is sent, and with which status. */
interface Selection extends Span {
  readonly status: 200 | 206 | 304 | 416;
  readonly record: ObjectRecord;
}

async function sendObject(c: Context<OriginEnv>, objects: ObjectFolder): Promise<Response> {
  const name = objectName(c);
  if (c.req.method === "HEAD") { // served by the same route; its body must not even be opened
    const record = objects.find(name);
    if (record === undefined) throw new NotFoundError("There is no such object");
    return answer(select(c, record), null);
  }
  const { chosen, body } = await objects.open(name, (record) => select(c, record));
  if (chosen.start < chosen.end) return answer(chosen, c.env.paced(body));
  await body.cancel();
  return answer(chosen, null);
}

/** @throws {ConflictError} when `If-Match` fails */
function select(c: Context<OriginEnv>, record: ObjectRecord): Selection {
  const verdict = evaluate(conditionsOf(c), record.etag, "not_modified");
  if (verdict === "failed") throw new ConflictError("The object has another ETag by now");
  if (verdict === "not_modified") return { status: 304, record, start: 0, end: 0 };
  const whole = { status: 200, record, start: 0, end: record.sizeBytes } as const;
  if (c.req.method !== "GET" || !rangeStillHolds(c.req.header("if-range"), record.etag)) return whole;
  const range = parseRange(c.req.header("range"), record.sizeBytes);
  if (range === "unsatisfiable") return { status: 416, record, start: 0, end: 0 };
  return range === undefined ? whole : { status: 206, record, ...range };
}

function answer({ status, record, start, end }: Selection, body: BodyInit | null): Response {
  const headers = new Headers(factHeaders(record));
  if (status === 200 || status === 206) {
    headers.set("content-type", "application/octet-stream");
    headers.set("content-length", String(end - start));
  }
  if (status === 206) headers.set("content-range", `bytes ${start}-${end - 1}/${record.sizeBytes}`);
  if (status === 416) headers.set("content-range", `bytes */${record.sizeBytes}`);
  return new Response(body, { status, headers });
}

function factHeaders({ etag, sha256, pairedWith }: ObjectRecord): Record<string, string> {
  return {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "etag": `"${etag}"`,
    "repr-digest": digestField(sha256),
    ...(pairedWith === undefined ? {} : { [PAIRED_HEADER]: pairedWith }),
  };
}

async function receiveObject(c: Context<OriginEnv>, objects: ObjectFolder): Promise<Response> {
  const name = objectName(c);
  for (const header of ["content-range", "content-encoding"]) {
    if (c.req.header(header) !== undefined) throw new MalformedError(`A PUT with ${header} is not understood`);
  }
  const expected = [c.req.header("content-digest"), c.req.header("repr-digest")].map(parseDigestField)
    .filter((digest) => digest !== undefined);
  if (new Set(expected).size > 1) throw new MalformedError("The digests of the request contradict each other");
  const existed = objects.find(name) !== undefined;
  const record = await objects.write(name, requestBody(c.req.raw, OBJECT_LIMIT_BYTES, c.env.cutOff), {
    expectedSha256: expected[0],
    pairedWith: pairedWith(c),
    conditions: conditionsOf(c),
  });
  return new Response(null, { status: existed ? 204 : 201, headers: factHeaders(record) });
}

function pairedWith(c: Context<OriginEnv>): string | undefined {
  const digest = c.req.header(PAIRED_HEADER);
  if (digest === undefined || /^[0-9a-f]{64}$/.test(digest)) return digest;
  throw new InvalidInputError(PAIRED_HEADER, `The header ${PAIRED_HEADER} must be a SHA-256 in lower-case hex`);
}

function objectName(c: Context<OriginEnv>): ObjectName {
  return {
    bucket: checkObjectName("bucket", c.req.param("bucket") ?? ""),
    key: checkObjectName("key", c.req.param("key") ?? ""),
  };
}

function conditionsOf(c: Context<OriginEnv>): Conditions {
  return { ifMatch: c.req.header("if-match"), ifNoneMatch: c.req.header("if-none-match") };
}
