import * as oauth from "oauth4webapi";
import {
  ConfigurationError,
  messageOf,
  NotSignedInError,
  TallyError,
  TooLargeError,
  UnavailableError,
  UpstreamError,
} from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { isLoopback } from "../http/loopback.ts";
import { type RetryPolicy, withRetry } from "../http/retry.ts";
import { collect } from "../streams.ts";
import type { Clock } from "../system/clock.ts";

/** What every call to an issuer needs. */
export interface OAuthDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
}

/** What `oauth4webapi` sends a request with: our own client, and our own rule of https. */
export interface CallOptions {
  readonly signal: AbortSignal;
  readonly [oauth.customFetch]: (url: string, request: SentRequest) => Promise<Response>;
  /** Plain http is for this machine only, and the fetch below looks after that. */
  readonly [oauth.allowInsecureRequests]: true;
}

interface SentRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

const ANSWER_LIMIT_BYTES = 256 * 1024;
const DESCRIPTION_LIMIT = 200;
/** Errors that no other user and no second try would change. @see RFC 6749, 5.2 */
const SETTING_ERRORS: ReadonlySet<string> = new Set([
  ...["invalid_client", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type", "invalid_scope"],
  "invalid_request",
]);

/**
 * Runs one call to the issuer, and repeats it while the network or the issuer fails.
 * @throws {NotSignedInError} the issuer refuses; {ConfigurationError} it does not know the client or the scope;
 * {UnavailableError}, {UpstreamTimeoutError} it is away; {UpstreamError} it answers with something else
 */
export async function callIssuer<T>(
  { http, clock, retry, timeoutMs }: OAuthDeps,
  signal: AbortSignal,
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const options: CallOptions = {
    signal,
    [oauth.customFetch]: (url, request) => send(http, new URL(url), request, { signal, timeoutMs }),
    [oauth.allowInsecureRequests]: true,
  };
  try {
    return await withRetry(() => call(options), { policy: retry, clock, signal });
  } catch (error) {
    throw translateOAuth(error);
  }
}

async function send(
  http: HttpClient,
  url: URL,
  { method, headers, body }: SentRequest,
  limits: { signal: AbortSignal; timeoutMs: number },
): Promise<Response> {
  if (url.protocol !== "https:" && !isLoopback(url.hostname)) {
    throw new ConfigurationError([`The issuer at ${url.host} must be called by https`]);
  }
  const answer = await http(url, {
    method: method === "POST" ? "POST" : "GET",
    headers,
    ...(body === undefined ? {} : { body: String(body) }),
    ...limits,
  });
  const bytes = await collect(answer.body, ANSWER_LIMIT_BYTES, `The answer of the issuer at ${url.host}`);
  if (answer.status >= 500) {
    throw new UnavailableError("issuer", `The issuer at ${url.host} answers with status ${answer.status}`);
  }
  return new Response(bytes, { status: answer.status === 204 ? 200 : answer.status, headers: answer.headers });
}

/** An error of `oauth4webapi` in our terms; ours stay what they are. */
export function translateOAuth(error: unknown): unknown {
  if (error instanceof TooLargeError) return new UpstreamError("issuer", error.message);
  if (error instanceof TallyError) return error;
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
    return refusal(error.error, error.error_description);
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return refusal(`status ${error.status}`, undefined);
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    return new UpstreamError("issuer", `The issuer's answer is not one of OAuth: ${messageOf(error)}`);
  }
  if (error instanceof TypeError) { // the library stumbles over values of other types than it awaits
    return new UpstreamError("issuer", "The issuer's answer is not one of OAuth", { cause: error });
  }
  return error;
}

/** @param description as the issuer wrote it: it need not be a text */
function refusal(code: string, description: unknown): TallyError {
  const told = typeof description === "string" ? ` (${harmless(description)})` : "";
  const sentence = `The issuer refuses the sign-in: "${harmless(code)}"${told}`;
  return SETTING_ERRORS.has(code) ? new ConfigurationError([sentence]) : new NotSignedInError(sentence);
}

/** Short, and without anything that could be a token. */
function harmless(text: string): string {
  return text.slice(0, DESCRIPTION_LIMIT).replaceAll(/[\w.~+\/-]{40,}/g, "…");
}
