import type { Context } from "hono";
import type { OriginEnv } from "../guard.ts";

/** What a caller may do in its organization. */
export type PlatformRole = "member" | "admin" | "super_admin";

/** Who calls the platform API, as proved by the token of the request. */
export interface PlatformCaller {
  readonly userId: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly givenName: string | undefined;
  readonly familyName: string | undefined;
  readonly organizationId: string;
  readonly role: PlatformRole;
}

/**
 * Says who sent a request.
 * @throws {NotSignedInError} no token, or one that is not ours, has expired, or whose account is disabled or gone
 */
export type Authenticate = (context: Context<PlatformEnv>) => Promise<PlatformCaller>;

/** What the platform keeps with a request. */
export interface PlatformEnv {
  Bindings: OriginEnv["Bindings"];
  Variables: OriginEnv["Variables"] & {
    /** Who calls. */
    caller: PlatformCaller;
  };
}

/** An organisation as its members see it: six settings of other systems, empty where they have none. */
export interface PlatformOrganization {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly services: {
    readonly bucketHmacAccessKeyId: string;
    readonly bucketHmacSecretAccessKey: string;
    readonly bucketName: string;
    readonly bucketProtocol: string;
    readonly logfireToken: string;
    readonly sentryDsn: string;
  };
}

/** Where users and organisations are looked up. */
export interface PlatformDirectory {
  organization(id: string): PlatformOrganization | undefined;
  /** Id of the user with this e-mail address. */
  userId(email: string): string | undefined;
}
