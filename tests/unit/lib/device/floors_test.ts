import assert from "node:assert/strict";
import { join } from "node:path";
import { Floors } from "../../../../lib/device/floors.ts";
import { StateFolder } from "../../../../lib/device/state_folder.ts";
import { ConfigurationError, IntegrityError } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const MODEL = { folder: "models", name: "a.onnx" };

function clockAt(nowMs: number) {
  return { now: () => nowMs, sleep: systemClock.sleep };
}

function floorsAt(path: string, nowMs: number): Floors {
  return new Floors({
    folder: new StateFolder(path, systemClock),
    api: "https://api.example.com/",
    clock: clockAt(nowMs),
  });
}

Deno.test("Floors.raise() refuses what is older, by resource, also after a restart", async () => {
  await using folder = await tempFolder();
  const floors = floorsAt(folder.path, 1_000);
  assert.equal(await floors.seq(MODEL), undefined);
  await floors.raise({ ...MODEL, seq: 5 });
  await floors.raise({ ...MODEL, seq: 5 });
  await floors.raise({ ...MODEL, name: "b.onnx", seq: 1 });
  const restarted = floorsAt(folder.path, 1_000);
  await assert.rejects(
    restarted.raise({ ...MODEL, seq: 4 }),
    (error) => error instanceof IntegrityError && error.step === "sequence" && /seq 4 .*seq 5/.test(error.message),
  );
  assert.equal(await restarted.seq(MODEL), 5);
  await restarted.raise({ ...MODEL, seq: 6 });
  assert.equal(await floors.seq(MODEL), 6);
});

Deno.test("Floors.now() never runs backwards, whatever the clock says after a restart", async () => {
  await using folder = await tempFolder();
  await floorsAt(folder.path, 5_000_000).raise({ ...MODEL, seq: 1 });
  assert.equal(await floorsAt(folder.path, 0).now(), 5_000_000);
  assert.equal(await floorsAt(folder.path, 6_000_000).now(), 6_000_000);
  await floorsAt(folder.path, 7_000_000).raise({ ...MODEL, seq: 1 });
  assert.equal(await floorsAt(folder.path, 0).now(), 7_000_000);
});

Deno.test("Floors.now() keeps nothing of a clock that leaps ahead while no version is used", async () => {
  await using folder = await tempFolder();
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, sleep: systemClock.sleep };
  const floors = new Floors({
    folder: new StateFolder(folder.path, systemClock),
    api: "https://api.example.com/",
    clock,
  });
  nowMs = 900_000_000;
  assert.equal(await floors.now(), 900_000_000);
  nowMs = 1_000_000;
  assert.equal(await floors.now(), 1_000_000);
});

Deno.test("Floors.raise() keeps the time no further than what is proven", async () => {
  await using folder = await tempFolder();
  await floorsAt(folder.path, 900_000_000).raise({ ...MODEL, seq: 1 }, 5_000_000);
  assert.equal(await floorsAt(folder.path, 0).now(), 5_000_000);
  await floorsAt(folder.path, 6_000_000).raise({ ...MODEL, seq: 2 }, 900_000_000);
  assert.equal(await floorsAt(folder.path, 0).now(), 6_000_000, "nor further than the clock");
});

Deno.test("Floors.raise() by many at once loses none", async () => {
  await using folder = await tempFolder();
  const names = Array.from({ length: 12 }, (_, index) => `m${index}`);
  await Promise.all(names.map((name) => floorsAt(folder.path, 0).raise({ folder: "models", name, seq: 3 })));
  for (const name of names) assert.equal(await floorsAt(folder.path, 0).seq({ folder: "models", name }), 3, name);
});

Deno.test("Floors let nothing pass while their file is damaged, and say what to do and what it costs", async () => {
  await using folder = await tempFolder();
  const floors = floorsAt(folder.path, 1_000);
  await floors.raise({ ...MODEL, seq: 5 });
  const path = join(folder.path, "floors.json");
  const whole = await Deno.readTextFile(path);
  const isRefused = async (what: string) => {
    for (const use of [() => floors.now(), () => floors.seq(MODEL), () => floors.raise({ ...MODEL, seq: 6 })]) {
      await assert.rejects(
        use(),
        (error) =>
          error instanceof ConfigurationError && error.message.includes(path) &&
          /put it back from a copy; or remove it .* older versions .* clock/.test(error.message),
        what,
      );
    }
  };
  for (const text of ["", "{", whole.slice(0, -10), "[]", whole.replace(":5", ":-5")]) {
    await Deno.writeTextFile(path, text);
    await isRefused(text);
    assert.equal(await Deno.readTextFile(path), text, "it is left as it is");
  }
  await Deno.remove(path);
  await Deno.symlink("/nowhere", path);
  await isRefused("a link");
  await Deno.remove(path);
  await Deno.writeTextFile(path, whole);
  assert.equal(await floors.seq(MODEL), 5);
});
