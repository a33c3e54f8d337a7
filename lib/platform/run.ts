import { UpstreamTimeoutError } from "../errors.ts";
import { httpClient } from "../http/client.ts";
import type { PlatformApi } from "./api.ts";
import { downloadRun, type RunDownload, type RunDownloadOptions } from "./downloads.ts";
import { checkedFilter } from "./metadata_filter.ts";
import { allPages, checkedPageSize } from "./pages.ts";
import type { ListOptions, ReadOptions } from "./reading.ts";
import {
  itemAnswer,
  type ItemResult,
  itemsAnswer,
  metadataAnswer,
  runAnswer,
  type RunData,
  type State,
  type TerminationReason,
} from "./run_wire.ts";
import { touched } from "./sdk_metadata.ts";
import { Grants, type GrantSubject } from "./sharing.ts";
import type { GrantData } from "./sharing_wire.ts";
import type { JsonObject } from "./wire.ts";

const PAGE_SIZE = 100;
const POLL_MS = 2_000;

/** Which items of a run are meant; what is left out does not matter. */
export interface ResultFilter extends ListOptions {
  /** UUIDs of items. */
  readonly itemIds?: readonly string[];
  /** The submitter's own names of items. */
  readonly externalIds?: readonly string[];
  /** How far they are. */
  readonly state?: State;
  /** Why they ended. */
  readonly terminationReason?: TerminationReason;
  /** JSONPath on the items' custom metadata. */
  readonly customMetadata?: string;
}

/** How long and how closely a run is watched. */
export interface WaitOptions {
  /** Pause between two looks; 2 s. */
  readonly pollMs?: number;
  /** Longest wait; no limit when it is left out. */
  readonly timeoutMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** A change of custom metadata. */
export interface MetadataUpdate {
  /** What it was when it was read: when somebody has changed it since, the update is refused. */
  readonly checksum?: string | undefined;
  /** Leaves the `sdk` part as it is given, without a new `updated_at`. */
  readonly verbatim?: boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One run, by its id; nothing is asked for until a method is called. Reads wait 5 s for a run that was just submitted and is
 * not found yet.
 */
export class Run {
  /** UUID. */
  readonly runId: string;
  readonly #api: PlatformApi;
  readonly #shareToken: string | undefined;

  /** @internal */
  constructor(api: PlatformApi, runId: string, { shareToken }: { shareToken?: string | undefined } = {}) {
    this.#api = api;
    this.runId = runId;
    this.#shareToken = shareToken;
  }

  /** How the run is now. @throws {NotFoundError} */
  async details(options: ReadOptions = {}): Promise<RunData> {
    const query = { share_token: this.#shareToken };
    return await this.#api.read(runAnswer, { ...this.#reading, path: this.#path(), query, ...options });
  }

  /** Items with what became of them, page by page. @throws {NotFoundError} no such run */
  results(
    { pageSize = PAGE_SIZE, sort, nocache = false, signal, ...filter }: ResultFilter = {},
  ): AsyncGenerator<ItemResult, void, undefined> {
    const query = {
      share_token: this.#shareToken,
      item_id__in: filter.itemIds,
      external_id__in: filter.externalIds,
      state: filter.state,
      termination_reason: filter.terminationReason,
      custom_metadata: filter.customMetadata === undefined ? undefined : checkedFilter(filter.customMetadata),
      page_size: checkedPageSize(pageSize),
      sort,
    };
    const path = this.#path("items");
    return allPages((page) => {
      const read = { ...this.#reading, lagging: page === 1, path, query: { ...query, page }, nocache, signal };
      return this.#api.read(itemsAnswer, read);
    }, pageSize);
  }

  /** One item. @throws {NotFoundError} */
  async item(externalId: string, options: ReadOptions = {}): Promise<ItemResult> {
    const query = { share_token: this.#shareToken };
    return await this.#api.read(itemAnswer, {
      ...this.#reading,
      path: this.#path("items", externalId),
      query,
      ...options,
    });
  }

  /** By external id: `PENDING`, `PROCESSING`, or why the item ended. */
  async itemStatus(options: ReadOptions = {}): Promise<Map<string, State | TerminationReason>> {
    const status = new Map<string, State | TerminationReason>();
    for await (const { external_id, state, termination_reason } of this.results(options)) {
      status.set(external_id, termination_reason ?? state);
    }
    return status;
  }

  /** A fresh address of an artifact's file, valid for a while, for whoever has it. @throws {NotFoundError} it was deleted */
  async artifactUrl(artifactId: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<URL> {
    const query = { share_token: this.#shareToken };
    const path = this.#path("artifacts", artifactId, "file");
    return await this.#api.location({ path, query, limits: this.#api.limits.run, signal });
  }

  /**
   * Downloads all that came out of the run to `{base}/{run_id}/{external_id}/{name}{ending}`, checked, by several at a time,
   * and going on where an earlier call stopped. Artifacts that could not be had are in `failed`.
   * @throws {ConflictError} `base` is not a folder; {NotFoundError}; {DiskFullError}
   */
  async download(base: string, options: RunDownloadOptions = {}): Promise<RunDownload> {
    return await downloadRun(
      {
        runId: this.runId,
        details: (signal) => this.details({ nocache: true, signal }),
        results: (signal) => this.results({ nocache: true, signal }),
        artifactUrl: (artifactId, signal) => this.artifactUrl(artifactId, { signal }),
        http: httpClient("platform"),
        clock: this.#api.clock,
      },
      base,
      options,
    );
  }

  /** The same as {@link Run.download}, by its name of 2025. */
  downloadToFolder(base: string, options: RunDownloadOptions = {}): Promise<RunDownload> {
    return this.download(base, options);
  }

  /**
   * The run as it is, and again whenever its state or the number of items in a state has changed, until it has ended.
   * @throws {UpstreamTimeoutError} it has not ended after `timeoutMs`
   */
  async *watch({ pollMs = POLL_MS, timeoutMs = Infinity, signal }: WaitOptions = {}): AsyncGenerator<
    RunData,
    void,
    undefined
  > {
    const endMs = this.#api.clock.now() + timeoutMs;
    for (let seen = "";;) {
      const run = await this.details({ nocache: true, signal });
      const look = JSON.stringify([run.state, run.statistics]);
      if (look !== seen) yield run;
      if (run.state === "TERMINATED") return;
      seen = look;
      if (this.#api.clock.now() + pollMs > endMs) {
        throw new UpstreamTimeoutError("API", `The run ${this.runId} has not ended in time`);
      }
      await this.#api.clock.sleep(pollMs, signal);
    }
  }

  /** Waits until the run has ended, well or not: see its `termination_reason` and `statistics`. */
  async wait({ onChange = () => {}, ...options }: WaitOptions & { onChange?: (run: RunData) => void } = {}): Promise<
    RunData
  > {
    let last: RunData | undefined;
    for await (const run of this.watch(options)) onChange(last = run);
    return last ?? await this.details({ nocache: true, signal: options.signal });
  }

  /** Stops the run; what is ready stays. @throws {ConflictError} it has ended before */
  async cancel({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const timeoutMs = this.#api.limits.cancelTimeoutMs;
    await this.#api.tell({ method: "POST", path: this.#path("cancel"), timeoutMs, signal });
  }

  /** Deletes the files that came out of the run; the run itself stays. */
  async delete({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const timeoutMs = this.#api.limits.deleteTimeoutMs;
    await this.#api.tell({ method: "DELETE", path: this.#path("artifacts"), timeoutMs, signal });
  }

  /**
   * Replaces what is stored with the run, and returns the new checksum.
   * @throws {ConflictError} with the reason `stale_checksum`
   */
  async updateCustomMetadata(metadata: JsonObject | null, update: MetadataUpdate = {}): Promise<string | null> {
    return await this.#putMetadata(this.#path("custom-metadata"), metadata, update);
  }

  /**
   * Replaces what is stored with an item, and returns the new checksum.
   * @throws {ConflictError} with the reason `stale_checksum`
   */
  async updateItemCustomMetadata(
    externalId: string,
    metadata: JsonObject | null,
    update: MetadataUpdate = {},
  ): Promise<string | null> {
    return await this.#putMetadata(this.#path("items", externalId, "custom-metadata"), metadata, update);
  }

  /** Lets somebody see this run and its results. */
  async grantAccess(subject: GrantSubject, options: { signal?: AbortSignal | undefined } = {}): Promise<GrantData> {
    return await new Grants(this.#api).create(this.runId, subject, options);
  }

  /** Who may see this run, because it was shared with them. */
  listShareGrants(options: ListOptions = {}): AsyncGenerator<GrantData, void, undefined> {
    return new Grants(this.#api).list({ ...options, resourceType: "run", resourceId: this.runId });
  }

  async #putMetadata(
    path: readonly string[],
    metadata: JsonObject | null,
    { checksum, verbatim = false, signal }: MetadataUpdate,
  ): Promise<string | null> {
    const body = {
      custom_metadata: metadata === null || verbatim ? metadata : touched(metadata, this.#api.clock.now()),
      ...(checksum === undefined ? {} : { custom_metadata_checksum: checksum }),
    };
    const { timeoutMs } = this.#api.limits.run;
    const answer = await this.#api.write(metadataAnswer, { method: "PUT", path, body, timeoutMs, signal });
    return answer.custom_metadata_checksum;
  }

  #path(...rest: readonly string[]): readonly string[] {
    return ["runs", this.runId, ...rest];
  }

  get #reading() {
    return { limits: this.#api.limits.run, lagging: true };
  }
}
