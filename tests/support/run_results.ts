import { Crc32c } from "../../lib/crypto/crc32c.ts";
import { type RangeServer, rangeServer } from "./range_server.ts";
import { SmallPlatform, type SmallRun } from "./small_platform.ts";

/** An artifact of a {@link RunResults}. */
export interface ResultFile {
  readonly externalId: string;
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly metadata?: Record<string, unknown>;
}

/** A run with results: a platform that knows it, and another server where its files lie. */
export interface RunResults extends AsyncDisposable {
  readonly platform: SmallPlatform;
  readonly storage: RangeServer;
  /** Where the files are said to lie; `storage` itself, unless something is put before it. */
  storageUrl: URL;
  readonly run: SmallRun;
  readonly files: ResultFile[];
}

/** The checksum of a file as the applications write it. */
export function crc32cBase64(bytes: Uint8Array): string {
  const sum = new Crc32c();
  sum.update(bytes);
  return sum.bytes().toBase64();
}

/** The id of the artifact at a place of the list. */
export function artifactId(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

/** Serves the run until it is disposed. Each address of a file is good for one request. */
export function runResults(): RunResults {
  const platform = new SmallPlatform();
  const storage = rangeServer();
  const files: ResultFile[] = [];
  const run = platform.add({ items: [] });
  run.state = "TERMINATED";
  run.terminationReason = "ALL_ITEMS_PROCESSED";
  let addresses = 0;
  platform.intercept = ({ target }) => {
    const [path = "", query] = target.split("?");
    if (path.endsWith(`/runs/${run.runId}/items`)) {
      const page = Number(new URLSearchParams(query).get("page"));
      return Response.json(itemsOf(files).slice((page - 1) * 100, page * 100));
    }
    const [, id] = /\/artifacts\/([^/]+)\/file$/.exec(path) ?? [];
    if (id === undefined) return undefined;
    const index = files.findIndex((_, place) => artifactId(place) === id);
    const file = files[index];
    if (file === undefined) return new Response(null, { status: 404 });
    const name = `signed-${addresses++}-${index}`;
    storage.files.set(name, { bytes: file.bytes, etag: `e${index}` });
    return new Response(null, { status: 307, headers: { location: new URL(name, results.storageUrl).href } });
  };
  const results: RunResults = {
    platform,
    storage,
    storageUrl: storage.url,
    run,
    files,
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await storage[Symbol.asyncDispose]();
    },
  };
  return results;
}

function itemsOf(files: readonly ResultFile[]): unknown[] {
  const ids = [...new Set(files.map(({ externalId }) => externalId))];
  return ids.map((externalId, place) => ({
    ...{ item_id: artifactId(900_000 + place), external_id: externalId, custom_metadata: null },
    ...{ state: "TERMINATED", output: "FULL", termination_reason: "SUCCEEDED", input_artifacts: [] },
    output_artifacts: files.flatMap((file, index) => file.externalId === externalId ? [artifactOf(file, index)] : []),
  }));
}

function artifactOf({ name, bytes, metadata }: ResultFile, index: number): unknown {
  return {
    ...{ output_artifact_id: artifactId(index), name, state: "TERMINATED", output: "AVAILABLE" },
    metadata: metadata ?? { checksum_base64_crc32c: crc32cBase64(bytes), media_type: "application/json" },
    termination_reason: "SUCCEEDED",
  };
}
