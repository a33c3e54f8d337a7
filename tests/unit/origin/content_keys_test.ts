import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../lib/bytes.ts";
import { systemClock } from "../../../lib/system/clock.ts";
import { ContentKeys } from "../../../origin/content_keys.ts";
import { State } from "../../../origin/state.ts";
import { tempFolder } from "../../support/temp_folder.ts";

Deno.test("ContentKeys.wrap() by many at once, before there is a master key, makes one that opens them all", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, systemClock.now());
  const source = { text: undefined, path: join(folder.path, "master.key") };
  const keys = new ContentKeys({ state, source, clock: systemClock });
  const places = Array.from({ length: 8 }, (_, index) => ({ folder: "models", name: `m${index}`, version: "1" }));
  const wrapped = await Promise.all(places.map((place) => keys.wrap(place, utf8(place.name))));
  assert.equal(new Set(wrapped.map(({ masterId }) => masterId)).size, 1);
  for (const [index, place] of places.entries()) {
    const one = wrapped[index];
    assert.ok(one);
    assert.deepEqual(await keys.unwrap(place, one), utf8(place.name));
  }
});
