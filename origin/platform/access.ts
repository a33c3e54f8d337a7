import { createHash } from "node:crypto";
import { NotAllowedError, NotFoundError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";
import type { PlatformCaller } from "./caller.ts";

/** What a caller brings to see a run. */
export interface Viewer {
  readonly caller: PlatformCaller;
  readonly shareToken?: string | undefined;
}

/** SHA-256 of a share token, which is all that is stored of it. */
export function shareTokenDigest(shareToken: string): string {
  return createHash("sha256").update(shareToken).digest("hex");
}

/** Whether a caller decides over what belongs to an organisation. */
export function isAdministrator({ role, organizationId }: PlatformCaller, ofOrganization: string): boolean {
  return role === "super_admin" || (role === "admin" && organizationId === ofOrganization);
}

/**
 * Who may see a run: whoever submitted it, the administrators of its organisation, whom a grant names, and who brings a
 * share token that was granted it. Only whoever submitted it may change it.
 */
export class RunAccess {
  readonly #state: State;
  readonly #clock: Clock;

  constructor({ state, clock }: { readonly state: State; readonly clock: Clock }) {
    this.#state = state;
    this.#clock = clock;
  }

  /** The row of a run that may be seen. @throws {NotFoundError} {NotAllowedError} */
  viewed(runId: string, viewer: Viewer): Row {
    const run = this.#run(runId);
    if (this.#mayView(run, viewer)) return run;
    throw new NotAllowedError("You do not have permission to see this run");
  }

  /** The row of a run that the caller has submitted. @throws {NotFoundError} {NotAllowedError} */
  owned(runId: string, { userId }: PlatformCaller): Row {
    const run = this.#run(runId);
    if (run.submitted_by === userId) return run;
    throw new NotAllowedError("Only the user who submitted this run may do that");
  }

  /** The row of a run that the caller may share. @throws {NotFoundError} {NotAllowedError} */
  shared(runId: string, caller: PlatformCaller): Row {
    const run = this.#run(runId);
    if (run.submitted_by === caller.userId || isAdministrator(caller, String(run.organization_id))) return run;
    throw new NotAllowedError("You do not have permission to grant access to this run");
  }

  #run(runId: string): Row {
    const run = this.#state.get("SELECT * FROM platform_runs WHERE run_id = ?", runId);
    if (run === undefined) throw new NotFoundError("Run not found");
    return run;
  }

  #mayView(run: Row, { caller, shareToken }: Viewer): boolean {
    if (run.submitted_by === caller.userId || isAdministrator(caller, String(run.organization_id))) return true;
    const subjects = subjectsOf(caller);
    if (shareToken !== undefined) subjects.push(["share_token", this.#shareTokenId(shareToken) ?? ""]);
    return subjects.some(([type, id]) => this.#isGranted(String(run.run_id), type, id));
  }

  #isGranted(runId: string, subjectType: string, subjectId: string): boolean {
    return this.#state.get(
      `SELECT 1 FROM platform_grants WHERE resource_type = 'run' AND resource_id = ? AND subject_type = ?
         AND subject_id = ? AND revoked_ms IS NULL`,
      runId,
      subjectType,
      subjectId,
    ) !== undefined;
  }

  #shareTokenId(shareToken: string): string | undefined {
    const row = this.#state.get(
      `SELECT share_token_id FROM platform_share_tokens
       WHERE token_sha256 = ? AND revoked_ms IS NULL AND coalesce(expires_ms, ?2 + 1) > ?2`,
      shareTokenDigest(shareToken),
      this.#clock.now(),
    );
    return row && String(row.share_token_id);
  }
}

/** Under which names a grant can mean a caller. */
export function subjectsOf({ userId, organizationId, role }: PlatformCaller): [string, string][] {
  const subjects: [string, string][] = [["user", userId], ["organization_user", organizationId]];
  if (role !== "member") subjects.push(["organization_admin", organizationId]);
  return subjects;
}
