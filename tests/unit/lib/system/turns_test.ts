import assert from "node:assert/strict";
import { Turns } from "../../../../lib/system/turns.ts";

Deno.test("Turns.take() does the work on one name in order, also after one that failed, and does not wait for other names", async () => {
  const turns = new Turns();
  const gate = Promise.withResolvers<void>();
  const done: string[] = [];
  const first = turns.take("a", async () => {
    await gate.promise;
    done.push("first");
    throw new Error("first failed");
  });
  const second = turns.take("a", () => Promise.resolve(done.push("second")));
  await turns.take("b", () => Promise.resolve(done.push("other name")));
  gate.resolve();
  await assert.rejects(first, /first failed/);
  assert.equal(await second, 3);
  assert.deepEqual(done, ["other name", "first", "second"]);
});

Deno.test("Turns.over() and allOver() resolve after the work that was asked for, however it ends", async () => {
  const turns = new Turns();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done: string[] = [];
  const [one, other] = gates.map(({ promise }, index) =>
    turns.take(`name ${index}`, () => promise.finally(() => done.push(`name ${index}`)))
  );
  const over = turns.over("name 0").then(() => [...done]);
  const allOver = turns.allOver().then(() => [...done]);
  gates[0]?.reject(new Error("failed"));
  await assert.rejects(one ?? Promise.resolve(), /failed/);
  assert.deepEqual(await over, ["name 0"]);
  gates[1]?.resolve();
  await other;
  assert.deepEqual(await allOver, ["name 0", "name 1"]);
  await turns.over("name 2");
});
