import { SignInLimit } from "../../lib/auth/sign_in_limit.ts";
import { RateLimitedError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { ISSUER_ROUTES } from "./configuration.ts";
import { showPage, UNKNOWN_CODE_STATUS } from "./device_pages.ts";
import type { OidcContext } from "./library.ts";
import { faultPage } from "./pages.ts";

/** Wrong codes a minute from one address. Many people may stand behind one: that of a proxy. */
const GUESSES_PER_CLIENT = 100;
/** The code is no account: whoever guesses takes another one each time. */
const NO_ACCOUNT = "";

/** A guess that went wrong; its page has been shown. */
class WrongCode extends Error {}

/**
 * A middleware that slows down who guesses the codes of devices, by the address that the guesses come from.
 * @see RFC 8628, 5.1
 */
export function limitCodes(clock: Clock) {
  const allowance = { failuresPerAccount: Infinity, failuresPerClient: GUESSES_PER_CLIENT, callsPerClient: Infinity };
  const limit = new SignInLimit(allowance, (error) => error instanceof WrongCode, clock);
  return async (context: OidcContext, next: () => Promise<void>): Promise<void> => {
    if (context.method !== "POST" || context.path !== ISSUER_ROUTES.code_verification) return await next();
    const guess = async () => {
      await next();
      if (context.status === UNKNOWN_CODE_STATUS) throw new WrongCode();
    };
    try {
      await limit.attempt({ account: NO_ACCOUNT, client: context.req.socket.remoteAddress }, guess);
    } catch (error) {
      if (error instanceof RateLimitedError) await refuse(context, error);
      else if (!(error instanceof WrongCode)) throw error;
    }
  };
}

async function refuse(context: OidcContext, { retryAfterSeconds }: RateLimitedError): Promise<void> {
  context.status = 429;
  context.set({ "Retry-After": String(retryAfterSeconds) });
  await showPage(context, faultPage(`Too many wrong codes came from here: try again in ${retryAfterSeconds} s.`));
}
