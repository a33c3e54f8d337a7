import { errors, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import { NotSignedInError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Account, Accounts } from "../accounts.ts";
import { PLATFORM_AUDIENCE } from "./access_claims.ts";
import { ISSUER_ALGORITHM, type IssuerKeys } from "./issuer_keys.ts";
import type { OidcRecords } from "./records.ts";

/** What decides whether an access token is accepted. */
export interface AccessTokensDeps {
  readonly keys: IssuerKeys;
  readonly records: OidcRecords;
  readonly accounts: Accounts;
  /** The only `iss`. */
  readonly issuer: string;
  readonly clock: Clock;
}

const claimsSchema = z.object({ sub: z.string(), grant_id: z.string() });

/** Accepts the access tokens of the issuer, wherever the origin itself is called. */
export class AccessTokens {
  readonly #deps: AccessTokensDeps;

  constructor(deps: AccessTokensDeps) {
    this.#deps = deps;
  }

  /**
   * The account of a token, as it stands now.
   * @throws {NotSignedInError} the token is not ours, not for the platform, has expired, its consent was revoked, or its account is
   * disabled or gone
   */
  async verify(token: string): Promise<Account> {
    const { records, accounts } = this.#deps;
    const { sub, grant_id } = claimsSchema.parse(await this.#payload(token));
    if (!records.hasGrant(grant_id)) throw new NotSignedInError("The sign-in of this token was revoked");
    const account = accounts.byId(sub);
    if (!account?.enabled) throw new NotSignedInError("The account of this token is disabled or gone");
    return account;
  }

  /** `typ` keeps ID tokens out, which are signed with the same key. @see RFC 9068, 4 */
  async #payload(token: string): Promise<JWTPayload> {
    const { keys, issuer, clock } = this.#deps;
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => keys.verifying(kid ?? ""), {
        algorithms: [ISSUER_ALGORITHM],
        typ: "at+jwt",
        issuer,
        audience: PLATFORM_AUDIENCE,
        requiredClaims: ["exp", "sub", "grant_id"],
        currentDate: new Date(clock.now()),
      });
      return payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError || error instanceof NotSignedInError)) throw error;
      throw new NotSignedInError("The token is not valid or has expired", { cause: error });
    }
  }
}
