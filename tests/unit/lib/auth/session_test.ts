import assert from "node:assert/strict";
import { type Authenticate, Session } from "../../../../lib/auth/session.ts";
import { NotSignedInError, UnavailableError } from "../../../../lib/errors.ts";
import type { VerifyToken } from "../../../../lib/auth/claims.ts";

const ANNA = { email: "anna@example.com", password: "pässword" };
const verify: VerifyToken = (token) =>
  Promise.resolve({ user: { id: "1", email: token.split(" ")[0] ?? "", role: "Operator" }, expiresAtMs: 5_000 });

/** An authority that numbers its tokens, refuses the password "wrong", and can be held. */
class Authority {
  count = 0;
  hold: Promise<void> = Promise.resolve();
  refuse: Error | undefined;
  signals: (AbortSignal | undefined)[] = [];

  authenticate: Authenticate = async (email, password, signal) => {
    const number = ++this.count;
    this.signals.push(signal);
    await this.hold;
    if (this.refuse !== undefined) throw this.refuse;
    if (password === "wrong") throw new NotSignedInError("Passwords do not match.");
    return `${email} ${number}`;
  };

  session(): Session {
    return new Session({ authenticate: this.authenticate, verify });
  }

  held(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.hold = promise;
    return resolve;
  }
}

Deno.test("Session.signIn() keeps user, token and credentials until signOut()", async () => {
  const session = new Authority().session();
  assert.equal(session.user(), undefined);
  assert.deepEqual(await session.signIn(ANNA), {
    token: "anna@example.com 1",
    user: { id: "1", email: ANNA.email, role: "Operator" },
    expiresAtMs: 5_000,
  });
  assert.equal(session.user()?.email, ANNA.email);
  assert.deepEqual(session.credentials(), ANNA);
  assert.equal(await session.token(), "anna@example.com 1");
  session.signOut();
  session.signOut();
  assert.equal(session.user(), undefined);
  assert.throws(() => session.credentials(), NotSignedInError);
  await assert.rejects(session.token(), NotSignedInError);
  await assert.rejects(session.renew("anna@example.com 1"), NotSignedInError);
});

Deno.test("Session takes the API's spelling of the address, but no other address", async () => {
  for (const [claimed, kept] of [["ANNA@example.com", "ANNA@example.com"], ["anna", "anna@example.com"]] as const) {
    const claims: VerifyToken = async (token) => ({
      ...await verify(token),
      user: { id: "1", email: claimed, role: "NONE" },
    });
    const session = new Session({ authenticate: new Authority().authenticate, verify: claims });
    await session.signIn(ANNA);
    assert.equal(session.credentials().email, kept, claimed);
  }
});

Deno.test("Session.signIn() that fails leaves the session that was there", async () => {
  const session = new Authority().session();
  await session.signIn(ANNA);
  await assert.rejects(session.signIn({ email: "ben@example.com", password: "wrong" }), NotSignedInError);
  assert.deepEqual(session.credentials(), ANNA);
});

Deno.test("Session.renew() is one sign-in for simultaneous callers, and none for a token already replaced", async () => {
  const authority = new Authority();
  const session = authority.session();
  const { token: stale } = await session.signIn(ANNA);
  const release = authority.held();
  const renewals = Promise.all(Array.from({ length: 20 }, () => session.renew(stale)));
  release();
  assert.deepEqual(new Set(await renewals), new Set(["anna@example.com 2"]));
  assert.equal(await session.renew(stale), "anna@example.com 2");
  assert.equal(authority.count, 2);
  assert.equal(await session.renew("anna@example.com 2"), "anna@example.com 3");
});

Deno.test("Session.renew() of one caller that stops waiting goes on for the others", async () => {
  const authority = new Authority();
  const session = authority.session();
  const { token: stale } = await session.signIn(ANNA);
  const release = authority.held();
  const controller = new AbortController();
  const impatient = session.renew(stale, controller.signal);
  const patient = session.renew(stale, new AbortController().signal);
  controller.abort();
  await assert.rejects(impatient, { code: "interrupted" });
  release();
  assert.equal(await patient, "anna@example.com 2");
});

Deno.test("Session.signOut() wins over a renewal and over a sign-in under way", async () => {
  const authority = new Authority();
  const session = authority.session();
  const { token: stale } = await session.signIn(ANNA);
  const release = authority.held();
  const renewal = session.renew(stale);
  const signIn = session.signIn(ANNA);
  session.signOut();
  assert.equal(authority.signals[1]?.aborted, true);
  release();
  await assert.rejects(renewal, NotSignedInError);
  await assert.rejects(signIn, NotSignedInError);
  assert.equal(session.user(), undefined);
});

Deno.test("Session.signIn() of another account wins over a renewal of the one before", async () => {
  const authority = new Authority();
  const session = authority.session();
  const { token: stale } = await session.signIn(ANNA);
  const release = authority.held();
  const renewal = session.renew(stale);
  authority.hold = Promise.resolve();
  const { token } = await session.signIn({ email: "ben@example.com", password: "b" });
  release();
  await assert.rejects(renewal, NotSignedInError);
  assert.equal(await session.token(), token);
  assert.equal(await session.renew(stale), token);
});

Deno.test("Session ends when a renewal is refused, and goes on when the API is away", async () => {
  const authority = new Authority();
  const session = authority.session();
  const { token: stale } = await session.signIn(ANNA);
  authority.refuse = new UnavailableError("API", "away");
  await assert.rejects(session.renew(stale), UnavailableError);
  assert.deepEqual(session.credentials(), ANNA);
  authority.refuse = new NotSignedInError("Passwords do not match.");
  await assert.rejects(session.renew(stale), NotSignedInError);
  assert.equal(session.user(), undefined);
});

Deno.test("Session shows no secret when it is printed", async () => {
  const session = new Authority().session();
  await session.signIn(ANNA);
  const shown = `${Deno.inspect(session, { depth: 9, showHidden: true })} ${JSON.stringify(session)} ${session}`;
  for (const secret of [ANNA.password, ANNA.email]) assert.ok(!shown.includes(secret), shown);
});
