import { text } from "node:stream/consumers";
import type { SignInLimit } from "../../lib/auth/sign_in_limit.ts";
import { RateLimitedError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Account, Accounts } from "../accounts.ts";
import { BusinessError } from "../business_error.ts";
import type { Organizations } from "../organizations.ts";
import { PLATFORM_AUDIENCE } from "./access_claims.ts";
import { belongsTo } from "./configuration.ts";
import { nameOf, showPage } from "./device_pages.ts";
import type { Interaction, OidcContext, OidcLibrary, OidcProvider } from "./library.ts";
import { formTarget, type Page } from "./page.ts";
import { consentPage, faultPage, signInPage } from "./pages.ts";

/** What the pages on which people sign in and consent need. */
export interface InteractionParts {
  readonly library: OidcLibrary;
  readonly provider: OidcProvider;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly signIns: SignInLimit;
  readonly clock: Clock;
}

/** Path of the pages, below the public address. */
export const INTERACTION_PATH = "/oauth/interaction";

const STALE = "This sign-in has expired, or was begun in another browser. Start again.";
const NOT_OF_ORGANIZATION = new Error("The account does not belong to the organisation that was asked for");
const CANCELLED = { error: "access_denied", error_description: "the person has cancelled" };

/** A step of a sign-in, with the form that was sent. */
interface Step {
  readonly context: OidcContext;
  readonly details: Interaction;
  readonly form: URLSearchParams;
}

/** The pages on which people sign in and consent, as a middleware. They belong to one browser: a cookie names the interaction. */
export function interactionPages(parts: InteractionParts) {
  return async (context: OidcContext, next: () => Promise<void>): Promise<void> => {
    if (!context.path.startsWith(`${INTERACTION_PATH}/`)) return await next();
    const details = await findInteraction(context, parts);
    if (details === undefined) {
      context.status = 400;
      return await showPage(context, faultPage(STALE));
    }
    if (context.method !== "POST") return await ask(context, details, parts);
    const form = new URLSearchParams(await text(context.req));
    await answer({ context, details, form }, parts);
  };
}

async function findInteraction(
  context: OidcContext,
  { library, provider }: InteractionParts,
): Promise<Interaction | undefined> {
  try {
    const details = await provider.interactionDetails(context.req, context.res);
    return context.path === `${INTERACTION_PATH}/${details.uid}` ? details : undefined;
  } catch (error) {
    if (error instanceof library.errors.SessionNotFound) return undefined;
    throw error;
  }
}

async function ask(context: OidcContext, details: Interaction, parts: InteractionParts): Promise<void> {
  await show(context, details, await pageOf(details, parts));
}

async function pageOf(details: Interaction, { provider, accounts, organizations }: InteractionParts): Promise<Page> {
  const client = nameOf(await provider.Client.find(details.params.client_id ?? ""));
  const account = accounts.byId(details.session?.accountId ?? "");
  if (details.prompt.name === "login" || account === undefined) {
    return signInPage({ client, email: details.params.login_hint });
  }
  return consentPage({
    client,
    email: account.email,
    organization: organizations.known(account.organizationId).displayName,
    staysSignedIn: scopesOf(details).includes("offline_access"),
  });
}

/** The form may lead to the client's redirect URI, by way of the issuer. */
async function show(context: OidcContext, { params }: Interaction, page: Page): Promise<void> {
  await showPage(context, page, formTarget(params.redirect_uri));
}

async function answer(step: Step, parts: InteractionParts): Promise<void> {
  const { details, form } = step;
  const action = form.get("action");
  if (action === "cancel") return await finish(step, parts, CANCELLED);
  if (action === "switch") return await switchAccount(step, parts);
  if (details.prompt.name === "login") return await signIn(step, parts);
  if (action === "allow") return await consent(step, parts);
  await ask(step.context, details, parts);
}

async function signIn(step: Step, parts: InteractionParts): Promise<void> {
  const { details, form } = step;
  const email = form.get("email") ?? "";
  try {
    const account = await authenticate(step, email, parts);
    if (!belongsTo(account, details.params, parts.organizations)) return await refuse(step, parts, NOT_OF_ORGANIZATION);
    if (details.session !== undefined && details.session.accountId !== account.id) await leave(details, parts);
    await finish(step, parts, { login: { accountId: account.id } });
  } catch (error) {
    if (!(error instanceof BusinessError || error instanceof RateLimitedError)) throw error;
    await refuse(step, parts, error);
  }
}

function authenticate(
  { context, form }: Step,
  email: string,
  { accounts, signIns }: InteractionParts,
): Promise<Account> {
  const attempt = { account: email, client: context.req.socket.remoteAddress };
  return signIns.attempt(attempt, () => accounts.authenticate(email, form.get("password") ?? ""));
}

async function refuse({ context, details, form }: Step, { provider }: InteractionParts, error: Error): Promise<void> {
  context.status = error instanceof RateLimitedError ? 429 : 422;
  if (error instanceof RateLimitedError) context.set({ "Retry-After": String(error.retryAfterSeconds) });
  const client = nameOf(await provider.Client.find(details.params.client_id ?? ""));
  const email = form.get("email") ?? "";
  await show(context, details, signInPage({ client, email, fault: `${error.message}.` }));
}

async function consent(step: Step, parts: InteractionParts): Promise<void> {
  const { details } = step;
  const { provider } = parts;
  const accountId = details.session?.accountId;
  const clientId = details.params.client_id;
  if (accountId === undefined || clientId === undefined) throw new Error("A consent belongs to nobody");
  const grant = new provider.Grant({ accountId, clientId });
  const scope = scopesOf(details).join(" ");
  grant.addOIDCScope(scope);
  grant.addResourceScope(PLATFORM_AUDIENCE, scope);
  await finish(step, parts, { consent: { grantId: await grant.save() } });
}

async function finish({ context }: Step, { provider }: InteractionParts, result: object): Promise<void> {
  const mergeWithLastSubmission = !("login" in result);
  const goOn = await provider.interactionResult(context.req, context.res, result, { mergeWithLastSubmission });
  context.status = 303;
  context.redirect(goOn);
}

async function switchAccount({ context, details }: Step, parts: InteractionParts): Promise<void> {
  await leave(details, parts);
  context.status = 303;
  context.redirect(details.returnTo);
}

/** Ends the session of whoever is signed in with this browser, and goes on with the sign-in. */
async function leave(details: Interaction, { provider, clock }: InteractionParts): Promise<void> {
  const session = details.session && await provider.Session.findByUid(details.session.uid);
  await session?.destroy();
  delete details.session;
  await details.save(Math.max(1, details.exp - Math.floor(clock.now() / 1000)));
}

function scopesOf({ params }: Interaction): readonly string[] {
  return (params.scope ?? "").split(" ").filter((scope) => scope !== "");
}
