import * as oauth from "oauth4webapi";
import { NotSignedInError } from "../errors.ts";
import type { Issuer } from "./issuer.ts";
import { type CallbackServer, listenForCallback } from "./loopback.ts";
import { callIssuer, type OAuthDeps, translateOAuth } from "./oauth_call.ts";
import { grantOf, type TokenGrant } from "./token_grant.ts";

/** What a sign-in asks for. */
export interface SignInRequest {
  readonly scopes: readonly string[];
  readonly organizationId: string | undefined;
}

/** Opens an address in a browser; `false` when there is none after all. */
export type OpenBrowser = (url: URL, signal: AbortSignal) => Promise<boolean>;

/** Why nobody could sign in with a browser here: another way is needed. */
export type BrowserObstacle = "port_taken" | "no_browser";

/** Longest time that a person has in the browser. */
const BROWSER_LIMIT_MS = 5 * 60_000;

/**
 * Signs in with a browser: Authorization Code with PKCE (S256), `state`, and `nonce` where an ID token is asked for.
 * @returns what was granted, or what stands in the way of a browser
 * @throws {NotSignedInError} refused, or nobody came within five minutes; what else {@link callIssuer} throws
 * @see RFC 7636, 4; RFC 8252; OpenID Connect Core 1.0, 3.1
 */
export async function signInWithBrowser(
  issuer: Issuer,
  { scopes, organizationId }: SignInRequest,
  deps: OAuthDeps & { readonly openBrowser: OpenBrowser },
  signal: AbortSignal,
): Promise<TokenGrant | BrowserObstacle> {
  const state = oauth.generateRandomState();
  const verifier = oauth.generateRandomCodeVerifier();
  const nonce = scopes.includes("openid") ? oauth.generateRandomNonce() : undefined;
  using limit = new Limit(deps, signal);
  await using server = await listenForCallback(
    { redirectUri: issuer.redirectUri, state, clock: deps.clock },
    limit.signal,
  );
  if (server === undefined) return "port_taken";
  const url = authorizationUrl(issuer, {
    scope: scopes.join(" "),
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    access_type: "offline",
    audience: issuer.audience,
    ...(nonce === undefined ? {} : { nonce }),
    ...(organizationId === undefined ? {} : { organization: organizationId }),
  });
  if (!await deps.openBrowser(url, signal)) return "no_browser";
  const parameters = await answerOf(server, limit, signal);
  const grant = await exchange(issuer, { parameters, state, verifier, nonce }, deps, signal);
  server.finish(true);
  return grant;
}

function authorizationUrl(issuer: Issuer, parameters: Readonly<Record<string, string>>): URL {
  const url = new URL(issuer.server.authorization_endpoint ?? "");
  const always = {
    response_type: "code",
    client_id: issuer.clientIdInteractive,
    redirect_uri: issuer.redirectUri.href,
  };
  for (const [name, value] of Object.entries({ ...always, ...parameters })) url.searchParams.set(name, value);
  return url;
}

async function answerOf(server: CallbackServer, limit: Limit, signal: AbortSignal): Promise<URLSearchParams> {
  try {
    return await server.answer;
  } catch (error) {
    if (signal.aborted || !limit.isOver) throw error;
    throw new NotSignedInError("Cannot sign in: nobody came back from the browser within five minutes");
  }
}

async function exchange(
  { server, clientIdInteractive, redirectUri }: Issuer,
  { parameters, state, verifier, nonce }: {
    parameters: URLSearchParams;
    state: string;
    verifier: string;
    nonce: string | undefined;
  },
  deps: OAuthDeps,
  signal: AbortSignal,
): Promise<TokenGrant> {
  const client = { client_id: clientIdInteractive };
  const checked = checkAnswer(server, client, parameters, state);
  return await callIssuer(deps, signal, async (options) => {
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      checked,
      redirectUri.href,
      verifier,
      options,
    );
    const expected = nonce === undefined ? {} : { expectedNonce: nonce, requireIdToken: true };
    return grantOf(await oauth.processAuthorizationCodeResponse(server, client, answer, expected), clientIdInteractive);
  });
}

/** @see RFC 9207, 2.4: where the issuer puts its name into its answers, it must be there and right. */
function checkAnswer(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  parameters: URLSearchParams,
  state: string,
): URLSearchParams {
  try {
    return oauth.validateAuthResponse(server, client, parameters, state);
  } catch (error) {
    throw translateOAuth(error);
  }
}

/** The caller's signal, or the end of the time that a person has. */
class Limit implements Disposable {
  readonly #done = new AbortController();
  readonly #expired = new AbortController();
  readonly signal: AbortSignal;

  constructor({ clock }: OAuthDeps, outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#expired.signal]);
    clock.sleep(BROWSER_LIMIT_MS, this.#done.signal).then(() => this.#expired.abort(), () => {}); // not needed any more
  }

  get isOver(): boolean {
    return this.#expired.signal.aborted;
  }

  [Symbol.dispose](): void {
    this.#done.abort();
  }
}
