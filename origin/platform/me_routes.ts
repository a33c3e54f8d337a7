import { Hono } from "hono";
import { NotFoundError } from "../../lib/errors.ts";
import type { PlatformCaller, PlatformDirectory, PlatformEnv } from "./caller.ts";

/** `GET /me`: who calls, and for which organisation. */
export function meRoutes({ directory }: { readonly directory: PlatformDirectory }): Hono<PlatformEnv> {
  return new Hono<PlatformEnv>().get("/me", (c) => {
    const { organizationId } = c.get("caller");
    const organization = directory.organization(organizationId);
    if (organization === undefined) throw new NotFoundError("The organization of this token is gone");
    const { services } = organization;
    c.header("Cache-Control", "no-store");
    return c.json({
      user: userView(c.get("caller")),
      organization: {
        id: organization.id,
        name: organization.name,
        display_name: organization.displayName,
        aignostics_bucket_hmac_access_key_id: services.bucketHmacAccessKeyId,
        aignostics_bucket_hmac_secret_access_key: services.bucketHmacSecretAccessKey,
        aignostics_bucket_name: services.bucketName,
        aignostics_bucket_protocol: services.bucketProtocol,
        aignostics_logfire_token: services.logfireToken,
        aignostics_sentry_dsn: services.sentryDsn,
      },
    });
  });
}

function userView({ userId, email, emailVerified, givenName, familyName }: PlatformCaller) {
  const name = [givenName, familyName].filter((part) => part !== undefined).join(" ");
  return {
    id: userId,
    email,
    email_verified: emailVerified,
    name: name === "" ? email : name,
    given_name: givenName ?? null,
    family_name: familyName ?? null,
    nickname: email.split("@")[0] ?? null,
    picture: null,
    updated_at: null,
  };
}
