import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { OriginSite } from "./origin_site.ts";
import { PlainBrowser, type SeenPage } from "./plain_browser.ts";

/** Where the reference client of the platform listens for the answer. */
export const REDIRECT_URI = "http://localhost:8989/";
export const CLIENT_ID = "tallystick-cli";
export const AUDIENCE = "https://tallystick-platform";

/** An origin, as its clients see it. */
export type IssuerSite = Pick<OriginSite, "url" | "admin">;

/** What a token request was answered with. */
export interface TokenAnswer {
  readonly status: number;
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
  readonly expires_in: number;
  readonly scope?: string;
  readonly error?: string;
}

/** An authorization request, and what is needed to redeem its code. */
export interface AuthorizationRequest {
  readonly url: string;
  readonly verifier: string;
  readonly state: string;
}

/** The authorization request of the reference client; `changes` replace its parameters, or leave them out. */
export function authorizationRequest(changes: Readonly<Record<string, string | undefined>> = {}): AuthorizationRequest {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(15).toString("hex");
  const parameters = Object.entries({
    response_type: "code",
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    scope: "offline_access",
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    access_type: "offline",
    audience: AUDIENCE,
    ...changes,
  });
  const sent = parameters.flatMap(([name, value]) => value === undefined ? [] : [[name, value]]);
  return { url: `/authorize?${new URLSearchParams(sent)}`, verifier, state };
}

/** Posts a form as the reference client does. */
export async function postForm(
  site: IssuerSite,
  path: string,
  form: Readonly<Record<string, string>> | readonly (readonly [string, string])[],
): Promise<TokenAnswer & Readonly<Record<string, unknown>>> {
  const pairs = Array.isArray(form) ? form.map((pair) => [...pair]) : Object.entries(form);
  const response = await fetch(site.url + path, { method: "POST", body: new URLSearchParams(pairs) });
  const text = await response.text();
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  return { status: response.status, ...(text === "" ? {} : JSON.parse(text)) };
}

/** Signs in with a browser and allows what is asked for. */
export async function approve(
  browser: PlainBrowser,
  page: SeenPage,
  { email, password }: { email: string; password: string },
): Promise<SeenPage> {
  const asked = page.html.includes('name="password"')
    ? await browser.submit(page, { fields: { email, password } })
    : page;
  return await browser.submit(asked, { button: "Allow" });
}

/** A whole sign-in as the reference client does it. */
export async function signInByBrowser(
  site: IssuerSite,
  account: { email: string; password: string } = site.admin,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<TokenAnswer> {
  const request = authorizationRequest(changes);
  const browser = new PlainBrowser(site.url);
  const { url } = await approve(browser, await browser.open(request.url), account);
  assert.equal(url.searchParams.get("state"), request.state, url.href);
  const answer = await redeem(site, url, request);
  assert.equal(answer.status, 200, JSON.stringify(answer));
  return answer;
}

/** Exchanges the code of the address to which the browser was sent. */
export function redeem(
  site: IssuerSite,
  callback: URL,
  { verifier }: Pick<AuthorizationRequest, "verifier">,
  changes: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer & Readonly<Record<string, unknown>>> {
  return postForm(site, "/oauth/token", {
    grant_type: "authorization_code",
    code: callback.searchParams.get("code") ?? "",
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
    client_id: CLIENT_ID,
    ...changes,
  });
}

/** Exchanges a refresh token. */
export function refresh(site: IssuerSite, refreshToken: string | undefined, clientId = CLIENT_ID) {
  const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken ?? "" };
  return postForm(site, "/oauth/token", form);
}
