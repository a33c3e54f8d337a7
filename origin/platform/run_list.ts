import { z } from "zod";
import { NotAllowedError } from "../../lib/errors.ts";
import type { Row, State } from "../state.ts";
import { isAdministrator, subjectsOf } from "./access.ts";
import type { PlatformCaller } from "./caller.ts";
import type { MetadataFilters } from "./metadata_filter.ts";
import { orderBy, pageParameter, pageSizeParameter, sliceOf } from "./request.ts";

const FILTER_LIMIT_CHARACTERS = 1000;

/** A JSONPath in a query. */
export const filterParameter = z.string().max(FILTER_LIMIT_CHARACTERS).optional();

/** Parameters of `GET /runs`. */
export const runListQuery = z.object({
  application_id: z.string().optional(),
  application_version: z.string().optional(),
  external_id: z.string().optional(),
  custom_metadata: filterParameter,
  page: pageParameter,
  page_size: pageSizeParameter,
  submitted_by: z.string().optional(),
  organization_id: z.string().optional(),
  for_organization: z.string().optional(),
  sort: z.array(z.string()).default([]),
});

/** How runs are listed. */
export type RunListQuery = z.output<typeof runListQuery>;

const COLUMNS: Readonly<Record<string, string>> = {
  run_id: "run_id",
  application_id: "application_id",
  version_number: "version_number",
  custom_metadata: "custom_metadata",
  state: "state",
  submitted_at: "submitted_ms",
  submitted_by: "submitted_by",
  terminated_at: "terminated_ms",
  termination_reason: "termination_reason",
};
const NEWEST_FIRST = "submitted_ms DESC, run_id";

/** Runs that the caller may see beyond their own: of the organisations that they administer, and what was shared with them. */
const VIEWED = `(submitted_by = ?1 OR organization_id = ?2 OR ?3 OR EXISTS (
  SELECT 1 FROM platform_grants g JOIN json_each(?4) s
    ON g.subject_type = s.value ->> 0 AND g.subject_id = s.value ->> 1
  WHERE g.resource_type = 'run' AND g.resource_id = run_id AND g.revoked_ms IS NULL))`;
/** Found by an index. */
const OWN = "submitted_by = ?1";
const FILTERS = `application_id = coalesce(?5, application_id) AND version_number = coalesce(?6, version_number)
  AND submitted_by = coalesce(?7, submitted_by) AND organization_id = coalesce(?8, organization_id)
  AND (?9 IS NULL OR EXISTS (SELECT 1 FROM platform_items i WHERE i.run_id = r.run_id AND i.external_id = ?9))
  AND (?10 IS NULL OR metadata_matches(?10, custom_metadata))`;

/**
 * A page of the runs that fit: the caller's own, or, where the query names a submitter or an organisation, all that the
 * caller may see.
 * @throws {NotAllowedError} the runs of an organisation that the caller does not administer; {InvalidRequestError}
 */
export async function listRuns(
  { state, filters }: { readonly state: State; readonly filters: MetadataFilters },
  query: RunListQuery,
  caller: PlatformCaller,
): Promise<Row[]> {
  const { for_organization: ofOrganization, submitted_by: submitter, organization_id: organizationId } = query;
  if (ofOrganization !== undefined && !isAdministrator(caller, ofOrganization)) {
    throw new NotAllowedError("Only administrators may list the runs of their organization");
  }
  const isWide = [ofOrganization, submitter, organizationId].some((value) => value !== undefined);
  const order = orderBy(query.sort, COLUMNS, NEWEST_FIRST);
  const { limit, offset } = sliceOf(query.page, query.page_size);
  using filter = await filters.open(query.custom_metadata);
  return filter.run(() =>
    state.all(
      `SELECT * FROM platform_runs r WHERE ${
        isWide ? VIEWED : OWN
      } AND ${FILTERS} ORDER BY ${order} LIMIT ?11 OFFSET ?12`,
      caller.userId,
      caller.role === "admin" ? caller.organizationId : null,
      caller.role === "super_admin" ? 1 : 0,
      JSON.stringify(subjectsOf(caller)),
      query.application_id ?? null,
      query.application_version ?? null,
      submitter === "me" ? caller.userId : submitter ?? null,
      ofOrganization ?? (organizationId === "my_org" ? caller.organizationId : organizationId ?? null),
      query.external_id ?? null,
      filter.key,
      limit,
      offset,
    )
  );
}
