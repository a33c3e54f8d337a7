import * as oauth from "oauth4webapi";
import { ConfigurationError, NotSignedInError } from "../errors.ts";
import { isTransient } from "../http/retry.ts";
import type { SignInRequest } from "./browser_flow.ts";
import type { Issuer } from "./issuer.ts";
import { callIssuer, type OAuthDeps } from "./oauth_call.ts";
import { grantOf, type TokenGrant } from "./token_grant.ts";

/** What a person has to do on another device. */
export interface DevicePrompt {
  /** The code to confirm. */
  readonly userCode: string;
  /** With the code in it where the issuer offers that, else the page that asks for it. */
  readonly verificationUrl: string;
  /** How long the code is good. */
  readonly expiresInMs: number;
}

/** How a device flow reaches a person. */
export interface DeviceFlowDeps extends OAuthDeps {
  readonly showPrompt: (prompt: DevicePrompt) => void;
}

const DEFAULT_INTERVAL_SECONDS = 5;
const SLOW_DOWN_SECONDS = 5;
const LONGEST_INTERVAL_SECONDS = 60;
/** No longer wait is believed, whatever an issuer says: a timer that is longer than 25 days would not wait at all. */
const LIFETIME_LIMIT_SECONDS = 3600;

/**
 * Signs in by a code that a person confirms in a browser anywhere. The issuer's interval is kept, `slow_down` adds five
 * seconds, and an issuer that is away for a moment is asked at twice the interval.
 * @throws {NotSignedInError} refused, or the code has expired; {ConfigurationError} no client is set for this flow
 * @see RFC 8628
 */
export async function signInWithDevice(
  issuer: Issuer,
  request: SignInRequest,
  deps: DeviceFlowDeps,
  signal: AbortSignal,
): Promise<TokenGrant> {
  const client = { client_id: deviceClient(issuer) };
  const started = await start(issuer, client, request, deps, signal);
  const expiresInMs = Math.min(started.expires_in, LIFETIME_LIMIT_SECONDS) * 1000;
  const expiresAtMs = deps.clock.now() + expiresInMs;
  deps.showPrompt({
    userCode: started.user_code,
    verificationUrl: started.verification_uri_complete ?? started.verification_uri,
    expiresInMs,
  });
  let intervalSeconds = Math.min(started.interval ?? DEFAULT_INTERVAL_SECONDS, LIFETIME_LIMIT_SECONDS);
  for (;;) {
    await deps.clock.sleep(intervalSeconds * 1000, signal);
    if (deps.clock.now() >= expiresAtMs) throw expired();
    const polled = await poll(issuer, client, started.device_code, deps, signal);
    if (typeof polled !== "string") return polled;
    if (polled === "slow_down") intervalSeconds += SLOW_DOWN_SECONDS;
    if (polled === "away") intervalSeconds = Math.min(intervalSeconds * 2, LONGEST_INTERVAL_SECONDS);
  }
}

function deviceClient({ server, clientIdDevice }: Issuer): string {
  if (clientIdDevice === undefined) {
    throw new ConfigurationError(["AIGNOSTICS_CLIENT_ID_DEVICE is not set: a sign-in without a browser needs it"]);
  }
  if (server.device_authorization_endpoint === undefined) {
    throw new ConfigurationError(["AIGNOSTICS_DEVICE_URL is not set: a sign-in without a browser needs it"]);
  }
  return clientIdDevice;
}

async function start(
  { server, audience }: Issuer,
  client: oauth.Client,
  { scopes, organizationId }: SignInRequest,
  deps: OAuthDeps,
  signal: AbortSignal,
): Promise<oauth.DeviceAuthorizationResponse> {
  const parameters = {
    scope: scopes.join(" "),
    audience,
    ...(organizationId === undefined ? {} : { organization: organizationId }),
  };
  return await callIssuer(deps, signal, async (options) => {
    const answer = await oauth.deviceAuthorizationRequest(server, client, oauth.None(), parameters, options);
    return await oauth.processDeviceAuthorizationResponse(server, client, answer);
  });
}

type Polled = TokenGrant | "pending" | "slow_down" | "away";

async function poll(
  { server }: Issuer,
  client: oauth.Client,
  deviceCode: string,
  deps: OAuthDeps,
  signal: AbortSignal,
): Promise<Polled> {
  try {
    return await callIssuer({ ...deps, retry: { ...deps.retry, attempts: 1 } }, signal, async (options) => {
      const answer = await oauth.deviceCodeGrantRequest(server, client, oauth.None(), deviceCode, options);
      return await processPoll(server, client, answer);
    });
  } catch (error) {
    if (isTransient(error)) return "away";
    throw error;
  }
}

async function processPoll(server: oauth.AuthorizationServer, client: oauth.Client, answer: Response): Promise<Polled> {
  try {
    return grantOf(await oauth.processDeviceCodeResponse(server, client, answer), client.client_id);
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    if (error.error === "authorization_pending") return "pending";
    if (error.error === "slow_down") return "slow_down";
    if (error.error === "expired_token") throw expired();
    throw error;
  }
}

function expired(): NotSignedInError {
  return new NotSignedInError("Cannot sign in: the code has expired before it was confirmed");
}
