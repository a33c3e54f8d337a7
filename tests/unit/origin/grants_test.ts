import assert from "node:assert/strict";
import { NotAllowedError } from "../../../lib/errors.ts";
import { systemClock } from "../../../lib/system/clock.ts";
import { GrantBook, listGrants } from "../../../origin/grants.ts";
import { State } from "../../../origin/state.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const GRANT = {
  atMs: 1,
  userId: "7",
  email: "ada@example.com",
  folder: "models",
  name: "a",
  version: "1",
  expiresSeconds: 2,
};

function refuseRevoked(kid: string) {
  if (kid === "revoked") throw new NotAllowedError("This device was revoked");
}

Deno.test("GrantBook writes what comes at once together, and refuses the device that was revoked meanwhile alone", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const book = new GrantBook({ state, devices: { approved: refuseRevoked }, clock: systemClock });
  const kids = ["one", "revoked", "two"];
  const ends = await Promise.allSettled(kids.map((kid) => book.record({ ...GRANT, kid })));
  assert.deepEqual(ends.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert.deepEqual(listGrants(state).map(({ kid }) => kid), ["two", "one"]);
  await book.record({ ...GRANT, kid: "later" });
  assert.equal(listGrants(state).length, 3);
});

Deno.test("GrantBook tells everybody when nothing could be written, and goes on", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const book = new GrantBook({ state, devices: { approved: refuseRevoked }, clock: systemClock });
  state.run("ALTER TABLE resource_grants RENAME TO away");
  const ends = await Promise.allSettled(["one", "two"].map((kid) => book.record({ ...GRANT, kid })));
  assert.ok(ends.every(({ status }) => status === "rejected"));
  state.run("ALTER TABLE away RENAME TO resource_grants");
  await book.record({ ...GRANT, kid: "three" });
  assert.deepEqual(listGrants(state).map(({ kid }) => kid), ["three"]);
});
