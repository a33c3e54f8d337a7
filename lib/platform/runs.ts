import type { Environment } from "../system/environment.ts";
import { meAnswer } from "./account_wire.ts";
import type { PlatformApi } from "./api.ts";
import { checkedFilter } from "./metadata_filter.ts";
import { allPages, checkedPageSize } from "./pages.ts";
import type { ListOptions } from "./reading.ts";
import { Run } from "./run.ts";
import { type ItemCreation, type RunData, runsAnswer } from "./run_wire.ts";
import { itemSdkMetadata, runSdkMetadata, withSdkMetadata } from "./sdk_metadata.ts";
import { checkSubmission, checkSubmissionId, type RunSubmission } from "./submission.ts";
import { findSubmitted, submissionMark, submitRun } from "./submit.ts";
import type { Versions } from "./versions.ts";
import type { JsonObject } from "./wire.ts";

const PAGE_SIZE = 100;

/** Which runs are meant; what is left out does not matter. */
export interface RunFilter extends ListOptions {
  /** Of which application. */
  readonly applicationId?: string | undefined;
  /** Of which version. */
  readonly applicationVersion?: string | undefined;
  /** With an item of this name. */
  readonly externalId?: string | undefined;
  /** JSONPath on their custom metadata; see {@link tagsFilter} and {@link noteFilter}. */
  readonly customMetadata?: string | undefined;
  /** Id of the user who submitted them, or `me`. */
  readonly submittedBy?: string | undefined;
  /** Organisation of the submitter, or `my_org`. */
  readonly organizationId?: string | undefined;
  /** All runs of this organisation, for its administrators. */
  readonly forOrganization?: string | undefined;
}

/** Runs of applications. */
export class Runs {
  readonly #api: PlatformApi;
  readonly #versions: Versions;
  readonly #via: "script" | "cli";
  readonly #environment: Environment;

  /** @internal */
  constructor(
    api: PlatformApi,
    { versions, via, environment }: { versions: Versions; via: "script" | "cli"; environment: Environment },
  ) {
    this.#api = api;
    this.#versions = versions;
    this.#via = via;
    this.#environment = environment;
  }

  /** The run of this id; nothing is asked for yet. */
  get(runId: string, options: { shareToken?: string | undefined } = {}): Run {
    return new Run(this.#api, runId, options);
  }

  /**
   * Checks the submission against its version and posts it. An answer that was lost does not make a second run; see
   * {@link RunSubmission.submissionId}.
   * @throws {InvalidInputError} before anything is sent; {NotFoundError} no such application or version
   */
  async submit(submission: RunSubmission, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Run> {
    const { submissionId = crypto.randomUUID() } = submission;
    if (submission.submissionId !== undefined) {
      checkSubmissionId(submissionId);
      const before = await findSubmitted(this.#api, submissionId, signal);
      if (before !== undefined) return this.get(before);
    }
    const { applicationId, applicationVersion } = submission;
    const version = await this.#versions.details(applicationId, applicationVersion, { signal });
    await checkSubmission(submission, version);
    const body = await this.#body(submission, { submissionId, version: version.version_number, signal });
    return this.get(await submitRun(this.#api, { submissionId, body }, signal));
  }

  /** The same as {@link Runs.submit}, by its name of 2025. */
  create(submission: RunSubmission, options: { signal?: AbortSignal | undefined } = {}): Promise<Run> {
    return this.submit(submission, options);
  }

  /** Runs that the filter lets through, as handles. */
  async *list(filter: RunFilter = {}): AsyncGenerator<Run, void, undefined> {
    for await (const { run_id } of this.listData(filter)) yield this.get(run_id);
  }

  /** Runs that the filter lets through, with all that is known of them, page by page. */
  listData(
    { pageSize = PAGE_SIZE, sort, nocache = false, signal, ...filter }: RunFilter = {},
  ): AsyncGenerator<RunData, void, undefined> {
    const query = {
      application_id: filter.applicationId,
      application_version: filter.applicationVersion,
      external_id: filter.externalId,
      custom_metadata: filter.customMetadata === undefined ? undefined : checkedFilter(filter.customMetadata),
      submitted_by: filter.submittedBy,
      organization_id: filter.organizationId,
      for_organization: filter.forOrganization,
      page_size: checkedPageSize(pageSize),
      sort,
    };
    const limits = this.#api.limits.run;
    return allPages(
      (page) => this.#api.read(runsAnswer, { path: ["runs"], query: { ...query, page }, limits, nocache, signal }),
      pageSize,
    );
  }

  async #body(
    { applicationId, items, customMetadata, scheduling, callbackContext, tags, note }: RunSubmission,
    { submissionId, version, signal }: { submissionId: string; version: string; signal?: AbortSignal | undefined },
  ): Promise<JsonObject> {
    const nowMs = this.#api.clock.now();
    const me = await this.#api.read(meAnswer, { path: ["me"], limits: this.#api.limits.me, signal });
    const source = { nowMs, via: this.#via, userAgent: this.#api.userAgent, me, environment: this.#environment };
    const sdk = { ...runSdkMetadata(source, { tags, note }), ...(scheduling === undefined ? {} : { scheduling }) };
    return {
      application_id: applicationId,
      version_number: version,
      custom_metadata: { ...withSdkMetadata(customMetadata, sdk), tallystick: submissionMark(submissionId) },
      ...(scheduling === undefined ? {} : { scheduling }),
      ...(callbackContext === undefined ? {} : { callback_context: callbackContext }),
      items: items.map((item) => withItemMetadata(item, nowMs)),
    };
  }
}

function withItemMetadata(item: ItemCreation, nowMs: number): ItemCreation {
  return { ...item, custom_metadata: withSdkMetadata(item.custom_metadata, itemSdkMetadata(nowMs)) };
}
