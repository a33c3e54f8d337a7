import assert from "node:assert/strict";
import fc from "fast-check";
import { AGE_SUITE } from "../../../../lib/crypto/stream_age.ts";
import { TINK_SUITE } from "../../../../lib/crypto/stream_tink.ts";
import { bigSize, unitCount, unitStart } from "../../../../lib/crypto/unit_layout.ts";
import { DownloadPlan } from "../../../../lib/http/download_plan.ts";

Deno.test("DownloadPlan gives each segment out once, and again only what was given back", () => {
  const action = fc.record({
    limit: fc.integer({ min: 1, max: 5 }),
    arrive: fc.nat({ max: 5 }),
    suspect: fc.boolean(),
  });
  fc.assert(fc.property(fc.nat({ max: 100 }), fc.array(action, { maxLength: 60 }), (size, actions) => {
    const plan = new DownloadPlan(size, { segmentBytes: 7 });
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
  const plan = new DownloadPlan(100, { segmentBytes: 10 });
  plan.suspect(2);
  assert.deepEqual([plan.take(9), plan.take(9), plan.take(9)], [{ next: 0, end: 2 }, { next: 2, end: 3 }, {
    next: 3,
    end: 10,
  }]);
});

Deno.test("DownloadPlan cuts an object without gap or overlap, with a first segment that may be longer", () => {
  const lengths = fc.record({
    size: fc.nat({ max: 100 }),
    lead: fc.nat({ max: 20 }),
    segment: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(fc.property(lengths, ({ size, lead, segment }) => {
    const plan = new DownloadPlan(size, { segmentBytes: segment, leadBytes: lead });
    let offset = 0;
    for (let index = 0; index < plan.count; index++) {
      assert.equal(plan.startOf(index), offset);
      const most = segment + (index === 0 ? lead : 0);
      assert(plan.sizeOf(index) > 0 && plan.sizeOf(index) <= most);
      assert(index === plan.count - 1 || plan.sizeOf(index) === most, "only the last one is shorter");
      offset += plan.sizeOf(index);
    }
    assert.deepEqual([offset, plan.startOf(plan.count)], [size, size]);
  }));
});

for (const { name, layout } of [AGE_SUITE, TINK_SUITE]) {
  Deno.test(`DownloadPlan has the units of ${name} for segments`, () => {
    const segmentBytes = unitStart(layout, 2) - unitStart(layout, 1);
    const leadBytes = unitStart(layout, 1) - segmentBytes;
    for (const plainBytes of [0, 1, 65_536, 65_537, 1024 * 1024, 1024 * 1024 + 1, 5_000_000]) {
      const sizeBytes = bigSize(layout, plainBytes);
      const plan = new DownloadPlan(sizeBytes, { segmentBytes, leadBytes });
      assert.equal(plan.count, unitCount(layout, sizeBytes), `${plainBytes} bytes`);
      for (let index = 0; index < plan.count; index++) assert.equal(plan.startOf(index), unitStart(layout, index));
    }
  });
}
