import { type Context, Hono } from "hono";
import { z } from "zod";
import { ConflictError, NotAllowedError, NotFoundError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";
import { shareTokenDigest } from "./access.ts";
import type { PlatformEnv } from "./caller.ts";
import {
  booleanParameter,
  dateTime,
  orderBy,
  pageParameter,
  pageSizeParameter,
  pathUuid,
  readBody,
  readQuery,
  sliceOf,
  uuid,
} from "./request.ts";
import { instant } from "./run_view.ts";

const TOKEN_BYTES = 32;

const tokenRequest = z.object({ expires_at: dateTime.nullish() });
const listQuery = z.object({
  run_id: uuid.optional(),
  created_by: z.string().optional(),
  revoked: booleanParameter.optional(),
  page: pageParameter,
  page_size: pageSizeParameter,
  sort: z.array(z.string()).default([]),
});

const COLUMNS: Readonly<Record<string, string>> = {
  share_token_id: "share_token_id",
  created_by: "created_by",
  created_at: "created_ms",
  expires_at: "expires_ms",
  revoked: "revoked_ms",
};

/** Share tokens: whoever holds one sees the runs that it was granted. Only its digest is stored. */
export function shareTokenRoutes(
  { state, clock }: { readonly state: State; readonly clock: Clock },
): Hono<PlatformEnv> {
  return new Hono<PlatformEnv>()
    .post("/access/share-tokens", async (c) => {
      const { expires_at: expiresMs } = await readBody(c, tokenRequest);
      const shareToken = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      });
      const shareTokenId = crypto.randomUUID();
      state.run(
        "INSERT INTO platform_share_tokens VALUES (?, ?, ?, ?, ?, NULL)",
        shareTokenId,
        shareTokenDigest(shareToken),
        c.get("caller").userId,
        clock.now(),
        expiresMs ?? null,
      );
      c.header("Cache-Control", "no-store");
      return c.json({ ...tokenView(knownToken(shareTokenId)), share_token: shareToken }, 201);
    })
    .get("/access/share-tokens", (c) => {
      const { userId, role } = c.get("caller");
      const query = readQuery(c, listQuery);
      const { limit, offset } = sliceOf(query.page, query.page_size);
      const order = orderBy(query.sort, COLUMNS, "created_ms DESC, share_token_id");
      const rows = state.all(
        `SELECT * FROM platform_share_tokens t WHERE created_by = coalesce(?1, created_by)
           AND (?2 IS NULL OR (revoked_ms IS NOT NULL) = ?2)
           AND (?3 IS NULL OR EXISTS (SELECT 1 FROM platform_grants g WHERE g.subject_type = 'share_token'
             AND g.subject_id = t.share_token_id AND g.resource_type = 'run' AND g.resource_id = ?3))
           AND (?4 OR created_by = ?5)
         ORDER BY ${order} LIMIT ?6 OFFSET ?7`,
        query.created_by ?? null,
        query.revoked === undefined ? null : Number(query.revoked),
        query.run_id ?? null,
        role === "super_admin" ? 1 : 0,
        userId,
        limit,
        offset,
      );
      return c.json(rows.map(tokenView));
    })
    .get("/access/share-tokens/:token", (c) => c.json(tokenView(ownToken(c))))
    .delete("/access/share-tokens/:token", (c) => {
      const { share_token_id: shareTokenId, revoked_ms: revokedMs } = ownToken(c);
      if (revokedMs !== null) throw new ConflictError("The share token is already revoked");
      state.run(
        "UPDATE platform_share_tokens SET revoked_ms = ? WHERE share_token_id = ?",
        clock.now(),
        shareTokenId ?? null,
      );
      return c.json(tokenView(ownToken(c)));
    });

  function ownToken(c: Context<PlatformEnv>): Row {
    const { userId, role } = c.get("caller");
    const token = knownToken(pathUuid(c, "token"));
    if (token.created_by === userId || role === "super_admin") return token;
    throw new NotAllowedError("You do not have permission to view this share token");
  }

  function knownToken(shareTokenId: string): Row {
    const token = state.get("SELECT * FROM platform_share_tokens WHERE share_token_id = ?", shareTokenId);
    if (token === undefined) throw new NotFoundError("Share token not found");
    return token;
  }
}

function tokenView(token: Row) {
  return {
    share_token_id: String(token.share_token_id),
    created_at: instant(token.created_ms),
    expires_at: instant(token.expires_ms),
    revoked: token.revoked_ms !== null,
  };
}
