import { z } from "zod";
import { instant, orNull } from "./wire.ts";

/** The person or machine that a token stands for. */
export interface UserData {
  /** Never changes, and equals `submitted_by` of own runs. */
  readonly id: string;
  /** Address of the account. */
  readonly email: string | null;
  /** Whether the address was confirmed. */
  readonly email_verified: boolean | null;
  /** Full name. */
  readonly name: string | null;
  /** First name. */
  readonly given_name: string | null;
  /** Last name. */
  readonly family_name: string | null;
  /** Short name. */
  readonly nickname: string | null;
  /** Address of a picture. */
  readonly picture: string | null;
  /** When the account was changed last. */
  readonly updated_at: string | null;
}

/** The organisation of a user, with storage credentials that are alive: mask them before you show them. */
export interface OrganizationData {
  /** Never changes. */
  readonly id: string;
  /** Short name. */
  readonly name: string | null;
  /** Name for people. */
  readonly display_name: string | null;
  /** Key id of the organisation's bucket. */
  readonly aignostics_bucket_hmac_access_key_id: string;
  /** Secret key of the organisation's bucket. */
  readonly aignostics_bucket_hmac_secret_access_key: string;
  /** The organisation's bucket. */
  readonly aignostics_bucket_name: string;
  /** `gs` */
  readonly aignostics_bucket_protocol: string;
  /** Token of the platform's log service. */
  readonly aignostics_logfire_token: string;
  /** Address with a key of the platform's error service. */
  readonly aignostics_sentry_dsn: string;
}

/** Answer of `GET /me`. */
export interface Me {
  /** Who asks. */
  readonly user: UserData;
  /** To which organisation they belong. */
  readonly organization: OrganizationData;
}

const user: z.ZodType<UserData> = z.object({
  id: z.string(),
  email: orNull(z.string()),
  email_verified: orNull(z.boolean()),
  name: orNull(z.string()),
  given_name: orNull(z.string()),
  family_name: orNull(z.string()),
  nickname: orNull(z.string()),
  picture: orNull(z.string()),
  updated_at: orNull(instant),
});

const organization: z.ZodType<OrganizationData> = z.object({
  id: z.string(),
  name: orNull(z.string()),
  display_name: orNull(z.string()),
  aignostics_bucket_hmac_access_key_id: z.string(),
  aignostics_bucket_hmac_secret_access_key: z.string(),
  aignostics_bucket_name: z.string(),
  aignostics_bucket_protocol: z.string(),
  aignostics_logfire_token: z.string(),
  aignostics_sentry_dsn: z.string(),
});

/** Answer of `GET /me`. */
export const meAnswer: z.ZodType<Me> = z.object({ user, organization });
