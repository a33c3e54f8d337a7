import assert from "node:assert/strict";
import fc from "fast-check";
import { DownloadPlan } from "../../../../lib/http/download_plan.ts";

Deno.test("DownloadPlan gives each segment out once, and again only what was given back", () => {
  const action = fc.record({
    limit: fc.integer({ min: 1, max: 5 }),
    arrive: fc.nat({ max: 5 }),
    suspect: fc.boolean(),
  });
  fc.assert(fc.property(fc.nat({ max: 100 }), fc.array(action, { maxLength: 60 }), (size, actions) => {
    const plan = new DownloadPlan(size, 7);
    const out = new Set<number>();
    for (const { limit, arrive, suspect } of actions) {
      const run = plan.take(limit);
      if (run === undefined) break;
      assert(run.end - run.next <= limit && run.next < run.end);
      for (let index = run.next; index < run.end; index++) {
        assert(!out.has(index) && !plan.isDone(index), `segment ${index} was given out twice`);
        out.add(index);
      }
      for (let step = 0; step < arrive && run.next < run.end; step++) plan.done(run.next++);
      if (suspect && run.next < run.end) plan.suspect(run.next);
      for (let index = run.next; index < run.end; index++) out.delete(index);
      plan.giveBack(run);
    }
    for (let run = plan.take(3); run !== undefined; run = plan.take(3)) {
      for (; run.next < run.end; run.next++) plan.done(run.next);
    }
    assert.equal(plan.doneBytes, size);
  }));
});

Deno.test("DownloadPlan gives a suspect segment out alone", () => {
  const plan = new DownloadPlan(100, 10);
  plan.suspect(2);
  assert.deepEqual([plan.take(9), plan.take(9), plan.take(9)], [{ next: 0, end: 2 }, { next: 2, end: 3 }, {
    next: 3,
    end: 10,
  }]);
});
