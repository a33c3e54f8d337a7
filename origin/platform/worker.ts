import { InterruptedError, messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { ObjectFolder } from "../object_store.ts";
import { isSqliteError, type State } from "../state.ts";
import type { ApplicationVersion } from "./application.ts";
import type { Catalogue } from "./catalogue.ts";
import type { InputSource } from "./input_source.ts";
import { failureOf } from "./item_failure.ts";
import { shownMetadata } from "./metadata.ts";
import { storeOutput } from "./output_store.ts";
import type { ItemJob, Processor } from "./processor.ts";
import type { Claim, RunQueue, StoredOutput } from "./run_queue.ts";
import { PLATFORM_BUCKETS } from "./signed_files.ts";

/** What a worker works with. */
export interface WorkerDeps {
  readonly state: State;
  readonly queue: RunQueue;
  readonly catalogue: Catalogue;
  readonly objects: ObjectFolder;
  readonly inputs: InputSource;
  readonly processorOf: (applicationId: string, version: ApplicationVersion) => Processor;
  readonly clock: Clock;
  readonly log: Logger;
  /** Items that are worked on at once. */
  readonly parallelism: number;
}

const BUSY_PAUSE_MS = 1_000;
/** Longest sleep at once: a timer cannot count further than 24 days. */
const SLEEP_LIMIT_MS = 24 * 3600_000;

/**
 * Works on the items of all runs, some at a time, until it is told to stop. An item that is at work then goes back into the
 * queue. What it produces is stored under names that nobody knows, and seen when the item ends well, all at once.
 */
export class Worker {
  readonly #deps: WorkerDeps;
  readonly #running = new Map<string, { readonly runId: string; readonly stop: AbortController }>();
  readonly #stopped = new AbortController();
  #wake = Promise.withResolvers<void>();

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
  }

  /** Tells of a new run, or of one that has ended. At once. */
  notify(): void {
    for (const { runId, stop } of this.#running.values()) {
      if (!this.#isGoingOn(runId)) stop.abort(new InterruptedError());
    }
    this.#wake.resolve();
  }

  /** Works until the signal is aborted. Once. */
  async run(signal: AbortSignal): Promise<void> {
    const working = new Set<Promise<void>>();
    const stop = () => {
      this.#stopped.abort();
      this.#wake.resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await this.#settled(() => this.#deps.queue.recover());
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const claim = await this.#settled(() => this.#next(working.size));
      if (claim === undefined) {
        await this.#untilWoken();
        continue;
      }
      const work = this.#work(claim).finally(() => {
        working.delete(work);
        this.#wake.resolve();
      });
      working.add(work);
    }
    for (const { stop } of this.#running.values()) stop.abort(new InterruptedError());
    await Promise.all(working);
  }

  #next(workingCount: number): Claim | undefined {
    const { queue, parallelism } = this.#deps;
    if (queue.cancelOverdue().length > 0) this.notify();
    return workingCount < parallelism ? queue.claim() : undefined;
  }

  /** A backup can hold the database for longer than SQLite waits for it; the change is then made later. */
  async #settled<T>(change: () => T): Promise<T> {
    for (;;) {
      try {
        return change();
      } catch (error) {
        if (!isSqliteError(error)) throw error;
        this.#deps.log.warning("database_busy", { error: error.message });
        await this.#deps.clock.sleep(BUSY_PAUSE_MS);
      }
    }
  }

  async #untilWoken(): Promise<void> {
    const { queue, clock } = this.#deps;
    const deadlineMs = queue.nextDeadlineMs();
    if (deadlineMs === undefined) return await this.#wake.promise;
    const woken = new AbortController();
    const delayMs = Math.max(0, Math.min(SLEEP_LIMIT_MS, deadlineMs - clock.now()));
    const slept = clock.sleep(delayMs, woken.signal).catch(() => undefined); // by our own abort only
    await Promise.race([this.#wake.promise, slept]);
    woken.abort();
  }

  async #work(claim: Claim): Promise<void> {
    const { queue, log } = this.#deps;
    const stop = new AbortController();
    this.#running.set(claim.itemId, { runId: claim.runId, stop });
    const outputs: StoredOutput[] = [];
    let isPublished = false;
    try {
      await this.#process(claim, outputs, stop.signal);
      isPublished = await this.#settled(() => queue.publish(claim, outputs));
    } catch (error) {
      const isStopped = this.#stopped.signal.aborted;
      await this.#settled(() => isStopped ? queue.giveBack(claim) : queue.fail(claim, failureOf(error)));
      log.info("item_not_processed", { ...claim, error: messageOf(error) });
    } finally {
      this.#running.delete(claim.itemId);
      if (!isPublished) await this.#drop(outputs);
    }
  }

  async #process(claim: Claim, outputs: StoredOutput[], signal: AbortSignal): Promise<void> {
    const { state, catalogue, objects, inputs, processorOf } = this.#deps;
    const run = state.get("SELECT * FROM platform_runs WHERE run_id = ?", claim.runId);
    const applicationId = String(run?.application_id);
    const version = catalogue.version(applicationId, String(run?.version_number));
    const item = state.get("SELECT external_id FROM platform_items WHERE item_id = ?", claim.itemId);
    const rows = state.all("SELECT * FROM platform_inputs WHERE item_id = ? ORDER BY position", claim.itemId);
    const job: ItemJob = {
      externalId: String(item?.external_id),
      inputs: rows.map((row) => {
        const metadata = shownMetadata(row.metadata) ?? {};
        const url = new URL(String(row.download_url));
        return { name: String(row.name), metadata, open: () => inputs.open({ url, metadata, signal }) };
      }),
      signal,
      produce: async (name, body, metadata = {}) => {
        const mimeType = version.outputArtifacts.find((artifact) => artifact.name === name)?.mimeType;
        if (mimeType === undefined) throw new Error(`The application has produced an unknown output "${name}"`);
        outputs.push(await storeOutput(objects, { name, mimeType, metadata, body, signal }));
      },
    };
    await processorOf(applicationId, version)(job);
    const missing = version.outputArtifacts.find(({ name }) => !outputs.some((output) => output.name === name));
    if (missing !== undefined) throw new Error(`The application has not produced the output "${missing.name}"`);
  }

  /** What cannot be removed now is swept at the next start. */
  async #drop(outputs: readonly StoredOutput[]): Promise<void> {
    const { objects, log } = this.#deps;
    for (const { objectKey } of outputs) {
      await objects.remove({ bucket: PLATFORM_BUCKETS.outputs, key: objectKey })
        .catch((error) => log.warning("output_left", { objectKey, error: messageOf(error) }));
    }
  }

  #isGoingOn(runId: string): boolean {
    return this.#deps.state.get(
      "SELECT 1 FROM platform_runs WHERE run_id = ? AND state <> 'TERMINATED'",
      runId,
    ) !== undefined;
  }
}
