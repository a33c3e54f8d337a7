import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { PlatformSession, type SignInUi } from "../../../../lib/auth/platform_session.ts";
import type { DevicePrompt } from "../../../../lib/auth/device_flow.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { TokenCache } from "../../../../lib/auth/token_cache.ts";
import { NotSignedInError, TokenExpiredError, UnavailableError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { freePort } from "../../../support/free_port.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { settingsFrom, TestIssuer } from "../../../support/test_issuer.ts";

/** A person at this machine: what was shown to them, and a browser that follows where it is led. */
class Person implements SignInUi {
  readonly notes: string[] = [];
  readonly prompts: DevicePrompt[] = [];
  readonly pages: string[] = [];
  openBrowser: SignInUi["openBrowser"] = async (url) => {
    this.pages.push(await this.visit(url));
    return true;
  };
  visit = async (url: URL): Promise<string> => {
    const sent = await fetch(url, { redirect: "manual" });
    await sent.body?.cancel();
    const back = new URL(sent.headers.get("location") ?? "");
    back.hostname = "127.0.0.1";
    fetch(back).then((page) => page.text()).then((text) => this.pages.push(text), () => {});
    return "";
  };
  showPrompt = (prompt: DevicePrompt) => void this.prompts.push(prompt);
  note = (sentence: string) => void this.notes.push(sentence);
}

/** An issuer, and sessions of a user of this machine. */
async function startSite() {
  const folder = await tempFolder();
  const issuer = await TestIssuer.start();
  const variables = issuer.variables(folder.path, freePort());
  const settings = settingsFrom(variables);
  return {
    issuer,
    folder,
    variables,
    cache: new TokenCache(settings, systemClock),
    session: (ui?: SignInUi, signal = new AbortController().signal) =>
      new PlatformSession({ settings, http: httpClient("issuer"), clock: systemClock, signal, ui }),
    async [Symbol.asyncDispose]() {
      await issuer[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

type Site = Awaited<ReturnType<typeof startSite>>;

async function expiresIn(issuer: TestIssuer, seconds: number, claims = {}): Promise<string> {
  return await issuer.token({ claims: { exp: Math.floor(Date.now() / 1000) + seconds, ...claims } });
}

async function keep({ cache }: Site, accessToken: string, refreshToken?: string): Promise<void> {
  await cache.write({
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    clientId: "test-client",
  });
}

async function isCached({ cache }: Site): Promise<boolean> {
  return await Deno.stat(cache.path).then(() => true, () => false);
}

Deno.test("PlatformSession signs in with a browser as the platform's own client does, and keeps both tokens", async () => {
  await using site = await startSite();
  const person = new Person();
  const { token, claims } = await site.session(person).accessToken();
  assert.equal(claims.sub, "auth0|1");
  const [query] = site.issuer.authorizations;
  assert.equal(query?.get("response_type"), "code");
  assert.equal(query?.get("scope"), "offline_access");
  assert.equal(query?.get("audience"), "https://platform.example.com");
  assert.equal(query?.get("access_type"), "offline");
  assert.equal(query?.get("code_challenge_method"), "S256");
  assert.match(query?.get("code_challenge") ?? "", /^[\w-]{43}$/);
  assert.match(query?.get("state") ?? "", /^[\w-]{30,}$/);
  assert.equal(query?.get("nonce"), null, "there is no ID token");
  const [form] = site.issuer.forms;
  assert.deepEqual(Object.keys(form ?? {}).sort(), [
    "client_id",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
  ]);
  assert.equal((await site.cache.read())?.accessToken.reveal(), token);
  assert.ok(site.issuer.isKnown((await site.cache.read())?.refreshToken?.reveal() ?? ""));
  assert.deepEqual(person.prompts, []);
  const second = site.session();
  assert.equal((await second.accessToken()).token, token);
  assert.equal(site.issuer.count("POST /token authorization_code"), 1);
});

Deno.test("PlatformSession asks for the organisation, and with openid for a nonce that it checks", async () => {
  await using site = await startSite();
  Object.assign(site.variables, { AIGNOSTICS_ORGANIZATION_ID: "org_1", AIGNOSTICS_SCOPE: "openid,offline_access" });
  const settings = settingsFrom(site.variables);
  const { signal } = new AbortController();
  const deps = { settings, http: httpClient("issuer"), clock: systemClock, signal };
  await new PlatformSession({ ...deps, ui: new Person() }).signIn();
  const [query] = site.issuer.authorizations;
  assert.equal(query?.get("scope"), "openid offline_access");
  assert.equal(query?.get("organization"), "org_1");
  assert.match(query?.get("nonce") ?? "", /^[\w-]{30,}$/);
  site.issuer.answer = (parameters) => {
    site.issuer.authorizations.at(-1)?.set("nonce", "seen");
    return parameters;
  };
  const token = site.issuer.token.bind(site.issuer);
  site.issuer.token = (options = {}) =>
    token(
      "nonce" in (options.claims ?? {}) ? { ...options, claims: { ...options.claims, nonce: "another" } } : options,
    );
  await assert.rejects(new PlatformSession({ ...deps, ui: new Person() }).signIn(), { code: "upstream" });
});

Deno.test("PlatformSession takes an answer whose scope is the one it asked for, or none", async () => {
  for (const scope of ["offline_access", undefined]) {
    await using site = await startSite();
    site.issuer.scope = scope;
    assert.equal((await site.session(new Person()).accessToken()).claims.sub, "auth0|1");
  }
});

Deno.test("PlatformSession is not ended by stray requests, and a wrong state never signs in", async () => {
  await using site = await startSite();
  const person = new Person();
  const statuses: number[] = [];
  person.visit = async (url) => {
    const sent = await fetch(url, { redirect: "manual" });
    await sent.body?.cancel();
    const back = new URL(sent.headers.get("location") ?? "");
    back.hostname = "127.0.0.1";
    const ask = async (change: (url: URL) => void, method = "GET") => {
      const changed = new URL(back);
      change(changed);
      const answer = await fetch(changed, { method });
      assert.ok(!(await answer.text()).includes(back.searchParams.get("code") ?? "-"));
      statuses.push(answer.status);
    };
    await ask((stray) => stray.pathname = "/favicon.ico");
    await ask((stray) => stray.pathname = "/robots.txt");
    await ask((stray) => stray.search = "");
    await ask((stray) => stray.searchParams.set("state", "swapped"));
    await ask((stray) => stray.searchParams.append("state", "second"));
    await ask((stray) => stray.search = "?error=access_denied");
    await ask((stray) => stray.search = "?error=access_denied&state=swapped");
    await ask(() => {}, "POST");
    await ask(() => {}, "HEAD");
    assert.equal(site.issuer.count("POST /token authorization_code"), 0);
    fetch(back).then((page) => page.text()).then((text) => person.pages.push(text), () => {});
    return "";
  };
  await site.session(person).signIn();
  assert.deepEqual(statuses, [404, 404, 400, 400, 400, 400, 400, 405, 405]);
  assert.equal(site.issuer.count("POST /token authorization_code"), 1);
});

Deno.test("PlatformSession shows the browser a page without a secret, whichever way it ends", async () => {
  for (const isAccepted of [true, false]) {
    await using site = await startSite();
    const shown = Promise.withResolvers<{ status: number; text: string }>();
    const person = new Person();
    person.visit = async (url) => {
      const sent = await fetch(url, { redirect: "manual" });
      await sent.body?.cancel();
      const back = new URL(sent.headers.get("location") ?? "");
      back.hostname = "127.0.0.1";
      if (!isAccepted) back.searchParams.set("code", "another");
      fetch(back).then(async (page) => shown.resolve({ status: page.status, text: await page.text() }));
      return "";
    };
    const signedIn = site.session(person).signIn();
    if (isAccepted) await signedIn;
    else await assert.rejects(signedIn, NotSignedInError);
    const { status, text } = await shown.promise;
    assert.deepEqual(
      [status, /<h1>(.*)<\/h1>/.exec(text)?.[1]],
      isAccepted ? [200, "Signed in"] : [400, "Not signed in"],
    );
    assert.doesNotMatch(text, /state|code|refresh|eyJ/);
    assert.equal(await isCached(site), isAccepted);
  }
});

Deno.test("PlatformSession tells that the issuer refused in the browser", async () => {
  await using site = await startSite();
  site.issuer.answer = (parameters) =>
    new URLSearchParams({
      error: "access_denied",
      error_description: `User refused ${"x".repeat(60)}`,
      state: parameters.get("state") ?? "",
    });
  await assert.rejects(site.session(new Person()).signIn(), (error) => {
    assert.ok(error instanceof NotSignedInError);
    assert.equal(error.message, 'The issuer refuses the sign-in: "access_denied" (User refused …)');
    return true;
  });
  assert.equal(await isCached(site), false);
});

Deno.test("PlatformSession goes on with a code when another program keeps the port", async () => {
  await using site = await startSite();
  const port = Number(new URL(site.variables.AIGNOSTICS_REDIRECT_URI ?? "").port);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port });
  const person = new Person();
  const settings = settingsFrom(site.variables);
  const sleeps: number[] = [];
  const clock = {
    now: () => Date.now(),
    // deno-lint-ignore require-await -- errors must reject
    sleep: async (delayMs: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      if (delayMs < 5 * 60_000) return void sleeps.push(delayMs);
      return new Promise<void>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const { signal } = new AbortController();
  await new PlatformSession({ settings, http: httpClient("issuer"), clock, signal, ui: person }).signIn();
  assert.deepEqual(sleeps.slice(0, 9), [100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000]);
  assert.match(person.notes.join(), /Port \d+ is taken by another program: using a code instead/);
  assert.equal(person.prompts.length, 1);
  assert.equal(site.issuer.authorizations.length, 0);
});

Deno.test("PlatformSession goes on with a code when no browser opens, or there is none", async () => {
  for (const openBrowser of [() => Promise.resolve(false), undefined]) {
    await using site = await startSite();
    const person = new Person();
    person.openBrowser = openBrowser;
    await site.session(person).accessToken();
    assert.deepEqual(person.prompts, [{
      userCode: "ABCD-EFGH",
      verificationUrl: `${site.issuer.url}activate?user_code=ABCD-EFGH`,
      expiresInMs: 60_000,
    }]);
  }
});

Deno.test("PlatformSession renews by the refresh token, keeps the rotated one, and asks nobody", async () => {
  await using site = await startSite();
  const first = site.issuer.refreshToken();
  await keep(site, await expiresIn(site.issuer, 299), first);
  const { token } = await site.session().accessToken();
  assert.equal(site.issuer.count("POST /token refresh_token"), 1);
  const kept = await site.cache.read();
  assert.equal(kept?.accessToken.reveal(), token);
  assert.notEqual(kept?.refreshToken?.reveal(), first);
  assert.ok(site.issuer.isKnown(kept?.refreshToken?.reveal() ?? ""));
});

Deno.test("PlatformSession lets simultaneous calls share one refresh, in several sessions of one cache, too", async () => {
  await using site = await startSite();
  await keep(site, await expiresIn(site.issuer, -1), site.issuer.refreshToken());
  const sessions = [site.session(), site.session(), site.session()];
  const tokens = await Promise.all(sessions.flatMap((one) => [one.accessToken(), one.accessToken()]));
  assert.equal(new Set(tokens.map(({ token }) => token)).size, 1);
  assert.equal(site.issuer.count("POST /token refresh_token"), 1);
});

Deno.test("PlatformSession signs in anew when the refresh token is refused; without a person it says that", async () => {
  await using site = await startSite();
  const old = await expiresIn(site.issuer, -1);
  await keep(site, old, site.issuer.refreshToken());
  site.issuer.forgetAll();
  await assert.rejects(site.session().accessToken(), TokenExpiredError);
  assert.equal(await isCached(site), false, "what has expired and cannot be renewed is cleaned up");
  await keep(site, old, "refresh-unknown");
  const { token } = await site.session(new Person()).accessToken();
  assert.notEqual(token, old);
  assert.equal(site.issuer.authorizations.length, 1);
});

Deno.test("PlatformSession uses a token up to its end when its refresh token is refused, and does not send that again", async () => {
  await using site = await startSite();
  const token = await expiresIn(site.issuer, 200);
  await keep(site, token, "refresh-unknown");
  for (let count = 0; count < 3; count++) assert.equal((await site.session().accessToken()).token, token);
  assert.equal(site.issuer.count("POST /token refresh_token"), 1);
});

Deno.test("PlatformSession uses the refresh token of the settings", async () => {
  await using site = await startSite();
  site.variables.AIGNOSTICS_REFRESH_TOKEN = site.issuer.refreshToken();
  const { signal } = new AbortController();
  const deps = { settings: settingsFrom(site.variables), http: httpClient("issuer"), clock: systemClock, signal };
  assert.equal((await new PlatformSession(deps).accessToken()).claims.sub, "auth0|1");
  assert.equal(site.issuer.forms[0]?.client_id, "test-client");
});

Deno.test("PlatformSession goes on with a cached token while its issuer is away, up to the token's own end", async () => {
  await using site = await startSite();
  for (const lifetime of [3600, 200]) {
    const token = await expiresIn(site.issuer, lifetime);
    await keep(site, token, site.issuer.refreshToken());
    site.issuer.isAway = true;
    const session = site.session();
    assert.equal((await session.accessToken()).token, token);
    const asked = site.issuer.calls.length;
    assert.equal((await session.accessToken()).token, token);
    assert.equal(site.issuer.calls.length, asked, "not every call asks an issuer that is away");
    site.issuer.isAway = false;
  }
  await keep(site, await expiresIn(site.issuer, -1), site.issuer.refreshToken());
  site.issuer.isAway = true;
  await assert.rejects(site.session().accessToken(), { code: "configuration" });
  assert.equal(await isCached(site), true, "the refresh token is still good");
});

Deno.test("PlatformSession goes on with a cached token while the issuer of known endpoints is away", async () => {
  await using site = await startSite();
  const at = (path: string) => new URL(path, site.issuer.url).href;
  const settings = settingsFrom({
    ...site.variables,
    AIGNOSTICS_AUTHORIZATION_BASE_URL: at("/authorize"),
    AIGNOSTICS_TOKEN_URL: at("/token"),
    AIGNOSTICS_DEVICE_URL: at("/device"),
    AIGNOSTICS_JWS_JSON_URL: at("/jwks"),
  });
  const cache = new TokenCache(settings, systemClock);
  const kept = await expiresIn(site.issuer, 200);
  const refreshToken = new Secret(site.issuer.refreshToken());
  await cache.write({ accessToken: new Secret(kept), refreshToken, clientId: "test-client" });
  site.issuer.isAway = true;
  const { signal } = new AbortController();
  const deps = { settings, http: httpClient("issuer"), clock: systemClock, signal };
  assert.equal((await new PlatformSession(deps).accessToken()).token, kept);
  assert.equal(site.issuer.count("POST /token refresh_token"), 4, "four tries");
  assert.equal(site.issuer.count("GET /.well-known/openid-configuration"), 0);
  const expired = await expiresIn(site.issuer, -1);
  await cache.write({ accessToken: new Secret(expired), refreshToken, clientId: "test-client" });
  await assert.rejects(new PlatformSession(deps).accessToken(), UnavailableError);
});

Deno.test("PlatformSession does not use a cached token that does not verify", async () => {
  await using site = await startSite();
  const forged = await site.issuer.token({ claims: { iss: "https://other.example.com/" } });
  for (const bad of [forged, "garbage", "a.b.c", await expiresIn(site.issuer, 3600, { aud: "other" })]) {
    await keep(site, bad);
    await assert.rejects(site.session().accessToken(), { code: "token_expired" });
    assert.equal(await isCached(site), false, bad);
  }
  await assert.rejects(site.session().accessToken(), NotSignedInError);
});

Deno.test("PlatformSession keeps no token that the issuer signed wrongly", async () => {
  await using site = await startSite();
  site.issuer.mint = (issuer) => issuer.token({ claims: { aud: "https://other.example.com" } });
  await assert.rejects(site.session(new Person()).signIn(), NotSignedInError);
  assert.equal(await isCached(site), false);
});

Deno.test("PlatformSession.signOut() revokes and removes, and says when the issuer could not", async () => {
  await using site = await startSite();
  const refreshToken = site.issuer.refreshToken();
  await keep(site, await site.issuer.token(), refreshToken);
  const session = site.session();
  await session.accessToken();
  assert.deepEqual(await session.signOut(), { wasSignedIn: true, isRevoked: true });
  assert.equal(site.issuer.isKnown(refreshToken), false);
  assert.equal(await isCached(site), false);
  await assert.rejects(session.accessToken(), NotSignedInError);
  assert.deepEqual(await session.signOut(), { wasSignedIn: false, isRevoked: false });
  await keep(site, await site.issuer.token(), site.issuer.refreshToken());
  site.issuer.isAway = true;
  assert.deepEqual(await site.session().signOut(), { wasSignedIn: true, isRevoked: false });
  assert.equal(await isCached(site), false);
});

Deno.test("PlatformSession ends a sign-in when its caller stops, and the port is free again", async () => {
  await using site = await startSite();
  const stop = new AbortController();
  const person = new Person();
  person.visit = () => {
    queueMicrotask(() => stop.abort(new Error("stopped")));
    return Promise.resolve("");
  };
  await assert.rejects(site.session(person, stop.signal).signIn(), /stopped/);
  const port = Number(new URL(site.variables.AIGNOSTICS_REDIRECT_URI ?? "").port);
  Deno.listen({ hostname: "127.0.0.1", port }).close();
  assert.equal(await isCached(site), false);
});

Deno.test("PlatformSession leaves nothing but private files", async () => {
  await using site = await startSite();
  await site.session(new Person()).signIn();
  const folder = dirname(site.cache.path);
  assert.equal(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
  for await (const { name } of Deno.readDir(folder)) {
    assert.equal(((await Deno.stat(join(folder, name))).mode ?? 0) & 0o777, 0o600, name);
  }
});
