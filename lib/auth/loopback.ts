import { ConfigurationError } from "../errors.ts";
import { bareHost } from "../http/host_text.ts";
import { serveHttp } from "../http/server.ts";
import type { Clock } from "../system/clock.ts";

/** A server on this machine that waits for a browser to bring the answer of an issuer. Dispose it. */
export interface CallbackServer extends AsyncDisposable {
  /** The parameters of the one request that names the right `state`. Rejects with the signal's reason. */
  readonly answer: Promise<URLSearchParams>;
  /** Shows the browser how the sign-in went; it waits for that. */
  finish(isSignedIn: boolean): void;
}

/** What a callback server needs to know. */
export interface CallbackOptions {
  /** http on this machine, with a port. */
  readonly redirectUri: URL;
  readonly state: string;
  readonly clock: Clock;
}

const PORT_ATTEMPTS = 10;
const PORT_BASE_DELAY_MS = 100;
const PORT_MAX_DELAY_MS = 1_000;
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "connection": "close",
};

/**
 * Listens at the redirect address. Whatever is not the answer that is waited for (another path, another method, a wrong or
 * missing `state`) gets an error of its own and changes nothing.
 * @param signal ends the wait
 * @returns `undefined` when another program has the port, after ten tries within about six seconds
 * @see RFC 8252, 7.3 and 8.3
 */
export async function listenForCallback(
  options: CallbackOptions,
  signal: AbortSignal,
): Promise<CallbackServer | undefined> {
  for (let attempt = 1;; attempt++) {
    try {
      return await listen(options, signal);
    } catch (error) {
      if (!isPortTaken(error)) throw error;
      if (attempt >= PORT_ATTEMPTS) return undefined;
      await options.clock.sleep(Math.min(PORT_BASE_DELAY_MS * 2 ** (attempt - 1), PORT_MAX_DELAY_MS), signal);
    }
  }
}

async function listen({ redirectUri, state, clock }: CallbackOptions, signal: AbortSignal): Promise<CallbackServer> {
  const answer = Promise.withResolvers<URLSearchParams>();
  const finished = Promise.withResolvers<boolean>();
  const listening = Promise.withResolvers<void>();
  const stop = new AbortController();
  const served = serveHttp(
    {
      host: callbackHost(redirectUri),
      port: Number(redirectUri.port),
      clock,
      handlerAt: () => async (request) => {
        const refused = refusalOf(request, redirectUri, state);
        if (refused !== undefined) return refused;
        answer.resolve(new URL(request.url).searchParams);
        return page(await finished.promise);
      },
    },
    stop.signal,
    () => listening.resolve(),
  );
  await Promise.race([listening.promise, served]);
  const abandon = () => answer.reject(signal.reason);
  signal.addEventListener("abort", abandon, { once: true });
  if (signal.aborted) abandon();
  answer.promise.catch(() => {}); // told to whoever waits for it
  return {
    answer: answer.promise,
    finish: (isSignedIn) => finished.resolve(isSignedIn),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener("abort", abandon);
      finished.resolve(false);
      stop.abort();
      await served;
    },
  };
}

/** Where a redirect address is listened on: by number, since `localhost` may stand for two of them. */
export function callbackHost({ hostname }: URL): string {
  return hostname === "localhost" ? "127.0.0.1" : bareHost(hostname);
}

function refusalOf(request: Request, redirectUri: URL, state: string): Response | undefined {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname !== redirectUri.pathname) return refusal(404, "There is nothing here.");
  if (request.method !== "GET") return refusal(405, "This address takes nothing.");
  const isOurs = searchParams.getAll("state").length === 1 && searchParams.get("state") === state;
  return isOurs ? undefined : refusal(400, "This is not the answer to the sign-in that was started here.");
}

function refusal(status: number, sentence: string): Response {
  return new Response(document("Not this way", sentence), { status, headers: PAGE_HEADERS });
}

function page(isSignedIn: boolean): Response {
  return isSignedIn
    ? new Response(document("Signed in", "You can close this window."), { headers: PAGE_HEADERS })
    : new Response(document("Not signed in", "The program where you started says why."), {
      status: 400,
      headers: PAGE_HEADERS,
    });
}

function document(title: string, sentence: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<link rel="icon" href="data:,"><style>body{font:1.1em system-ui;margin:20vh auto;max-width:30em;text-align:center}</style></head>
<body><h1>${title}</h1><p>${sentence}</p></body></html>
`;
}

function isPortTaken(error: unknown): boolean {
  return error instanceof ConfigurationError && error.cause instanceof Deno.errors.AddrInUse;
}
