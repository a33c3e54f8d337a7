import { createHash } from "node:crypto";

/** A web server that only reads, as a plain one does. */
export interface StaticFiles extends AsyncDisposable {
  readonly url: URL;
  /** By path without the leading slash. */
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
}

/** Which abilities the server lacks. */
export interface StaticFilesOptions {
  /** It answers a range request with the whole file, as servers may. */
  readonly ignoresRanges?: boolean;
}

/** Serves files from memory to `GET` and `HEAD`, with strong ETags, preconditions and single ranges. @see RFC 9110 */
export function serveStaticFiles({ ignoresRanges = false }: StaticFilesOptions = {}): StaticFiles {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const file = files.get(new URL(request.url).pathname.slice(1));
    if (request.method !== "GET" && request.method !== "HEAD") return new Response(null, { status: 405 });
    if (file === undefined) return new Response("no such file\n", { status: 404 });
    return answer(request, file, ignoresRanges ? null : request.headers.get("range"));
  });
  const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
  return { url, files, [Symbol.asyncDispose]: () => server.shutdown() };
}

function answer(request: Request, file: Uint8Array<ArrayBuffer>, range: string | null): Response {
  const etag = `"${createHash("sha256").update(file).digest("hex").slice(0, 16)}"`;
  const ifMatch = request.headers.get("if-match");
  if (ifMatch !== null && ifMatch !== etag) return new Response(null, { status: 412 });
  const [start, end] = spanOf(range, file.byteLength);
  const headers = { etag, "content-length": String(end - start), "accept-ranges": "bytes" };
  if (range !== null && start >= end) {
    return new Response(null, { status: 416, headers: { etag, "content-range": `bytes */${file.byteLength}` } });
  }
  const body = request.method === "HEAD" ? null : file.slice(start, end);
  if (range === null) return new Response(body, { headers });
  const contentRange = `bytes ${start}-${end - 1}/${file.byteLength}`;
  return new Response(body, { status: 206, headers: { ...headers, "content-range": contentRange } });
}

function spanOf(range: string | null, sizeBytes: number): [start: number, end: number] {
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? "");
  if (match === null) return [0, sizeBytes];
  const [, first = "", last = ""] = match;
  if (first === "") return [Math.max(0, sizeBytes - Number(last)), sizeBytes];
  return [Number(first), last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)];
}
