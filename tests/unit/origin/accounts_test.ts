import assert from "node:assert/strict";
import { ROLES } from "../../../lib/auth/roles.ts";
import { Accounts } from "../../../origin/accounts.ts";
import { BUSINESS_ERRORS, BusinessError, type BusinessErrorName } from "../../../origin/business_error.ts";
import { PasswordHasher } from "../../../origin/passwords.ts";
import { State } from "../../../origin/state.ts";
import { tempFolder } from "../../support/temp_folder.ts";
import { testClock } from "../../support/test_clock.ts";

async function setUp() {
  const folder = await tempFolder();
  const clock = testClock();
  const state = await State.create(folder.path, clock.now());
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  await accounts.create({ email: "root@example.com", password: "long enough", role: "ApiAdmin" });
  return {
    accounts,
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function refusal(name: BusinessErrorName) {
  return (error: unknown) => error instanceof BusinessError && error.errorCode === BUSINESS_ERRORS[name];
}

Deno.test("Accounts.authenticate takes the e-mail address in any case and says not what was wrong", async () => {
  await using site = await setUp();
  const account = await site.accounts.authenticate("ROOT@Example.com", "long enough");
  assert.equal(account.email, "root@example.com");
  await assert.rejects(site.accounts.authenticate("root@example.com", "Long enough"), refusal("WrongPassword"));
  await assert.rejects(site.accounts.authenticate("nobody@example.com", "long enough"), refusal("WrongPassword"));
});

Deno.test("Accounts.authenticate tells a disabled account only to who knows its password", async () => {
  await using site = await setUp();
  await site.accounts.create({ email: "op@example.com", password: "long enough", role: "Operator" });
  site.accounts.setEnabled("op@example.com", false);
  await assert.rejects(site.accounts.authenticate("op@example.com", "long enough"), refusal("UserDisabled"));
  await assert.rejects(site.accounts.authenticate("op@example.com", "wrong password"), refusal("WrongPassword"));
});

Deno.test("Accounts.create refuses an address twice, also when both come at once", async () => {
  await using site = await setUp();
  const create = (email: string) => site.accounts.create({ email, password: "long enough", role: "Operator" });
  const results = await Promise.allSettled([create("op@example.com"), create("OP@EXAMPLE.COM")]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  await assert.rejects(create("Op@example.com"), refusal("EmailExists"));
});

const BAD_ACCOUNTS: readonly [email: string, password: string, BusinessErrorName][] = [
  ["", "long enough", "WrongEmail"],
  ["no-at-sign", "long enough", "WrongEmail"],
  ["a@b@c", "long enough", "WrongEmail"],
  ["a b@example.com", "long enough", "WrongEmail"],
  ["a/../b@example.com", "long enough", "WrongEmail"],
  [`${"x".repeat(250)}@example.com`, "long enough", "EmailLengthIncorrect"],
  ["op@example.com", "short", "PasswordLengthIncorrect"],
  ["op@example.com", "x".repeat(129), "PasswordLengthIncorrect"],
];

for (const [email, password, name] of BAD_ACCOUNTS) {
  Deno.test(`Accounts.create refuses "${email.slice(0, 20)}" with ${password.length} characters: ${name}`, async () => {
    await using site = await setUp();
    await assert.rejects(site.accounts.create({ email, password, role: "Operator" }), refusal(name));
    assert.equal(site.accounts.count(), 1);
  });
}

Deno.test("Accounts keeps the last enabled ApiAdmin", async () => {
  await using site = await setUp();
  const { accounts } = site;
  const refusals = [
    () => accounts.remove("root@example.com"),
    () => accounts.setEnabled("root@example.com", false),
    () => accounts.setRole("root@example.com", "Admin"),
  ];
  for (const attempt of refusals) assert.throws(attempt, refusal("LastAdministrator"));
  await accounts.create({ email: "second@example.com", password: "long enough", role: "ApiAdmin" });
  accounts.setEnabled("second@example.com", false);
  for (const attempt of refusals) assert.throws(attempt, refusal("LastAdministrator"));
  const { role, enabled } = await accounts.authenticate("root@example.com", "long enough");
  assert.deepEqual({ role, enabled }, { role: "ApiAdmin", enabled: true });
  accounts.setEnabled("second@example.com", true);
  accounts.remove("root@example.com");
});

Deno.test("Accounts.createDevice counts serials up and never gives one twice", async () => {
  await using site = await setUp();
  const { accounts } = site;
  await accounts.create({ email: "azj-0002@azaion.com", password: "long enough", role: "Operator" });
  const first = await accounts.createDevice();
  assert.deepEqual({ ...first, password: "" }, { serial: "azj-0001", email: "azj-0001@azaion.com", password: "" });
  assert.match(first.password, /^[0-9a-f]{32}$/);
  assert.equal((await accounts.authenticate(first.email, first.password)).role, "CompanionPC");
  accounts.remove(first.email);
  assert.equal((await accounts.createDevice()).serial, "azj-0003");
});

Deno.test("Accounts.checkHardware binds at first use and takes no other device then", async () => {
  await using site = await setUp();
  const { accounts } = site;
  const { id, email } = await accounts.create({ email: "op@example.com", password: "long enough", role: "Operator" });
  accounts.checkHardware(id, "one");
  accounts.checkHardware(id, "one");
  assert.throws(() => accounts.checkHardware(id, "two"), refusal("HardwareIdMismatch"));
  accounts.setHardware(email, undefined);
  accounts.checkHardware(id, "two");
  assert.throws(() => accounts.checkHardware(id, "one"), refusal("HardwareIdMismatch"));
});

Deno.test("Accounts.list finds by part of the address and by role", async () => {
  await using site = await setUp();
  const { accounts } = site;
  for (const role of Object.keys(ROLES) as (keyof typeof ROLES)[]) {
    await accounts.create({ email: `${role}@example.com`, password: "long enough", role });
  }
  const emails = (filter: Parameters<Accounts["list"]>[0]) => accounts.list(filter).map(({ email }) => email);
  assert.equal(emails({}).length, 8);
  assert.deepEqual(emails({ email: "ADMIN" }), ["Admin@example.com", "ApiAdmin@example.com"]);
  assert.deepEqual(emails({ role: "ApiAdmin" }), ["ApiAdmin@example.com", "root@example.com"]);
  assert.deepEqual(emails({ email: "root", role: "Operator" }), []);
  assert.deepEqual(emails({ email: "%" }), []);
});

Deno.test("Accounts changes nothing of an unknown account", async () => {
  await using site = await setUp();
  const { accounts } = site;
  for (
    const attempt of [
      () => accounts.remove("no@example.com"),
      () => accounts.setEnabled("no@example.com", true),
      () => accounts.setRole("no@example.com", "Admin"),
      () => accounts.setHardware("no@example.com", "x"),
    ]
  ) assert.throws(attempt, refusal("NoEmailFound"));
});
