import assert from "node:assert/strict";
import { join } from "node:path";
import { UnsecuredJWT } from "jose";
import type { Page } from "puppeteer-core";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { findIssuer } from "../../lib/auth/issuer.ts";
import { PlatformSession } from "../../lib/auth/platform_session.ts";
import { TokenCache } from "../../lib/auth/token_cache.ts";
import { Secret } from "../../lib/config/secret.ts";
import { NotSignedInError } from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { Client } from "../../lib/platform/client.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { press, startChromium } from "../support/chromium.ts";
import { freePort } from "../support/free_port.ts";
import { linesOf } from "../support/lines.ts";
import { approve } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { PlainBrowser } from "../support/plain_browser.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { settingsFrom } from "../support/test_issuer.ts";

const chromium = peerPath("chromium");

/** An origin of ours, and a user of it with nothing but its address. */
async function startSite() {
  const made = new AsyncDisposableStack();
  const folder = made.use(await tempFolder());
  const origin = made.use(await OriginSite.start());
  const env: Record<string, string> = {
    AIGNOSTICS_API_ROOT: "embedded",
    RESOURCE_API_URL: origin.url,
    AIGNOSTICS_CACHE_DIR: join(folder.path, "cache"),
    AIGNOSTICS_REDIRECT_URI: `http://localhost:${freePort()}/`,
  };
  return { origin, env, settings: settingsFrom(env), [Symbol.asyncDispose]: () => made.disposeAsync() };
}

async function fillIn(page: Page, { email, password }: { email: string; password: string }): Promise<void> {
  await page.type("#email", email);
  await page.type("#password", password);
  await press(page, "button[value=sign-in]");
}

Deno.test({
  name: "a person signs in at an origin with a real browser, by its address alone, and signs out",
  ignore: chromium === undefined,
  sanitizeOps: false, // puppeteer keeps timers and sockets of its own
  sanitizeResources: false,
  async fn() {
    await using site = await startSite();
    await using browser = await startChromium(chromium ?? "");
    const { settings, origin } = site;
    const page = await browser.newPage();
    const visits: Promise<string>[] = [];
    const steps: ((page: Page) => Promise<void>)[] = [
      async () => {
        await fillIn(page, { email: origin.admin.email, password: "wrong" });
        await page.waitForSelector("[role=alert]");
        await page.$eval("#email", (input) => (input as { value: string }).value = "");
        await fillIn(page, origin.admin);
      },
      () => Promise.resolve(), // the browser remembers who was there
    ];
    const visit = async (url: URL) => {
      await page.goto(url.href);
      await steps.shift()?.(page);
      await press(page, "button[value=allow]");
      return await page.$eval("h1", (heading) => heading.textContent ?? "");
    };
    const ui = {
      openBrowser: (url: URL) => {
        visits.push(visit(url));
        return Promise.resolve(true);
      },
      showPrompt: () => assert.fail("there is a browser"),
      note: (sentence: string) => assert.fail(sentence),
    };
    const { signal } = new AbortController();
    const deps = { settings, http: httpClient("issuer"), clock: systemClock, signal };
    const session = new PlatformSession({ ...deps, ui });

    const first = await session.accessToken();
    assert.equal(await visits[0], "Signed in");
    assert.deepEqual([first.claims.iss, first.claims.aud], [`${origin.url}/`, ["https://tallystick-platform"]]);
    const client = new Client({ settings, tokenProvider: async () => (await session.accessToken()).token });
    assert.equal((await client.me()).user.email, origin.admin.email);

    const second = await session.signIn();
    assert.equal(await visits[1], "Signed in");
    assert.notEqual(second.token, first.token);

    const kept = await new TokenCache(settings, systemClock).read();
    assert.deepEqual(await session.signOut(), { wasSignedIn: true, isRevoked: true });
    await new TokenCache(settings, systemClock).write({ ...kept ?? assert.fail(), accessToken: expired() });
    await assert.rejects(new PlatformSession(deps).accessToken(), { code: "token_expired" });
    await assert.rejects(new PlatformSession(deps).accessToken(), NotSignedInError);
  },
});

Deno.test("tally login at an origin waits for a second client that confirms its code; whoami, refresh and logout follow", async () => {
  await using site = await startSite();
  const { origin, env, settings } = site;
  const { program, args, env: inherited } = thisProgram(processEnvironment);
  const login = new Deno.Command(program, {
    args: [...args, "login", "--no-browser", "--json"],
    clearEnv: true,
    env: { ...inherited, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = linesOf(login.stdout);
  const { value } = await lines.next();
  const { userCode, verificationUrl } = JSON.parse(value ?? "");
  const browser = new PlainBrowser(origin.url);
  const asked = await browser.open(verificationUrl);
  assert.match(asked.html, new RegExp(userCode));
  const done = await approve(browser, await browser.submit(await browser.submit(asked)), origin.admin);
  assert.match(done.html, /is signed in/);
  assert.equal(JSON.parse((await lines.next()).value ?? "").environment, "embedded");
  assert.equal((await lines.next()).done, true);
  assert.equal((await login.status).code, 0, await new Response(login.stderr).text());

  const whoami = await tally(["whoami", "--json", "--no-mask-secrets"], { env });
  assert.equal(whoami.exitCode, 0, whoami.stderr);
  assert.equal(JSON.parse(whoami.stdout).user.email, origin.admin.email);

  const cache = new TokenCache(settings, systemClock);
  const kept = await cache.read() ?? assert.fail("nothing is kept");
  await cache.write({ ...kept, accessToken: expired() });
  assert.equal((await tally(["whoami"], { env })).exitCode, 0);
  assert.notEqual((await cache.read())?.refreshToken?.reveal(), kept.refreshToken?.reveal(), "the issuer rotates");

  assert.deepEqual(JSON.parse((await tally(["logout", "--json"], { env })).stdout), { status: "ok", revoked: true });
  assert.equal((await tally(["whoami"], { env })).exitCode, 3);
});

Deno.test("a sign-in at an origin with the scope openid checks the ID token, its issuer and nonce included", async () => {
  await using site = await startSite();
  const { origin, env } = site;
  const settings = settingsFrom({ ...env, AIGNOSTICS_SCOPE: "openid,email,offline_access" });
  const browser = new PlainBrowser(origin.url);
  const ui = {
    openBrowser: async (url: URL) => {
      const { url: back } = await approve(browser, await browser.open(url), origin.admin);
      back.hostname = "127.0.0.1";
      fetch(back).then((page) => page.body?.cancel());
      return true;
    },
    showPrompt: () => assert.fail("there is a browser"),
    note: (sentence: string) => assert.fail(sentence),
  };
  const { signal } = new AbortController();
  const session = new PlatformSession({ settings, http: httpClient("issuer"), clock: systemClock, signal, ui });
  const { claims } = await session.accessToken();
  assert.deepEqual(String(claims.scope).split(" ").sort(), ["email", "offline_access", "openid"]);
});

Deno.test("findIssuer() finds everything of an origin by its address alone", async () => {
  await using site = await startSite();
  const byAddress = settingsFrom({ AIGNOSTICS_API_ROOT: site.origin.url });
  const deps = { http: httpClient("issuer"), signal: new AbortController().signal };
  assert.equal(byAddress.environment, "custom");
  const { redirectUri: _own, ...found } = await findIssuer(byAddress, deps);
  const { redirectUri: _other, ...named } = await findIssuer(site.settings, deps);
  assert.deepEqual(found, named);
});

/** A token that nobody takes any more. */
function expired(): Secret {
  return new Secret(new UnsecuredJWT({ exp: 1 }).encode());
}
