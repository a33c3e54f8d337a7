import type { PlatformApi } from "./api.ts";
import { allPages, checkedPageSize } from "./pages.ts";
import type { ListOptions, ReadOptions } from "./reading.ts";
import {
  grantAnswer,
  type GrantData,
  grantsAnswer,
  type NewShareToken,
  newShareTokenAnswer,
  type Relation,
  type ResourceType,
  shareTokenAnswer,
  type ShareTokenData,
  shareTokensAnswer,
  type SubjectType,
} from "./sharing_wire.ts";

const PAGE_SIZE = 100;
const GRANTS = ["access", "grants"];
const SHARE_TOKENS = ["access", "share-tokens"];

/** Who gets to see a run. */
export interface GrantSubject {
  /** What kind of subject. */
  readonly subjectType: SubjectType;
  /** Id of the user, organisation or share token. */
  readonly subjectId?: string;
  /** Address of a user whose id is not known. */
  readonly subjectEmail?: string;
}

/** Which grants are meant; what is left out does not matter. */
export interface GrantFilter extends ListOptions {
  /** What kind of thing is shared. */
  readonly resourceType?: ResourceType;
  /** UUID of what is shared. */
  readonly resourceId?: string;
  /** What kind of subject it is shared with. */
  readonly subjectType?: SubjectType;
  /** Id of the subject. */
  readonly subjectId?: string;
  /** What they may do. */
  readonly relation?: Relation;
  /** Those that were taken back, instead of those that hold. */
  readonly revoked?: boolean;
}

/** Rights that were given to others. */
export class Grants {
  readonly #api: PlatformApi;

  /** @internal */
  constructor(api: PlatformApi) {
    this.#api = api;
  }

  /** Lets somebody see a run and its results. @throws {NotAllowedError} it is not one's own run */
  async create(
    runId: string,
    { subjectType, subjectId, subjectEmail }: GrantSubject,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<GrantData> {
    const body = {
      resource_type: "run",
      resource_id: runId,
      subject_type: subjectType,
      ...(subjectId === undefined ? {} : { subject_id: subjectId }),
      ...(subjectEmail === undefined ? {} : { subject_email: subjectEmail }),
      relation: "viewer",
    };
    const { timeoutMs } = this.#api.limits.run;
    return await this.#api.write(grantAnswer, { method: "POST", path: GRANTS, body, timeoutMs, signal });
  }

  /** Every grant that the filter lets through, page by page. */
  list(
    { pageSize = PAGE_SIZE, sort, nocache = false, signal, ...filter }: GrantFilter = {},
  ): AsyncGenerator<GrantData, void, undefined> {
    const query = {
      resource_type: filter.resourceType,
      resource_id: filter.resourceId,
      subject_type: filter.subjectType,
      subject_id: filter.subjectId,
      relation: filter.relation,
      revoked: filter.revoked ?? false,
      page_size: checkedPageSize(pageSize),
      sort,
    };
    const limits = this.#api.limits.run;
    return allPages(
      (page) => this.#api.read(grantsAnswer, { path: GRANTS, query: { ...query, page }, limits, nocache, signal }),
      pageSize,
    );
  }

  /** One grant. @throws {NotFoundError} */
  async details(grantId: string, options: ReadOptions = {}): Promise<GrantData> {
    return await this.#api.read(grantAnswer, {
      path: [...GRANTS, grantId],
      limits: this.#api.limits.run,
      ...options,
    });
  }

  /** Takes a grant back. @throws {ConflictError} it was taken back before */
  async revoke(grantId: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { timeoutMs } = this.#api.limits.run;
    await this.#api.tell({ method: "DELETE", path: [...GRANTS, grantId], timeoutMs, signal });
  }
}

/** Which share tokens are meant; what is left out does not matter. */
export interface ShareTokenFilter extends ListOptions {
  /** Those that a run is shared with. */
  readonly runId?: string;
  /** Id of the user who made them. */
  readonly createdBy?: string;
  /** Those that were taken back, instead of those that hold. */
  readonly revoked?: boolean;
}

/** Secrets that let whoever has them see what they were granted. */
export class ShareTokens {
  readonly #api: PlatformApi;

  /** @internal */
  constructor(api: PlatformApi) {
    this.#api = api;
  }

  /** Makes a token that shows nothing yet: grant it a run. Its secret is in the answer, this once. */
  async create(
    { expiresAt, signal }: { expiresAt?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<NewShareToken> {
    const body = expiresAt === undefined ? {} : { expires_at: expiresAt };
    const { timeoutMs } = this.#api.limits.run;
    return await this.#api.write(newShareTokenAnswer, { method: "POST", path: SHARE_TOKENS, body, timeoutMs, signal });
  }

  /** Every token that the filter lets through, page by page. */
  list(
    { runId, createdBy, revoked = false, pageSize = PAGE_SIZE, sort, nocache = false, signal }: ShareTokenFilter = {},
  ): AsyncGenerator<ShareTokenData, void, undefined> {
    const query = { run_id: runId, created_by: createdBy, revoked, page_size: checkedPageSize(pageSize), sort };
    const limits = this.#api.limits.run;
    return allPages((page) => {
      const read = { path: SHARE_TOKENS, query: { ...query, page }, limits, nocache, signal };
      return this.#api.read(shareTokensAnswer, read);
    }, pageSize);
  }

  /** One token, without its secret. @throws {NotFoundError} */
  async details(shareTokenId: string, options: ReadOptions = {}): Promise<ShareTokenData> {
    const path = [...SHARE_TOKENS, shareTokenId];
    return await this.#api.read(shareTokenAnswer, { path, limits: this.#api.limits.run, ...options });
  }

  /** Takes a token back. @throws {ConflictError} it was taken back before */
  async revoke(shareTokenId: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { timeoutMs } = this.#api.limits.run;
    await this.#api.tell({ method: "DELETE", path: [...SHARE_TOKENS, shareTokenId], timeoutMs, signal });
  }
}
