import { lookup } from "node:dns/promises";
import { InterruptedError, TallyError, TooLargeError, UnavailableError } from "../../lib/errors.ts";
import { mayConnect } from "../../lib/http/address_guard.ts";
import { type HttpAnswer, httpClient } from "../../lib/http/client.ts";
import { bareHost } from "../../lib/http/host_text.ts";
import { withRetry } from "../../lib/http/retry.ts";
import { type ByteStream, watched } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { FetchInput } from "./input_source.ts";
import { ItemInputError } from "./processor.ts";

/** What may be fetched. */
export interface FetchRules {
  /** Whether inputs may come from this machine and private networks. */
  readonly allowPrivate: boolean;
  readonly limitBytes: number;
  readonly clock: Clock;
}

const REDIRECT_LIMIT = 5;
const REFUSED = "INPUT.ADDRESS_REFUSED";
const NOT_FETCHED = "INPUT.NOT_FETCHED";
/** The server is overloaded, or is being replaced. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/**
 * Gets inputs over HTTP and HTTPS. Each host, also one that a redirect leads to, is resolved first, and the connection goes to
 * the very address that was found to be allowed. Proxies of the environment are not used. A server that is away for a moment is asked again.
 */
export function inputFetch(rules: FetchRules): FetchInput {
  return async (url, signal) => {
    try {
      const { headers, body } = await withRetry(() => follow(url, signal, rules), { clock: rules.clock, signal });
      const declared = Number(headers.get("content-length") ?? 0);
      if (declared <= rules.limitBytes) return limited(body, rules.limitBytes);
      await body.cancel();
      throw tooLarge(rules.limitBytes);
    } catch (error) {
      throw told(error);
    }
  };
}

async function follow(first: URL, signal: AbortSignal, rules: FetchRules): Promise<HttpAnswer> {
  let url = first;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const address = await allowedAddress(url, rules);
    const answer = await httpClient("input server", { address })(url, { redirects: "answer", signal });
    if (answer.status === 200) return answer;
    await answer.body.cancel();
    if (PASSING_STATUSES.has(answer.status)) {
      throw new UnavailableError(
        "input server",
        `The input server at ${url.host} answers with status ${answer.status}`,
      );
    }
    const location = answer.headers.get("location");
    if (answer.status < 300 || answer.status >= 400 || location === null || !URL.canParse(location, url)) {
      throw new ItemInputError(
        NOT_FETCHED,
        `The input cannot be read: its server answers with status ${answer.status}`,
      );
    }
    url = new URL(location, url);
  }
  throw new ItemInputError(
    NOT_FETCHED,
    `The input cannot be read: its server redirects more than ${REDIRECT_LIMIT} times`,
  );
}

async function allowedAddress({ protocol, username, password, hostname }: URL, rules: FetchRules): Promise<string> {
  if (protocol !== "http:" && protocol !== "https:") {
    throw new ItemInputError(REFUSED, "The URL of an input must be one of http or https");
  }
  if (username !== "" || password !== "") throw new ItemInputError(REFUSED, "The URL of an input must not name a user");
  const addresses = await addressesOf(bareHost(hostname));
  const [address] = addresses;
  if (address === undefined) throw new ItemInputError(NOT_FETCHED, "The input cannot be read: its server is unknown");
  if (addresses.every((each) => mayConnect(each, rules.allowPrivate ? "loopback" : "public"))) return address;
  throw new ItemInputError(REFUSED, "The server of the input is at an address that inputs are not read from");
}

async function addressesOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}

function limited(body: ByteStream, limitBytes: number): ByteStream {
  let sizeBytes = 0;
  return watched(body, {
    look({ byteLength }) {
      sizeBytes += byteLength;
      if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
    },
  });
}

function tooLarge(limitBytes: number): ItemInputError {
  return new ItemInputError("INPUT.TOO_LARGE", `The input is larger than ${limitBytes} bytes`);
}

function told(error: unknown): unknown {
  const isOurs = error instanceof ItemInputError || error instanceof InterruptedError;
  if (isOurs || !(error instanceof TallyError) || error instanceof TooLargeError) return error;
  return new ItemInputError(NOT_FETCHED, "The input cannot be read: its server does not answer as it should", {
    cause: error,
  });
}
