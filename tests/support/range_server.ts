import { parseContentRange } from "../../lib/http/byte_ranges.ts";
import { systemClock } from "../../lib/system/clock.ts";

/** A file as a {@link RangeServer} has it. */
export interface ServedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Strong, without quotes; none is sent without one. */
  readonly etag?: string;
}

/** What a server does with one request in place of what it should. */
export interface Fault {
  /** Answers with this status and nothing else. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Breaks the connection off after so many bytes of the body; not where the size is hidden. */
  readonly cutAfter?: number;
  /** Sends the byte at this place of the file wrong. */
  readonly flipAt?: number;
  /** Keeps silent after so many bytes, until the client has gone. */
  readonly stallAfter?: number;
  /** Waits so long before each 16 KiB, as a far server does. */
  readonly delayMs?: number;
}

/** One request, as the server saw it. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  /** Bytes that were taken off it so far. */
  sentBytes: number;
  /** Whether the answer has been taken, or given up. */
  isOver: boolean;
}

/** A web server with ranges and with faults. */
export interface RangeServer extends AsyncDisposable {
  readonly url: URL;
  /** By path without the leading slash. */
  readonly files: Map<string, ServedFile>;
  readonly seen: SeenRequest[];
  /** Called for each request, in order, with its number from 0 on. */
  fault: (request: SeenRequest, number: number) => Fault | undefined;
  ignoresRanges: boolean;
  /** Sends no `Content-Length`, either. */
  hidesSize: boolean;
}

const PIECE_BYTES = 16 * 1024;

/** Serves files from memory. @see RFC 9110, section 14 */
export function rangeServer(): RangeServer {
  const server: Omit<RangeServer, "url" | typeof Symbol.asyncDispose> = {
    files: new Map(),
    seen: [],
    fault: () => undefined,
    ignoresRanges: false,
    hidesSize: false,
  };
  const listener = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const seen: SeenRequest = { path, headers: request.headers, sentBytes: 0, isOver: false };
    server.seen.push(seen);
    const fault = server.fault(seen, server.seen.length - 1) ?? {};
    const file = server.files.get(path);
    const range = server.ignoresRanges ? null : validRange(request, file);
    const [start, end] = spanOf(range, file?.bytes.byteLength ?? 0);
    if (fault.status !== undefined) return new Response(null, { status: fault.status, headers: fault.headers ?? {} });
    if (file === undefined) return new Response("no such file\n", { status: 404 });
    const size = file.bytes.byteLength;
    const headers = new Headers(file.etag === undefined ? {} : { etag: `"${file.etag}"` });
    if (range !== null && start >= end) {
      headers.set("content-range", `bytes */${size}`);
      return new Response("nothing there\n", { status: 416, headers });
    }
    if (range !== null) headers.set("content-range", contentRange(start, end, size));
    if (!server.hidesSize) headers.set("content-length", String(end - start));
    return new Response(bodyOf(file.bytes, [start, end], seen, fault), { status: range === null ? 200 : 206, headers });
  });
  return Object.assign(server, {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    [Symbol.asyncDispose]: () => listener.shutdown(),
  });
}

/** @see RFC 9110, section 13.1.5 */
function validRange(request: Request, file: ServedFile | undefined): string | null {
  const ifRange = request.headers.get("if-range");
  const isSame = ifRange === null || ifRange === `"${file?.etag}"`;
  return isSame ? request.headers.get("range") : null;
}

function spanOf(range: string | null, sizeBytes: number): [start: number, end: number] {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  if (match === null) return [0, sizeBytes];
  const [, first = "", last = ""] = match;
  return [Number(first), last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)];
}

function contentRange(start: number, end: number, size: number): string {
  const text = `bytes ${start}-${end - 1}/${size}`;
  if (parseContentRange(text) === undefined) throw new RangeError(`"${text}" is no range`);
  return text;
}

function bodyOf(
  bytes: Uint8Array<ArrayBuffer>,
  [start, end]: readonly [number, number],
  seen: SeenRequest,
  { cutAfter = Infinity, stallAfter = Infinity, flipAt, delayMs = 0 }: Fault,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = start;
  let release = () => {};
  const close = (controller: ReadableStreamDefaultController) => {
    seen.isOver = true;
    controller.close();
  };
  return new ReadableStream({
    async pull(controller) {
      if (position === end) return close(controller);
      if (delayMs > 0) await systemClock.sleep(delayMs);
      if (seen.sentBytes >= cutAfter) return close(controller); // fewer bytes than announced: the connection breaks
      if (seen.sentBytes >= stallAfter) return await new Promise<void>((resolve) => release = resolve);
      const left = Math.min(cutAfter, stallAfter) - seen.sentBytes;
      const piece = bytes.slice(position, Math.min(end, position + Math.min(PIECE_BYTES, left)));
      const place = (flipAt ?? -1) - position;
      const wrong = piece[place];
      if (wrong !== undefined) piece[place] = wrong ^ 1;
      position += piece.byteLength;
      seen.sentBytes += piece.byteLength;
      controller.enqueue(piece);
    },
    cancel: () => {
      seen.isOver = true;
      release();
    },
  }, { highWaterMark: 0 });
}
