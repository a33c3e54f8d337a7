import { Crc32c } from "../lib/crypto/crc32c.ts";
import { parseContentRange } from "../lib/http/byte_ranges.ts";

/**
 * A platform with one run, and the storage of its files, in a process of its own: `bench/artifact_server.ts COUNT BYTES`.
 * Prints its address. As little as it takes, so that what is measured is who downloads.
 */
function serve(count: number, sizeBytes: number): void {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const file = new Uint8Array(sizeBytes);
  for (let offset = 0; offset < sizeBytes; offset += bytes.length) {
    file.set(bytes.subarray(0, sizeBytes - offset), offset);
  }
  const sum = new Crc32c();
  sum.update(file);
  const metadata = { checksum_base64_crc32c: sum.bytes().toBase64(), media_type: "image/tiff" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, searchParams, origin } = new URL(request.url);
    if (pathname.startsWith("/files/")) return fileAnswer(request, file);
    if (pathname.endsWith("/items")) return Response.json(items(count, Number(searchParams.get("page")), metadata));
    const [, id] = /\/artifacts\/(.+)\/file$/.exec(pathname) ?? [];
    if (id === undefined) return Response.json(run(count));
    return new Response(null, { status: 307, headers: { location: `${origin}/files/${id}` } });
  });
  Deno.stdout.writeSync(new TextEncoder().encode(`http://127.0.0.1:${server.addr.port}/\n`));
}

function fileAnswer(request: Request, file: Uint8Array<ArrayBuffer>): Response {
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
  const end = last === "" ? file.length : Math.min(file.length, Number(last) + 1);
  const headers = new Headers({ etag: '"1"', "content-length": String(end - Number(first)) });
  if (!request.headers.has("range")) return new Response(file, { headers });
  const range = `bytes ${first}-${end - 1}/${file.length}`;
  if (parseContentRange(range) === undefined) return new Response(null, { status: 416 });
  headers.set("content-range", range);
  return new Response(file.subarray(Number(first), end), { status: 206, headers });
}

function run(count: number): unknown {
  const none = { item_pending_count: 0, item_processing_count: 0, item_user_error_count: 0 };
  return {
    ...{ run_id: RUN_ID, application_id: "bench", version_number: "1.0.0", state: "TERMINATED", output: "FULL" },
    ...{ termination_reason: "ALL_ITEMS_PROCESSED", error_code: null, error_message: null },
    statistics: {
      ...none,
      item_count: count,
      item_system_error_count: 0,
      item_skipped_count: 0,
      item_succeeded_count: count,
    },
    ...{ submitted_at: "2026-01-02T03:04:05Z", submitted_by: "bench" },
  };
}

function items(count: number, page: number, metadata: unknown): unknown[] {
  const numbers = Array.from({ length: count }, (_, index) => index).slice((page - 1) * 100, page * 100);
  return numbers.map((number) => ({
    ...{ item_id: `item-${number}`, external_id: `slide ${number}`, custom_metadata: null, state: "TERMINATED" },
    ...{ output: "FULL", termination_reason: "SUCCEEDED", input_artifacts: [] },
    output_artifacts: [{
      output_artifact_id: `${number}`,
      name: "map",
      state: "TERMINATED",
      output: "AVAILABLE",
      metadata,
    }],
  }));
}

const RUN_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

if (import.meta.main) serve(Number(Deno.args[0]), Number(Deno.args[1]));
