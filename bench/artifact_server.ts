import { Crc32c } from "../lib/crypto/crc32c.ts";

const BLOCK_BYTES = 1024 * 1024;
const RUN_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

/**
 * A platform with one run, and the storage of its files, in a process of its own: `bench/artifact_server.ts COUNT BYTES`.
 * Prints its address. As little as it takes, so that what is measured is who downloads. `GET /sent` tells how many bytes of
 * files were asked for.
 */
function serve(count: number, sizeBytes: number): void {
  const storage = new Storage(sizeBytes);
  const metadata = { checksum_base64_crc32c: storage.crc32c(), media_type: "image/tiff" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, searchParams, origin } = new URL(request.url);
    if (pathname.startsWith("/files/")) return storage.answer(request);
    if (pathname === "/sent") return new Response(String(storage.sentBytes));
    if (pathname.endsWith("/items")) return Response.json(items(count, Number(searchParams.get("page")), metadata));
    const [, id] = /\/artifacts\/(.+)\/file$/.exec(pathname) ?? [];
    if (id === undefined) return Response.json(run(count));
    return new Response(null, { status: 307, headers: { location: `${origin}/files/${id}` } });
  });
  Deno.stdout.writeSync(new TextEncoder().encode(`http://127.0.0.1:${server.addr.port}/\n`));
}

/** Files of one content: a block of random bytes, over and over. */
class Storage {
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #sizeBytes: number;
  sentBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    for (let offset = 0; offset < BLOCK_BYTES; offset += 65_536) {
      crypto.getRandomValues(this.#block.subarray(offset, offset + 65_536));
    }
  }

  crc32c(): string {
    const sum = new Crc32c();
    for (let offset = 0; offset < this.#sizeBytes; offset += BLOCK_BYTES) {
      sum.update(this.#block.subarray(0, this.#sizeBytes - offset));
    }
    return sum.bytes().toBase64();
  }

  answer(request: Request): Response {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(this.#sizeBytes, Number(range?.[2] || this.#sizeBytes) + 1);
    const headers = new Headers({ etag: '"1"', "content-length": String(end - start) });
    if (range !== null) headers.set("content-range", `bytes ${start}-${end - 1}/${this.#sizeBytes}`);
    return new Response(this.#body(start, end), { status: range === null ? 200 : 206, headers });
  }

  #body(start: number, end: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    let position = start;
    return new ReadableStream({
      pull: (controller) => {
        if (position === end) return controller.close();
        const within = position % BLOCK_BYTES;
        const piece = this.#block.subarray(within, within + Math.min(BLOCK_BYTES / 4, end - position));
        position += piece.byteLength;
        this.sentBytes += piece.byteLength;
        controller.enqueue(piece);
      },
    }, { highWaterMark: 0 });
  }
}

function run(count: number): unknown {
  const none = {
    item_pending_count: 0,
    item_processing_count: 0,
    item_user_error_count: 0,
    item_system_error_count: 0,
  };
  return {
    ...{ run_id: RUN_ID, application_id: "bench", version_number: "1.0.0", state: "TERMINATED", output: "FULL" },
    ...{ termination_reason: "ALL_ITEMS_PROCESSED", error_code: null, error_message: null },
    statistics: { ...none, item_count: count, item_skipped_count: 0, item_succeeded_count: count },
    ...{ submitted_at: "2026-01-02T03:04:05Z", submitted_by: "bench" },
  };
}

function items(count: number, page: number, metadata: unknown): unknown[] {
  const numbers = Array.from({ length: count }, (_, index) => index).slice((page - 1) * 100, page * 100);
  return numbers.map((number) => ({
    ...{ item_id: `item-${number}`, external_id: `slide ${number}`, custom_metadata: null, state: "TERMINATED" },
    ...{ output: "FULL", termination_reason: "SUCCEEDED", input_artifacts: [] },
    output_artifacts: [
      { output_artifact_id: `${number}`, name: "map", state: "TERMINATED", output: "AVAILABLE", metadata },
    ],
  }));
}

if (import.meta.main) serve(Number(Deno.args[0]), Number(Deno.args[1]));
