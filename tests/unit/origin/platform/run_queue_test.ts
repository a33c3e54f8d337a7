import assert from "node:assert/strict";
import fc from "fast-check";
import { type Claim, ERROR_THRESHOLD, RunQueue } from "../../../../origin/platform/run_queue.ts";
import { statisticsOf } from "../../../../origin/platform/run_view.ts";
import { State } from "../../../../origin/state.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

/** What happens to a queue; a number chooses one of the claims or runs that there are. */
type Event =
  | { readonly what: "submit"; readonly items: number; readonly deadline: boolean }
  | { readonly what: "publish" | "fail" | "give back"; readonly claim: number }
  | { readonly what: "cancel"; readonly run: number }
  | { readonly what: "claim" | "restart" | "time passes" };

const FAILURE = { reason: "USER_ERROR", errorCode: "INPUT.UNREADABLE", message: "" } as const;
const DEADLINE_MS = 1000;
const index = fc.nat(20);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("submit" as const),
      items: fc.integer({ min: 1, max: 15 }),
      deadline: fc.boolean(),
    }),
  },
  { weight: 8, arbitrary: fc.constantFrom({ what: "claim" } as const) },
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constantFrom("publish" as const, "fail" as const, "give back" as const),
      claim: index,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("cancel" as const), run: index }) },
  { weight: 1, arbitrary: fc.constantFrom({ what: "restart" } as const, { what: "time passes" } as const) },
);

class Model {
  readonly #state: State;
  readonly #clock = testClock();
  readonly #queue: RunQueue;
  readonly #runIds: string[] = [];
  readonly #ended = new Map<string, string>();
  #claims: Claim[] = [];
  /** Claims that have ended, and those of before a restart: nothing that they say may count. */
  #stale: Claim[] = [];

  constructor(state: State) {
    this.#state = state;
    this.#queue = new RunQueue({ state, clock: this.#clock });
  }

  happen(event: Event): void {
    if (event.what === "submit") this.#submit(event.items, event.deadline);
    if (event.what === "claim") this.#claim();
    if (event.what === "cancel") this.#cancel(event.run);
    if (event.what === "time passes") this.#passTime();
    if (event.what === "restart") this.#restart();
    if (event.what === "publish" || event.what === "fail" || event.what === "give back") {
      this.#end(event.what, event.claim);
    }
    this.#check();
  }

  #submit(items: number, deadline: boolean): void {
    const runId = crypto.randomUUID();
    this.#runIds.push(runId);
    this.#state.run(
      `INSERT INTO platform_runs (run_id, application_id, version_number, state, submitted_ms, submitted_by, organization_id, deadline_ms)
       VALUES (?, 'a', '1.0.0', 'PENDING', 0, 'u', 'o', ?)`,
      runId,
      deadline ? this.#clock.now() + DEADLINE_MS : null,
    );
    for (let item = 0; item < items; item++) {
      this.#state.run(
        `INSERT INTO platform_items (item_id, run_id, organization_id, external_id, due_ms, state) VALUES (?, ?, 'o', ?, 1, 'PENDING')`,
        crypto.randomUUID(),
        runId,
        String(item),
      );
    }
  }

  #claim(): void {
    const pending = this.#state.get("SELECT count(*) AS count FROM platform_items WHERE state = 'PENDING'")?.count;
    const claim = this.#queue.claim();
    assert.equal(claim !== undefined, Number(pending) > 0);
    if (claim !== undefined) this.#claims.push(claim);
  }

  #end(what: "publish" | "fail" | "give back", index: number): void {
    const all = [...this.#claims, ...this.#stale];
    const claim = all[index % Math.max(1, all.length)];
    if (claim === undefined) return;
    const isHeld = this.#queue.isHeld(claim);
    if (this.#stale.includes(claim)) assert.ok(!isHeld, "a claim that has ended counts no more");
    if (what === "publish") assert.equal(this.#queue.publish(claim, []), isHeld);
    if (what === "fail") this.#queue.fail(claim, FAILURE);
    if (what === "give back") this.#queue.giveBack(claim);
    assert.ok(!this.#queue.isHeld(claim));
    this.#claims = this.#claims.filter((each) => each !== claim);
    this.#stale.push(claim);
  }

  #cancel(index: number): void {
    const runId = this.#runIds[index % Math.max(1, this.#runIds.length)];
    if (runId === undefined) return;
    const wasGoingOn = this.#stateOf(runId).state !== "TERMINATED";
    assert.equal(this.#queue.cancel(runId), wasGoingOn);
    assert.equal(this.#stateOf(runId).state, "TERMINATED");
  }

  #passTime(): void {
    this.#clock.advance(DEADLINE_MS);
    this.#queue.cancelOverdue();
    assert.equal(this.#queue.nextDeadlineMs(), undefined);
  }

  #restart(): void {
    this.#stale.push(...this.#claims);
    this.#claims = [];
    this.#queue.recover();
    assert.equal(this.#state.get("SELECT count(*) AS count FROM platform_items WHERE state = 'PROCESSING'")?.count, 0);
  }

  #stateOf(runId: string) {
    const row = this.#state.get("SELECT * FROM platform_runs WHERE run_id = ?", runId);
    return {
      state: String(row?.state),
      reason: row?.termination_reason,
      code: row?.error_code,
      ended: row?.terminated_ms,
    };
  }

  /** What holds after every event. */
  #check(): void {
    for (const runId of this.#runIds) {
      const { state, reason, code, ended } = this.#stateOf(runId);
      const counts = statisticsOf(this.#state, runId);
      const { item_count: all, item_pending_count: pending, item_processing_count: processing } = counts;
      const failed = counts.item_user_error_count + counts.item_system_error_count;
      assert.equal(pending + processing + failed + counts.item_skipped_count + counts.item_succeeded_count, all);
      const expected = pending + processing === 0 ? "TERMINATED" : processing > 0 ? "PROCESSING" : "PENDING";
      assert.equal(state, expected);
      assert.equal(reason !== null && ended !== null, state === "TERMINATED");
      assert.equal(counts.item_skipped_count > 0, reason === "CANCELED_BY_USER" || reason === "CANCELED_BY_SYSTEM");
      assert.equal(code !== null, reason === "CANCELED_BY_SYSTEM");
      assert.ok(failed <= ERROR_THRESHOLD + 1, "no run goes on after so many errors");
      const told = JSON.stringify([reason, counts]);
      if (state === "TERMINATED") assert.equal(this.#ended.get(runId) ?? told, told, "what has ended stays as it is");
      if (state === "TERMINATED") this.#ended.set(runId, told);
    }
  }
}

Deno.test("RunQueue keeps runs and items in line through any events", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 50 }), async (events) => {
      await using folder = await tempFolder();
      using state = await State.create(folder.path, 0);
      const model = new Model(state);
      model.happen({ what: "submit", items: 14, deadline: false });
      for (const event of events) model.happen(event);
    }),
    { numRuns: 15 },
  );
});
