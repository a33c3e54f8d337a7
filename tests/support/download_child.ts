import { createHash } from "node:crypto";
import { join } from "node:path";
import { httpClient } from "../../lib/http/client.ts";
import { download } from "../../lib/http/download.ts";
import { httpSource } from "../../lib/http/range_source.ts";
import { RateLimit } from "../../lib/http/rate_limit.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { hurriedClock } from "./hurried_clock.ts";

/** What a child downloads: all `names` at a time. */
export interface DownloadJob {
  readonly base: string;
  readonly folder: string;
  /** Each with its lower-case hex SHA-256. */
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly sizeBytes: number;
  readonly segmentBytes: number;
  readonly bytesPerSecond: number;
}

const encoder = new TextEncoder();

/** Each line reaches the parent before the next thing happens: `start NAME BYTES`, `done NAME BYTES`, `end NAME FETCHED`. */
function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

async function bring(
  job: DownloadJob,
  { name, sha256 }: DownloadJob["files"][number],
  limit: RateLimit,
): Promise<void> {
  const address = () => Promise.resolve({ url: new URL(name, job.base) });
  let word = "start";
  const { fetchedBytes } = await download({
    path: join(job.folder, name),
    identity: sha256,
    sources: [httpSource({ name, service: "CDN", http: httpClient("CDN"), address })],
    sizeBytes: job.sizeBytes,
    segmentBytes: job.segmentBytes,
    digest: () => {
      const hash = createHash("sha256");
      return { update: (chunk) => void hash.update(chunk), matches: () => hash.digest("hex") === sha256 };
    },
  }, {
    clock: hurriedClock(),
    limit,
    signal: new AbortController().signal,
    onProgress: (doneBytes) => {
      say(`${word} ${name} ${doneBytes}`);
      word = "done";
    },
  });
  say(`end ${name} ${fetchedBytes}`);
}

if (import.meta.main) {
  const job: DownloadJob = JSON.parse(Deno.args[0] ?? "");
  const limit = new RateLimit(job.bytesPerSecond, systemClock);
  await Promise.all(job.files.map((file) => bring(job, file, limit)));
}
