import { z } from "zod";
import { instant, required, type Word, word } from "./wire.ts";

/** Who something is shared with. */
export type SubjectType = Word<"user" | "organization_admin" | "organization_user" | "share_token">;

/** What is shared. */
export type ResourceType = Word<"run" | "item" | "output_artifact" | "share_token">;

/** What they may do; only `viewer` can be given. */
export type Relation = Word<"owner" | "editor" | "viewer">;

/** A right that somebody was given. */
export interface GrantData {
  /** UUID. */
  readonly grant_id: string;
  /** What kind of thing is shared. */
  readonly resource_type: ResourceType;
  /** UUID of what is shared. */
  readonly resource_id: string;
  /** Who it is shared with. */
  readonly subject_type: SubjectType;
  /** Their id. */
  readonly subject_id: string;
  /** What they may do. */
  readonly relation: Relation;
  /** Who gave it. */
  readonly created_by: string;
  /** When it was given. */
  readonly created_at: string;
  /** Whether it was taken back. */
  readonly revoked: boolean;
}

/** A share token, without its secret. */
export interface ShareTokenData {
  /** UUID; the subject of grants. */
  readonly share_token_id: string;
  /** When it was made. */
  readonly created_at: string;
  /** When it ends by itself. */
  readonly expires_at: string | null;
  /** Whether it was taken back. */
  readonly revoked: boolean;
}

/** A share token that was just made. */
export interface NewShareToken extends ShareTokenData {
  /** The secret; it is shown this once. */
  readonly share_token: string;
}

/** Answer of `GET /access/grants/{grant_id}`. */
export const grantAnswer: z.ZodType<GrantData> = z.object({
  grant_id: z.string(),
  resource_type: word<"run" | "item" | "output_artifact" | "share_token">(),
  resource_id: z.string(),
  subject_type: word<"user" | "organization_admin" | "organization_user" | "share_token">(),
  subject_id: z.string(),
  relation: word<"owner" | "editor" | "viewer">(),
  created_by: z.string(),
  created_at: instant,
  revoked: z.boolean(),
});

/** Answer of `GET /access/grants`. */
export const grantsAnswer: z.ZodType<GrantData[]> = z.array(grantAnswer);

const SHARE_TOKEN = {
  share_token_id: z.string(),
  created_at: instant,
  expires_at: required(instant),
  revoked: z.boolean(),
};

/** Answer of `GET /access/share-tokens/{share_token_id}`. */
export const shareTokenAnswer: z.ZodType<ShareTokenData> = z.object(SHARE_TOKEN);

/** Answer of `GET /access/share-tokens`. */
export const shareTokensAnswer: z.ZodType<ShareTokenData[]> = z.array(shareTokenAnswer);

/** Answer of `POST /access/share-tokens`. */
export const newShareTokenAnswer: z.ZodType<NewShareToken> = z.object({ ...SHARE_TOKEN, share_token: z.string() });
