import { join } from "node:path";
import { release } from "../bytes.ts";
import { Crc32c } from "../crypto/crc32c.ts";
import { ConflictError, IntegrityError, InterruptedError, messageOf, TallyError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { download } from "../http/download.ts";
import type { DownloadRequest, RunningDigest } from "../http/download_request.ts";
import { httpSource } from "../http/range_source.ts";
import type { RateLimit } from "../http/rate_limit.ts";
import type { Clock } from "../system/clock.ts";
import { fileFacts, openFile } from "../system/files.ts";
import { foldersBelow } from "../system/folders.ts";
import { artifactPath } from "./artifact_paths.ts";
import type { ItemResult, OutputArtifactResult, RunData } from "./run_wire.ts";
import type { JsonObject } from "./wire.ts";

/** How the artifacts of a run are downloaded. */
export interface RunDownloadOptions {
  /** Goes on while the run does, and downloads what becomes ready. */
  readonly wait?: boolean;
  /** Pause between two looks at a run that goes on; 5 s. */
  readonly pollMs?: number;
  /** Artifacts at a time; 8. */
  readonly parallel?: number;
  /** Bytes per second, of everything that shares it. */
  readonly limit?: RateLimit | undefined;
  /** Ends the download; what has come is used by the next one. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes of all artifacts so far. */
  readonly onProgress?: (doneBytes: number) => void;
  /** Called once for each artifact, when it is settled. */
  readonly onArtifact?: (artifact: ArtifactOutcome) => void;
}

/** What became of one artifact. */
export interface ArtifactOutcome {
  /** Submitter's name of its item. */
  readonly externalId: string;
  /** UUID. */
  readonly artifactId: string;
  /** Where it lies; as far as that could be found out. */
  readonly path: string;
  /** `skipped`: it was there already, and is right. */
  readonly outcome: "downloaded" | "skipped" | "failed";
  /** Size of the file. */
  readonly sizeBytes: number;
  /** Whether its checksum was compared; a server may give none. */
  readonly verified: boolean;
  /** Why it failed. */
  readonly error?: unknown;
}

/** What came of all artifacts of a run. */
export interface RunDownload {
  /** How many were fetched. */
  readonly downloaded: number;
  /** How many were there already, and right. */
  readonly skipped: number;
  /** Those that could not be had. */
  readonly failed: readonly ArtifactOutcome[];
  /** Size of all that were fetched. */
  readonly sizeBytes: number;
}

/** What is downloaded with. */
export interface RunDownloadDeps {
  readonly runId: string;
  readonly details: (signal?: AbortSignal) => Promise<RunData>;
  readonly results: (signal?: AbortSignal) => AsyncIterable<ItemResult>;
  /** A fresh signed address; asked for before each attempt. */
  readonly artifactUrl: (artifactId: string, signal: AbortSignal) => Promise<URL>;
  /** Fetches from signed addresses: it adds no token. */
  readonly http: HttpClient;
  readonly clock: Clock;
}

const PARALLEL = 8;
const RANGES_IN_ALL = 8;
const POLL_MS = 5_000;
const STALL_MS = 60_000;
/** Held in memory by each of those at a time. */
const SEGMENT_BYTES = 256 * 1024;
/** What comes out of a run is for the person's other programs, too. */
const FILE_MODE = 0o666;
const CHECKSUM_KEYS = ["checksum_base64_crc32c", "checksum_crc32c"];

/** Conditions that the next artifact would meet as well. */
const FATAL: ReadonlySet<string> = new Set([
  "not_signed_in",
  "disk_full",
  "disk_failed",
  "interrupted",
  "configuration",
]);

interface ReadyArtifact {
  readonly externalId: string;
  readonly artifact: OutputArtifactResult;
}

/**
 * Downloads what came out of a run to `{base}/{run_id}/{external_id}/{name}{ending}`, several artifacts at a time, each by
 * ranges that go on where a killed process stopped. A file that is there and has the right checksum is skipped, another one
 * is replaced when the right one has come. One bad artifact does not end all: it is in `failed`.
 *
 * @throws {ConflictError} `base` is not a folder; {NotFoundError} no such run; {NotSignedInError}, {DiskFullError},
 * {InterruptedError}: they would meet every artifact
 */
export async function downloadRun(
  deps: RunDownloadDeps,
  base: string,
  options: RunDownloadOptions = {},
): Promise<RunDownload> {
  await foldersBelow(base, []);
  return await new RunDownloader(deps, base, options).run();
}

class RunDownloader {
  readonly #deps: RunDownloadDeps;
  readonly #base: string;
  readonly #options: RunDownloadOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #settled = new Set<string>();
  readonly #paths = new Map<string, string>();
  readonly #running = new Set<Promise<void>>();
  readonly #doneBytes = new Map<string, number>();
  readonly #failed: ArtifactOutcome[] = [];
  #sum = { downloaded: 0, skipped: 0, sizeBytes: 0 };
  #settledBytes = 0;
  #fatal: { readonly error: unknown } | undefined;

  constructor(deps: RunDownloadDeps, base: string, options: RunDownloadOptions) {
    this.#deps = deps;
    this.#base = base;
    this.#options = options;
    const outer = options.signal === undefined ? [] : [options.signal];
    this.#signal = AbortSignal.any([...outer, this.#stop.signal]);
  }

  async run(): Promise<RunDownload> {
    try {
      await this.#passes();
    } catch (error) {
      this.#end(error);
    }
    await Promise.all(this.#running);
    if (this.#options.signal?.aborted) throw new InterruptedError();
    if (this.#fatal !== undefined) throw this.#fatal.error;
    return { ...this.#sum, failed: this.#failed };
  }

  /** The state is looked at first: a run that has ended by then has all its results in the pass behind it. */
  async #passes(): Promise<void> {
    const { wait = false, pollMs = POLL_MS } = this.#options;
    for (;;) {
      const { state } = await this.#deps.details(this.#signal);
      await this.#pass();
      if (!wait || state === "TERMINATED") return;
      await this.#deps.clock.sleep(pollMs, this.#signal);
    }
  }

  async #pass(): Promise<void> {
    const { parallel = PARALLEL } = this.#options;
    for await (const ready of readyArtifacts(this.#deps.results(this.#signal))) {
      const id = ready.artifact.output_artifact_id;
      if (this.#settled.has(id)) continue;
      this.#settled.add(id);
      while (this.#running.size >= parallel) await Promise.race(this.#running);
      this.#signal.throwIfAborted();
      const work = this.#settle(ready).finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
    await Promise.all(this.#running);
  }

  /** Does not fail: what must end everything ends it. */
  async #settle(ready: ReadyArtifact): Promise<void> {
    try {
      this.#count(await this.#bring(ready));
    } catch (error) {
      if (this.#signal.aborted || error instanceof TallyError && FATAL.has(error.code)) return this.#end(error);
      const { externalId, artifact } = ready;
      const path = join(...artifactPath(this.#nameOf(ready)));
      const id = artifact.output_artifact_id;
      this.#count({ externalId, artifactId: id, path, outcome: "failed", sizeBytes: 0, verified: false, error });
    }
  }

  #end(error: unknown): void {
    this.#fatal ??= { error };
    this.#stop.abort();
  }

  #count(outcome: ArtifactOutcome): void {
    this.#doneBytes.delete(outcome.artifactId);
    this.#settledBytes += outcome.sizeBytes;
    if (outcome.outcome === "failed") this.#failed.push(outcome);
    else this.#sum[outcome.outcome]++;
    if (outcome.outcome === "downloaded") this.#sum.sizeBytes += outcome.sizeBytes;
    this.#options.onArtifact?.(outcome);
  }

  async #bring(ready: ReadyArtifact): Promise<ArtifactOutcome> {
    const { externalId, artifact } = ready;
    const artifactId = artifact.output_artifact_id;
    const path = await this.#place(ready);
    const checksum = checksumOf(artifact.metadata);
    const facts = await fileFacts(path);
    const settled = { externalId, artifactId, path, verified: checksum !== undefined };
    if (facts !== undefined && checksum !== undefined && await checksumOfFile(path, this.#signal) === checksum) {
      return { ...settled, outcome: "skipped", sizeBytes: facts.sizeBytes };
    }
    const sizeBytes = await this.#download(artifactId, path, checksum);
    return { ...settled, outcome: "downloaded", sizeBytes };
  }

  async #download(artifactId: string, path: string, checksum: string | undefined): Promise<number> {
    const { clock, http, artifactUrl, runId } = this.#deps;
    const source = httpSource({
      name: path,
      service: "platform",
      http,
      address: async (signal) => ({ url: await artifactUrl(artifactId, signal) }),
      isSigned: true,
      stallMs: STALL_MS,
    });
    const request: DownloadRequest = {
      path,
      mode: FILE_MODE,
      segmentBytes: SEGMENT_BYTES,
      sources: [source],
      identity: `artifact ${runId} ${artifactId} ${checksum ?? ""}`,
      ...(checksum === undefined ? {} : { digest: () => crc32cDigest(checksum) }),
    };
    const { sizeBytes } = await download(request, {
      clock,
      signal: this.#signal,
      limit: this.#options.limit,
      maxRanges: Math.max(1, Math.floor(RANGES_IN_ALL / this.#running.size)),
      onProgress: (doneBytes) => this.#progress(artifactId, doneBytes),
    });
    return sizeBytes;
  }

  #progress(artifactId: string, doneBytes: number): void {
    this.#doneBytes.set(artifactId, doneBytes);
    const running = [...this.#doneBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.#options.onProgress?.(this.#settledBytes + running);
  }

  /** The folders are made; two artifacts never have one place. */
  async #place(ready: ReadyArtifact): Promise<string> {
    const segments = artifactPath(this.#nameOf(ready));
    const folder = await foldersBelow(this.#base, segments.slice(0, -1));
    const path = join(folder, segments.at(-1) ?? "");
    const owner = this.#paths.get(path);
    const id = ready.artifact.output_artifact_id;
    if (owner !== undefined && owner !== id) {
      throw new ConflictError(`Cannot download the artifact "${id}": "${owner}" has the same name`);
    }
    this.#paths.set(path, id);
    return path;
  }

  #nameOf({ externalId, artifact: { name, metadata } }: ReadyArtifact): Parameters<typeof artifactPath>[0] {
    return { runId: this.#deps.runId, externalId, name, metadata };
  }
}

async function* readyArtifacts(items: AsyncIterable<ItemResult>): AsyncGenerator<ReadyArtifact, void, undefined> {
  for await (const { external_id: externalId, state, output, output_artifacts } of items) {
    if (state !== "TERMINATED" || output !== "FULL") continue;
    for (const artifact of output_artifacts) if (artifact.output === "AVAILABLE") yield { externalId, artifact };
  }
}

/** Base64 of the four bytes of the CRC-32C, as the application's metadata gives it. */
function checksumOf(metadata: JsonObject | null): string | undefined {
  const found = CHECKSUM_KEYS.map((key) => metadata?.[key]).find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found : undefined;
}

function crc32cDigest(expected: string): RunningDigest {
  const sum = new Crc32c();
  return { update: (chunk) => sum.update(chunk), matches: () => sum.bytes().toBase64() === expected };
}

async function checksumOfFile(path: string, signal: AbortSignal): Promise<string> {
  const sum = new Crc32c();
  for await (const chunk of await openFile(path)) {
    signal.throwIfAborted();
    sum.update(chunk);
    release(chunk);
  }
  return sum.bytes().toBase64();
}

/**
 * The error of a download of which artifacts failed; `undefined` when none did. Its condition is that of the first, but bad
 * bytes come before everything else.
 */
export function downloadFailure({ downloaded, skipped, failed }: RunDownload): TallyError | undefined {
  const errors = failed.map(({ error }) => error);
  const first = errors.find((error) => error instanceof IntegrityError) ?? errors[0];
  if (first === undefined) return undefined;
  const count = downloaded + skipped + failed.length;
  const code = first instanceof TallyError ? first.code : "internal";
  const message = `${failed.length} of ${count} artifacts could not be downloaded: ${messageOf(first)}`;
  return new TallyError(code, message, { cause: first });
}
