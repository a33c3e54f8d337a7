import assert from "node:assert/strict";
import { SignInLimit } from "../../../../lib/auth/sign_in_limit.ts";
import { NotSignedInError, RateLimitedError } from "../../../../lib/errors.ts";
import { type TestClock, testClock } from "../../../support/test_clock.ts";

const MINUTE_MS = 60_000;
const ALLOWANCE = { failuresPerAccount: 3, failuresPerClient: 5, callsPerClient: 20 };

function limitWith(clock: TestClock, allowance = ALLOWANCE): SignInLimit {
  return new SignInLimit(allowance, (error) => error instanceof NotSignedInError, clock);
}

function wrong(): Promise<never> {
  return Promise.reject(new NotSignedInError("wrong"));
}

function right(): Promise<string> {
  return Promise.resolve("token");
}

async function fail(limit: SignInLimit, account: string, client: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await assert.rejects(limit.attempt({ account, client }, wrong), NotSignedInError);
}

async function waitOf(limit: SignInLimit, account: string, client: string): Promise<number> {
  let ran = false;
  const signIn = () => {
    ran = true;
    return right();
  };
  const error = await limit.attempt({ account, client }, signIn).then(() => undefined, (error) => error);
  assert.ok(error instanceof RateLimitedError, `not limited: ${error}`);
  assert.equal(ran, false, "a locked account was asked for");
  return error.retryAfterSeconds;
}

Deno.test("SignInLimit locks an account after its failures, from every address, however it is spelled", async () => {
  const limit = limitWith(testClock());
  await fail(limit, "ada@example.com", "10.0.0.1", 3);
  assert.equal(await waitOf(limit, " ADA@example.com", "10.0.0.2"), 60);
  assert.equal(await limit.attempt({ account: "bob@example.com", client: "10.0.0.1" }, right), "token");
});

Deno.test("SignInLimit takes one account for one, however its accents are composed", async () => {
  const limit = limitWith(testClock());
  await fail(limit, "Ren\u00e9e@example.com", "10.0.0.1", 2);
  await fail(limit, "rene\u0301e@example.com", "10.0.0.2", 1);
  assert.equal(await waitOf(limit, "ren\u00e9e@example.com", "10.0.0.3"), 60);
});

Deno.test("SignInLimit forgets nothing of an account for a result that proves no password", async () => {
  const limit = limitWith(testClock());
  await fail(limit, "ada", "10.0.0.1", 2);
  const isProof = (result: string) => result !== "token";
  assert.equal(await limit.attempt({ account: "ada", client: "10.0.0.2" }, right, { isProof }), "token");
  await fail(limit, "ada", "10.0.0.3", 1);
  assert.equal(await waitOf(limit, "ada", "10.0.0.4"), 60);
});

Deno.test("SignInLimit forgets no lock and no failure for the many other names that a flood brings", async () => {
  const limit = limitWith(testClock(), { ...ALLOWANCE, callsPerClient: Infinity });
  await fail(limit, "ada", "10.0.0.1", 3);
  await fail(limit, "bob", "10.0.0.2", 2);
  for (let i = 0; i < 11_000; i++) await limit.attempt({ account: `user${i}`, client: "10.0.0.9" }, right);
  assert.equal(await waitOf(limit, "ada", "10.0.0.3"), 60);
  await fail(limit, "bob", "10.0.0.4", 1);
  assert.equal(await waitOf(limit, "bob", "10.0.0.5"), 60);
});

Deno.test("SignInLimit keeps no names that a locked address brings", async () => {
  const limit = limitWith(testClock(), { ...ALLOWANCE, failuresPerAccount: 2, callsPerClient: Infinity });
  for (let i = 0; i < 4; i++) await fail(limit, `bob${i}`, "10.0.0.2", 1);
  await fail(limit, "ada", "10.0.0.1", 1);
  await fail(limit, "eve", "10.0.0.2", 1); // the fifth
  for (let i = 0; i < 11_000; i++) await assert.rejects(limit.attempt({ account: `${i}`, client: "10.0.0.2" }, right));
  await fail(limit, "ada", "10.0.0.3", 1);
  assert.equal(await waitOf(limit, "ada", "10.0.0.4"), 60);
});

Deno.test("SignInLimit locks an address that tries many accounts", async () => {
  const limit = limitWith(testClock());
  for (let i = 0; i < 5; i++) await fail(limit, `user${i}`, "10.0.0.1", 1);
  assert.equal(await waitOf(limit, "user9", "10.0.0.1"), 60);
  assert.equal(await limit.attempt({ account: "user9", client: "10.0.0.2" }, right), "token");
});

Deno.test("SignInLimit grows a lock that goes on, to a quarter of an hour, and never locks for good", async () => {
  const clock = testClock();
  const limit = limitWith(clock);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    await fail(limit, "ada", `10.0.0.${i}`, 3);
    const seconds = await waitOf(limit, "ada", "10.1.0.1");
    waits.push(seconds);
    clock.advance(seconds * 1000);
  }
  assert.deepEqual(waits, [60, 120, 240, 480, 900, 900, 900]);
  assert.equal(await limit.attempt({ account: "ada", client: "10.2.0.1" }, right), "token");
  await fail(limit, "ada", "10.2.0.2", 3);
  assert.equal(await waitOf(limit, "ada", "10.2.0.3"), 60, "the right password did not wipe the slate");
});

Deno.test("SignInLimit forgets failures after a minute, and locks after an hour", async () => {
  const clock = testClock();
  const limit = limitWith(clock);
  await fail(limit, "ada", "10.0.0.1", 2);
  clock.advance(MINUTE_MS + 1);
  await fail(limit, "ada", "10.0.0.2", 2);
  assert.equal(await limit.attempt({ account: "ada", client: "10.0.0.3" }, right), "token");
  await fail(limit, "bob", "10.0.0.3", 3);
  clock.advance(61 * MINUTE_MS);
  await fail(limit, "bob", "10.0.0.4", 3);
  assert.equal(await waitOf(limit, "bob", "10.0.0.5"), 60);
});

Deno.test("SignInLimit counts what failed for another reason as nobody's guess", async () => {
  const limit = limitWith(testClock());
  const away = () => Promise.reject(new Error("the API is away"));
  for (let i = 0; i < 10; i++) await assert.rejects(limit.attempt({ account: "ada", client: "a" }, away), /away/);
  assert.equal(await limit.attempt({ account: "ada", client: "a" }, right), "token");
});

Deno.test("SignInLimit lets guesses in parallel wait for each other, so that no more than the allowed number run", async () => {
  const limit = limitWith(testClock(), { ...ALLOWANCE, failuresPerClient: 100 });
  let started = 0;
  const gate = Promise.withResolvers<void>();
  const guess = async () => {
    started++;
    await gate.promise;
    throw new NotSignedInError("wrong");
  };
  const guesses = Array.from({ length: 12 }, (_, i) => limit.attempt({ account: "ada", client: `${i}` }, guess));
  const outcomes = Promise.allSettled(guesses);
  gate.resolve();
  const reasons = (await outcomes).map((outcome) => outcome.status === "rejected" && outcome.reason.constructor.name);
  assert.equal(started, 3);
  assert.equal(reasons.filter((reason) => reason === "RateLimitedError").length, 9);
});

Deno.test("SignInLimit refuses a flood of right sign-ins from one address until a minute is over", async () => {
  const clock = testClock();
  const limit = limitWith(clock);
  for (let i = 0; i < 20; i++) await limit.attempt({ account: "ada", client: "a" }, right);
  clock.advance(20_000);
  assert.equal(await waitOf(limit, "ada", "a"), 40);
  assert.equal(await limit.attempt({ account: "ada", client: "b" }, right), "token");
  clock.advance(40_000);
  assert.equal(await limit.attempt({ account: "ada", client: "a" }, right), "token");
});

Deno.test("SignInLimit is not held for years by a clock that is set back", async () => {
  const clock = testClock();
  const limit = limitWith(clock);
  await fail(limit, "ada", "a", 3);
  clock.advance(-10 * 365 * 24 * 60 * MINUTE_MS);
  assert.equal(await limit.attempt({ account: "ada", client: "b" }, right), "token");
});

Deno.test("SignInLimit ends a wait in the queue when its caller goes", async () => {
  const limit = limitWith(testClock());
  const gate = Promise.withResolvers<string>();
  const running = [1, 2, 3].map(() => limit.attempt({ account: "ada", client: "a" }, () => gate.promise));
  const gone = AbortSignal.abort();
  await assert.rejects(limit.attempt({ account: "ada", client: "a" }, right, { signal: gone }), {
    code: "interrupted",
  });
  gate.resolve("token");
  assert.deepEqual(await Promise.all(running), ["token", "token", "token"]);
});

Deno.test("SignInLimit takes all addresses of one IPv6 network for one client", async () => {
  const limit = new SignInLimit(
    { failuresPerAccount: 10, failuresPerClient: 3, callsPerClient: 60 },
    () => true,
    testClock(),
  );
  const guess = (client: string, account: string) =>
    limit.attempt({ client, account }, () => Promise.reject(new Error("wrong")));
  for (let i = 0; i < 3; i++) await assert.rejects(guess(`2001:db8:0:1::${i}`, `a${i}`), /wrong/);
  await assert.rejects(guess("2001:db8:0:1:ffff::9", "b"), { code: "rate_limited" });
  await assert.rejects(guess("2001:db8:0:2::1", "c"), /wrong/);
});
