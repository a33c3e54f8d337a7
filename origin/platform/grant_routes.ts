import { type Context, Hono } from "hono";
import { z } from "zod";
import { ConflictError, NotAllowedError, NotFoundError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";
import { isAdministrator, type RunAccess } from "./access.ts";
import type { PlatformCaller, PlatformDirectory, PlatformEnv } from "./caller.ts";
import { invalid } from "./problems.ts";
import {
  booleanParameter,
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

/** What the routes of grants need. */
export interface GrantRoutesDeps {
  readonly state: State;
  readonly access: RunAccess;
  readonly directory: PlatformDirectory;
  readonly clock: Clock;
}

const resourceType = z.enum(["run", "item", "output_artifact", "share_token"]);
const subjectType = z.enum(["user", "organization_admin", "organization_user", "share_token"]);
const relation = z.enum(["owner", "editor", "viewer"]);

const grantRequest = z.object({
  resource_type: resourceType,
  resource_id: uuid,
  subject_type: subjectType,
  subject_id: z.string().nullish(),
  subject_email: z.string().nullish(),
  relation,
});
type GrantRequest = z.output<typeof grantRequest>;

const listQuery = z.object({
  resource_type: resourceType.optional(),
  resource_id: uuid.optional(),
  subject_type: subjectType.optional(),
  subject_id: z.string().optional(),
  relation: z.array(relation).optional(),
  revoked: booleanParameter.optional(),
  page: pageParameter,
  page_size: pageSizeParameter,
  sort: z.array(z.string()).default([]),
});

const COLUMNS: Readonly<Record<string, string>> = {
  grant_id: "grant_id",
  resource_type: "resource_type",
  resource_id: "resource_id",
  subject_type: "subject_type",
  subject_id: "subject_id",
  relation: "relation",
  created_by: "created_by",
  created_at: "created_ms",
  revoked: "revoked_ms",
};

/**
 * Grants: who else may see a run. Only runs are shared, and only for viewing. Whoever submitted the run shares it, and so may
 * the administrators of its organisation.
 */
export function grantRoutes({ state, access, directory, clock }: GrantRoutesDeps): Hono<PlatformEnv> {
  return new Hono<PlatformEnv>()
    .post("/access/grants", async (c) => {
      const request = await readBody(c, grantRequest);
      if (request.relation !== "viewer") throw invalid("body", "relation", "Only viewer grants can be created");
      if (request.resource_type !== "run") throw invalid("body", "resource_type", "Only runs can be shared");
      const run = access.shared(request.resource_id, c.get("caller"));
      const subjectId = subjectOf(request, c.get("caller"));
      return c.json(grantView(insert(request, subjectId, run, c.get("caller"))), 201);
    })
    .get("/access/grants", (c) => c.json(list(readQuery(c, listQuery), c.get("caller")).map(grantView)))
    .get("/access/grants/:grant", (c) => c.json(grantView(ownGrant(c))))
    .delete("/access/grants/:grant", (c) => {
      const { grant_id: grantId, revoked_ms: revokedMs } = ownGrant(c);
      if (revokedMs !== null) throw new ConflictError("The grant is already revoked");
      state.run("UPDATE platform_grants SET revoked_ms = ? WHERE grant_id = ?", clock.now(), grantId ?? null);
      return c.json(grantView(ownGrant(c)));
    });

  function subjectOf({ subject_type, subject_id, subject_email }: GrantRequest, caller: PlatformCaller): string {
    if (subject_type === "user" && typeof subject_email === "string") {
      const userId = directory.userId(subject_email);
      if (userId === undefined) throw new NotFoundError("There is no user with this e-mail address");
      return userId;
    }
    if (typeof subject_id !== "string" || subject_id === "") {
      if (subject_type === "user" || subject_type === "share_token") {
        throw invalid("body", "subject_id", "The subject of the grant is missing");
      }
      return caller.organizationId;
    }
    if (subject_type === "share_token" && !isOwnToken(subject_id, caller)) {
      throw new NotFoundError("Share token not found");
    }
    return subject_id;
  }

  function isOwnToken(shareTokenId: string, { userId }: PlatformCaller): boolean {
    return state.get(
      "SELECT 1 FROM platform_share_tokens WHERE share_token_id = ? AND created_by = ?",
      shareTokenId,
      userId,
    ) !== undefined;
  }

  /** The same grant is given once. */
  function insert(request: GrantRequest, subjectId: string, run: Row, { userId }: PlatformCaller): Row {
    return state.transaction(() => {
      const present = state.get(
        `SELECT * FROM platform_grants WHERE resource_type = ? AND resource_id = ? AND subject_type = ? AND subject_id = ?
           AND relation = ? AND revoked_ms IS NULL`,
        request.resource_type,
        request.resource_id,
        request.subject_type,
        subjectId,
        request.relation,
      );
      if (present !== undefined) return present;
      const grantId = crypto.randomUUID();
      state.run(
        "INSERT INTO platform_grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        grantId,
        request.resource_type,
        request.resource_id,
        request.subject_type,
        subjectId,
        request.relation,
        userId,
        run.organization_id ?? null,
        clock.now(),
      );
      return knownGrant(grantId);
    });
  }

  function list(query: z.output<typeof listQuery>, { userId, organizationId, role }: PlatformCaller): Row[] {
    const { limit, offset } = sliceOf(query.page, query.page_size);
    const order = orderBy(query.sort, COLUMNS, "created_ms DESC, grant_id");
    return state.all(
      `SELECT * FROM platform_grants g WHERE resource_type = coalesce(?1, resource_type)
         AND resource_id = coalesce(?2, resource_id) AND subject_type = coalesce(?3, subject_type)
         AND subject_id = coalesce(?4, subject_id)
         AND (?5 IS NULL OR relation IN (SELECT value FROM json_each(?5)))
         AND (?6 IS NULL OR (revoked_ms IS NOT NULL) = ?6)
         AND (?7 OR organization_id = ?8 OR created_by = ?9
           OR EXISTS (SELECT 1 FROM platform_runs r WHERE r.run_id = g.resource_id AND r.submitted_by = ?9))
       ORDER BY ${order} LIMIT ?10 OFFSET ?11`,
      query.resource_type ?? null,
      query.resource_id ?? null,
      query.subject_type ?? null,
      query.subject_id ?? null,
      query.relation === undefined ? null : JSON.stringify(query.relation),
      query.revoked === undefined ? null : Number(query.revoked),
      role === "super_admin" ? 1 : 0,
      role === "admin" ? organizationId : null,
      userId,
      limit,
      offset,
    );
  }

  /** @throws {NotFoundError} {NotAllowedError} */
  function ownGrant(c: Context<PlatformEnv>): Row {
    const caller = c.get("caller");
    const grant = knownGrant(pathUuid(c, "grant"));
    if (grant.created_by === caller.userId || isAdministrator(caller, String(grant.organization_id))) return grant;
    const run = state.get("SELECT submitted_by FROM platform_runs WHERE run_id = ?", grant.resource_id ?? null);
    if (run?.submitted_by === caller.userId) return grant;
    throw new NotAllowedError("You do not have permission to view this grant");
  }

  function knownGrant(grantId: string): Row {
    const grant = state.get("SELECT * FROM platform_grants WHERE grant_id = ?", grantId);
    if (grant === undefined) throw new NotFoundError("Grant not found");
    return grant;
  }
}

function grantView(grant: Row) {
  return {
    grant_id: String(grant.grant_id),
    resource_type: String(grant.resource_type),
    resource_id: String(grant.resource_id),
    subject_type: String(grant.subject_type),
    subject_id: String(grant.subject_id),
    relation: String(grant.relation),
    created_by: String(grant.created_by),
    created_at: instant(grant.created_ms),
    revoked: grant.revoked_ms !== null,
  };
}
