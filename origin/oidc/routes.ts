import { type Context, Hono } from "hono";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { MalformedError, NotAllowedError } from "../../lib/errors.ts";
import { requestBody } from "../../lib/http/request_body.ts";
import { collect } from "../../lib/streams.ts";
import type { OriginEnv } from "../guard.ts";
import { ISSUER_ROUTES } from "./configuration.ts";
import { PREFILLED_CODE } from "./device_pages.ts";
import { INTERACTION_PATH } from "./interaction.ts";
import type { Issuer } from "./issuer.ts";

const BODY_LIMIT_BYTES = 32 * 1024;
const BODY_LIMIT_MS = 30_000;
const NAME_LIMIT = 254; // characters of an e-mail address
const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/** What the routes of the issuer need. */
export interface IssuerRoutesDeps {
  readonly issuer: Issuer;
  readonly publicUrl: URL;
}

/**
 * The issuer's HTTP API: discovery, authorization with PKCE, tokens, the device flow, revocation, and the pages on which
 * people sign in. Requests in the form of the platform's reference client are brought into that of `oidc-provider` here.
 */
export function issuerRoutes({ issuer, publicUrl }: IssuerRoutesDeps): Hono<OriginEnv> {
  const { authorization, token, device_authorization, code_verification, revocation } = ISSUER_ROUTES;
  const answer = async (c: Context<OriginEnv>, target = targetOf(c), form?: Bytes) => {
    const { cutOff, remoteAddr } = c.env;
    const body = form ?? await readBody(c);
    return await issuer.answer({ request: c.req.raw, target, body, client: remoteAddr.hostname }, cutOff);
  };
  const fromOwnPage = (c: Context<OriginEnv>, next: () => Promise<void>) => {
    refuseOtherSites(c, publicUrl);
    return next();
  };
  return new Hono<OriginEnv>()
    .get("/.well-known/openid-configuration", (c) => answer(c))
    .get("/.well-known/oauth-authorization-server", (c) => answer(c))
    .get(authorization, (c) => answer(c, authorizationTarget(c)))
    .get(`${authorization}/:uid`, (c) => answer(c))
    .post(token, (c) => answer(c))
    .post(device_authorization, async (c) => await answer(c, targetOf(c), oneScope(c, await readBody(c))))
    .post(revocation, (c) => answer(c))
    .get(code_verification, (c) => answer(c, withPrefilledCode(c)))
    .post(code_verification, fromOwnPage, (c) => answer(c))
    .get(`${code_verification}/:uid`, (c) => answer(c))
    .get(`${INTERACTION_PATH}/:uid`, (c) => answer(c))
    .post(`${INTERACTION_PATH}/:uid`, fromOwnPage, async (c) => {
      const form = await readBody(c);
      const email = new URLSearchParams(new TextDecoder().decode(form)).get("email");
      if (email !== null) c.set("nameTyped", email.slice(0, NAME_LIMIT));
      return await answer(c, targetOf(c), form);
    });
}

function targetOf(c: Context<OriginEnv>, search = new URL(c.req.url).search): string {
  return c.req.path + search;
}

async function readBody(c: Context<OriginEnv>): Promise<Bytes> {
  const body = requestBody(c.req.raw, BODY_LIMIT_BYTES, c.env.cutOff, { wholeMs: BODY_LIMIT_MS });
  return await collect(body, BODY_LIMIT_BYTES);
}

/**
 * Without `prompt=consent` the package drops the scope `offline_access`, which the platform's clients send alone.
 * @throws {MalformedError} the answer would be a page that only a script sends on
 */
function authorizationTarget(c: Context<OriginEnv>): string {
  const { searchParams } = new URL(c.req.url);
  if (searchParams.getAll("response_mode").some((mode) => mode.startsWith("form_post"))) {
    throw new MalformedError("The issuer does not answer by form_post, which takes a script");
  }
  const prompts = searchParams.get("prompt")?.split(" ") ?? [];
  const lasting = searchParams.get("scope")?.split(" ").includes("offline_access") ?? false;
  if (!lasting || prompts.includes("consent") || prompts.includes("none")) return targetOf(c);
  if (searchParams.getAll("prompt").length > 1) return targetOf(c); // refused there
  searchParams.set("prompt", [...prompts, "consent"].join(" "));
  return targetOf(c, `?${searchParams}`);
}

/** The reference client sends one parameter `scope` for each of several scopes. */
function oneScope(c: Context<OriginEnv>, body: Bytes): Bytes {
  if (!FORM.test(c.req.header("content-type") ?? "")) return body;
  const form = new URLSearchParams(new TextDecoder().decode(body));
  const scopes = form.getAll("scope");
  if (scopes.length < 2) return body;
  form.set("scope", scopes.join(" "));
  return utf8(form.toString());
}

/** The package would answer a code in the address with a form that only a script sends. */
function withPrefilledCode(c: Context<OriginEnv>): string {
  const userCode = c.req.query("user_code");
  return targetOf(c, userCode === undefined ? "" : `?${new URLSearchParams({ [PREFILLED_CODE]: userCode })}`);
}

/** Forms come from our own pages; cookies that browsers do not send across sites are the other half of this. */
function refuseOtherSites(c: Context<OriginEnv>, publicUrl: URL): void {
  const site = c.req.header("sec-fetch-site") ?? "same-origin";
  const origin = c.req.header("origin") ?? "null"; // that of our own pages, too: they send no referrer
  if (["same-origin", "none"].includes(site) && ["null", publicUrl.origin].includes(origin)) return;
  throw new NotAllowedError("The form was sent from a page of another site");
}
