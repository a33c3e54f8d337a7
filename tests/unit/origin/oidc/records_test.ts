import assert from "node:assert/strict";
import { Clients } from "../../../../origin/oidc/clients.ts";
import { OidcRecords } from "../../../../origin/oidc/records.ts";
import { State } from "../../../../origin/state.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const REFUSALS = { consumed: () => new Error("consumed"), full: () => new Error("full") };

async function withRecords(
  work: (parts: { records: OidcRecords; state: State; clock: ReturnType<typeof testClock> }) => Promise<void>,
): Promise<void> {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const clock = testClock();
  await work({ records: new OidcRecords({ state, clients: new Clients({ state, clock }), clock }), state, clock });
}

Deno.test("OidcRecords finds a record by id, user code and uid, of its kind only", () =>
  withRecords(async ({ records }) => {
    const codes = records.adapter("DeviceCode", REFUSALS);
    await codes.upsert("1", { userCode: "ABC", uid: "u", accountId: "a" }, 60);
    for (const found of [await codes.find("1"), await codes.findByUserCode("ABC"), await codes.findByUid("u")]) {
      assert.equal(found?.accountId, "a");
    }
    assert.equal(await records.adapter("Session", REFUSALS).find("1"), undefined);
    await codes.destroy("1");
    assert.equal(await codes.find("1"), undefined);
    assert.throws(() => records.adapter("", REFUSALS), TypeError);
    assert.throws(() => records.adapter("e", REFUSALS), TypeError);
  }));

Deno.test("OidcRecords lets a record be consumed once, and shows it as such", () =>
  withRecords(async ({ records, clock }) => {
    const tokens = records.adapter("RefreshToken", REFUSALS);
    await tokens.upsert("1", { grantId: "g" }, 60);
    await tokens.consume("1");
    assert.equal((await tokens.find("1"))?.consumed, Math.floor(clock.now() / 1000));
    await assert.rejects(tokens.consume("1"), /consumed/);
    await assert.rejects(tokens.consume("2"), /consumed/);
  }));

Deno.test("OidcRecords shows what has expired by the clock as expired, and forgets it later", () =>
  withRecords(async ({ records, state, clock }) => {
    const codes = records.adapter("AuthorizationCode", REFUSALS);
    await codes.upsert("1", { exp: 9_999_999_999 }, 60);
    assert.equal((await codes.find("1"))?.exp, 9_999_999_999);
    clock.advance(60_000);
    assert.equal((await codes.find("1"))?.exp, 1);
    clock.advance(15 * 60_000 + 1);
    await codes.upsert("2", {}, 60);
    assert.equal(state.get("SELECT count(*) AS count FROM oauth_records")?.count, 1);
  }));

Deno.test("OidcRecords revokes by consent and by account, and nothing else", () =>
  withRecords(async ({ records }) => {
    const grants = records.adapter("Grant", REFUSALS);
    const tokens = records.adapter("RefreshToken", REFUSALS);
    for (const id of ["1", "2", "3"]) {
      await grants.upsert(id, { accountId: id === "3" ? "b" : "a" }, 60);
      await tokens.upsert(id, { grantId: id, accountId: id === "3" ? "b" : "a" }, 60);
    }
    await tokens.revokeByGrantId("1");
    assert.deepEqual([await tokens.find("1"), (await tokens.find("2"))?.grantId], [undefined, "2"]);
    assert.equal(records.hasGrant("1"), true);
    records.revokeAccount("a");
    assert.deepEqual(["1", "2", "3"].map((id) => records.hasGrant(id)), [false, false, true]);
    assert.equal(await tokens.find("2"), undefined);
    assert.equal((await tokens.find("3"))?.grantId, "3");
  }));

Deno.test("OidcRecords refuses more unfinished sign-ins than it may hold, until the old ones are gone", () =>
  withRecords(async ({ records, state, clock }) => {
    const codes = records.adapter("DeviceCode", REFUSALS);
    state.transaction(() => {
      for (let count = 0; count < 20_000; count++) {
        state.run(
          "INSERT INTO oauth_records (model, id, payload, expires_ms) VALUES ('DeviceCode', ?, '{}', ?)",
          String(count),
          clock.now() + 60_000,
        );
      }
    });
    await assert.rejects(codes.upsert("new", {}, 60), /full/);
    await codes.upsert("1", { accountId: "a" }, 60);
    await records.adapter("RefreshToken", REFUSALS).upsert("new", {}, 60);
    clock.advance(17 * 60_000);
    await codes.upsert("new", {}, 60);
  }));
