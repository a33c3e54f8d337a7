import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";
import type { JsonObject } from "./request.ts";

/** An item that a worker has begun. Only its holder may end it, and only while no other attempt has begun. */
export interface Claim {
  readonly itemId: string;
  readonly runId: string;
  /** From 1. */
  readonly attempt: number;
}

/** An output whose bytes are stored and durable, and that nobody sees yet. */
export interface StoredOutput {
  readonly name: string;
  readonly objectKey: string;
  readonly metadata: JsonObject;
}

/** Why an item failed. */
export interface ItemFailure {
  readonly reason: "USER_ERROR" | "SYSTEM_ERROR";
  readonly errorCode: string;
  readonly message: string;
}

/** Why a run ended before all of its items did. */
export interface Cancellation {
  readonly reason: "CANCELED_BY_USER" | "CANCELED_BY_SYSTEM";
  readonly errorCode: string | null;
  readonly message: string | null;
  /** What is said of the items that were not processed. */
  readonly itemMessage: string;
}

/** A run is given up when more of its items than this have failed. */
export const ERROR_THRESHOLD = 10;
/** An item at which the origin died so often is not tried again. */
const DEATH_LIMIT = 3;

const BY_USER: Cancellation = {
  reason: "CANCELED_BY_USER",
  errorCode: null,
  message: null,
  itemMessage: "The item was not processed because the run was cancelled by the user before the item was processed.",
};
const BY_DEADLINE: Cancellation = {
  reason: "CANCELED_BY_SYSTEM",
  errorCode: "SCHEDULER.DEADLINE_EXCEEDED",
  message: "Run canceled because its deadline has passed.",
  itemMessage: "The item was not processed because the deadline of the run passed before the item was processed.",
};
const BY_THRESHOLD: Cancellation = {
  reason: "CANCELED_BY_SYSTEM",
  errorCode: "SCHEDULER.ITEMS_WITH_ERROR_THRESHOLD_REACHED",
  message: `Run canceled given errors on more than ${ERROR_THRESHOLD} items.`,
  itemMessage:
    `This item was not processed because the threshold of ${ERROR_THRESHOLD} items finishing in error state ` +
    "(user or system error) was reached before the item was processed.",
};

/**
 * The items of all runs as a queue: earlier due dates first, then in the order of submission. Every change is one
 * transaction, so that a run and its items tell the same story at any moment, also after a kill.
 */
export class RunQueue {
  readonly #state: State;
  readonly #clock: Clock;

  constructor({ state, clock }: { readonly state: State; readonly clock: Clock }) {
    this.#state = state;
    this.#clock = clock;
  }

  /**
   * Puts what a process that is gone had begun back into the queue; what it died at too often fails. To be called once,
   * before the first claim.
   */
  recover(): void {
    this.#state.transaction(() => {
      this.#state.run("UPDATE platform_items SET deaths = deaths + 1 WHERE state = 'PROCESSING'");
      this.#state.run(
        `UPDATE platform_items SET state = 'PENDING' WHERE state = 'PROCESSING' AND deaths < ?`,
        DEATH_LIMIT,
      );
      const lost = this.#state.all("SELECT * FROM platform_items WHERE state = 'PROCESSING'");
      for (const item of lost) {
        this.#end(claimOf(item), {
          reason: "SYSTEM_ERROR",
          errorCode: "SYSTEM.INTERRUPTED",
          message: "The item was begun several times and never came to an end",
        });
      }
      this.#state.run(
        `UPDATE platform_runs SET state = 'PENDING' WHERE state = 'PROCESSING'
           AND NOT EXISTS (SELECT 1 FROM platform_items i WHERE i.run_id = platform_runs.run_id AND i.state = 'PROCESSING')`,
      );
    });
  }

  /** Begins the next item; `undefined` when none is pending. */
  claim(): Claim | undefined {
    return this.#state.transaction(() => {
      const item = this.#state.get(
        `UPDATE platform_items SET state = 'PROCESSING', attempt = attempt + 1 WHERE seq = (
           SELECT seq FROM platform_items WHERE state = 'PENDING' ORDER BY due_ms, seq LIMIT 1
         ) RETURNING item_id, run_id, attempt`,
      );
      if (item === undefined) return undefined;
      this.#state.run("UPDATE platform_runs SET state = 'PROCESSING' WHERE run_id = ?", item.run_id ?? null);
      return claimOf(item);
    });
  }

  /** Makes all outputs of an item seen at once. Whether it did: not when the item was cancelled meanwhile. */
  publish(claim: Claim, outputs: readonly StoredOutput[]): boolean {
    return this.#state.transaction(() => {
      if (!this.#isHeld(claim)) return false;
      for (const { name, objectKey, metadata } of outputs) {
        this.#state.run(
          "UPDATE platform_outputs SET object_key = ?, metadata = ? WHERE item_id = ? AND name = ?",
          objectKey,
          JSON.stringify(metadata),
          claim.itemId,
          name,
        );
      }
      this.#end(claim, undefined);
      return true;
    });
  }

  /** Ends an item without outputs, and its run when that was one failure too many. */
  fail(claim: Claim, failure: ItemFailure): void {
    this.#state.transaction(() => {
      if (this.#isHeld(claim)) this.#end(claim, failure);
    });
  }

  /** Gives an item that was not finished back. */
  giveBack(claim: Claim): void {
    this.#state.transaction(() => {
      if (!this.#isHeld(claim)) return;
      this.#state.run("UPDATE platform_items SET state = 'PENDING' WHERE item_id = ?", claim.itemId);
      this.#settle(claim.runId);
    });
  }

  /** Ends a run for its submitter. Whether it was still going on. */
  cancel(runId: string): boolean {
    return this.#state.transaction(() => this.#cancel(runId, BY_USER));
  }

  /** Ends the runs whose deadline has passed. @returns their ids */
  cancelOverdue(): string[] {
    return this.#state.transaction(() => {
      const rows = this.#state.all(
        "SELECT run_id FROM platform_runs WHERE state <> 'TERMINATED' AND deadline_ms <= ?",
        this.#clock.now(),
      );
      const runIds = rows.map((row) => String(row.run_id));
      for (const runId of runIds) this.#cancel(runId, BY_DEADLINE);
      return runIds;
    });
  }

  /** When the next deadline passes; `undefined` when no run has one. */
  nextDeadlineMs(): number | undefined {
    const row = this.#state.get("SELECT min(deadline_ms) AS ms FROM platform_runs WHERE state <> 'TERMINATED'");
    return row?.ms === null ? undefined : Number(row?.ms);
  }

  /** Whether the item is still at work for this claim. */
  isHeld(claim: Claim): boolean {
    return this.#isHeld(claim);
  }

  #isHeld({ itemId, attempt }: Claim): boolean {
    return this.#state.get(
      "SELECT 1 FROM platform_items WHERE item_id = ? AND attempt = ? AND state = 'PROCESSING'",
      itemId,
      attempt,
    ) !== undefined;
  }

  #end({ itemId, runId }: Claim, failure: ItemFailure | undefined): void {
    this.#state.run(
      `UPDATE platform_items SET state = 'TERMINATED', termination_reason = ?, error_code = ?, error_message = ?,
         terminated_ms = ? WHERE item_id = ?`,
      failure?.reason ?? "SUCCEEDED",
      failure?.errorCode ?? null,
      failure?.message ?? null,
      this.#clock.now(),
      itemId,
    );
    this.#settle(runId);
  }

  /** Brings the state of a run in line with its items. */
  #settle(runId: string): void {
    const counts = this.#state.get(
      `SELECT sum(state = 'PENDING') AS pending, sum(state = 'PROCESSING') AS processing,
         coalesce(sum(termination_reason IN ('USER_ERROR', 'SYSTEM_ERROR')), 0) AS failed
       FROM platform_items WHERE run_id = ?`,
      runId,
    );
    const [pending, processing] = [Number(counts?.pending), Number(counts?.processing)];
    if (Number(counts?.failed) > ERROR_THRESHOLD && pending + processing > 0) {
      this.#cancel(runId, BY_THRESHOLD);
    } else if (pending + processing === 0) {
      this.#terminate(runId, { reason: "ALL_ITEMS_PROCESSED", errorCode: null, message: null });
    } else if (processing === 0) {
      this.#state.run("UPDATE platform_runs SET state = 'PENDING' WHERE run_id = ? AND state = 'PROCESSING'", runId);
    }
  }

  #cancel(runId: string, cancellation: Cancellation): boolean {
    if (!this.#terminate(runId, cancellation)) return false;
    this.#state.run(
      `UPDATE platform_items SET state = 'TERMINATED', termination_reason = 'SKIPPED', error_code = ?, error_message = ?,
         terminated_ms = ? WHERE run_id = ? AND state <> 'TERMINATED'`,
      cancellation.errorCode,
      cancellation.itemMessage,
      this.#clock.now(),
      runId,
    );
    return true;
  }

  #terminate(
    runId: string,
    { reason, errorCode, message }: Pick<Cancellation, "errorCode" | "message"> & { readonly reason: string },
  ): boolean {
    return this.#state.run(
      `UPDATE platform_runs SET state = 'TERMINATED', termination_reason = ?, error_code = ?, error_message = ?,
         terminated_ms = ? WHERE run_id = ? AND state <> 'TERMINATED'`,
      reason,
      errorCode,
      message,
      this.#clock.now(),
      runId,
    ) > 0;
  }
}

function claimOf(item: Row): Claim {
  return { itemId: String(item.item_id), runId: String(item.run_id), attempt: Number(item.attempt) };
}
