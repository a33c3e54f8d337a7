import { createHash } from "node:crypto";
import { compileSchema, type FaultOf } from "../../lib/platform/json_schema.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { State } from "../state.ts";
import type { ApplicationVersion } from "./application.ts";
import type { PlatformCaller } from "./caller.ts";
import type { Catalogue } from "./catalogue.ts";
import { canonicalJson, storedMetadata } from "./metadata.ts";
import { invalid, RejectedRunError } from "./problems.ts";
import type { RunRequest } from "./run_request.ts";

/** What runs are created with. */
export interface RunCreationDeps {
  readonly state: State;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** Who submits, and the name that they gave this submission. */
export interface Submission {
  readonly caller: PlatformCaller;
  /** `Idempotency-Key` of the request. */
  readonly idempotencyKey: string | undefined;
}

/** After every due date. */
const NO_DUE_DATE_MS = Number.MAX_SAFE_INTEGER;
const SHOWN_CHARACTERS = 64;
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Creates a run with all of its items, or, where the same submission was made before, names the run that it made.
 * @returns the id of the run
 * @throws {RejectedRunError} the items do not fit the application; {NotFoundError} no such version; {InvalidRequestError} the
 * idempotency key is none, or was used for another submission
 */
export async function createRun(
  { state, catalogue, clock }: RunCreationDeps,
  request: RunRequest,
  { caller, idempotencyKey }: Submission,
): Promise<string> {
  const version = catalogue.version(request.application_id, request.version_number ?? undefined);
  await checkItems(request, version);
  const bodySha256 = createHash("sha256").update(canonicalJson(request)).digest("hex");
  return state.transaction(() => {
    const repeated = idempotencyKey === undefined ? undefined : submittedBefore(idempotencyKey);
    return repeated ?? insert();
  });

  function submittedBefore(key: string): string | undefined {
    if (!KEY.test(key)) throw invalid("header", "idempotency-key", "The key has 1 to 255 printable characters");
    const row = state.get(
      "SELECT body_sha256, run_id FROM platform_submissions WHERE user_id = ? AND idempotency_key = ?",
      caller.userId,
      key,
    );
    if (row === undefined || row.body_sha256 === bodySha256) return row && String(row.run_id);
    throw invalid("header", "idempotency-key", "The key was used for another submission");
  }

  function insert(): string {
    const runId = crypto.randomUUID();
    const nowMs = clock.now();
    insertRun(state, { runId, request, version, caller, nowMs });
    if (idempotencyKey !== undefined) {
      state.run(
        "INSERT INTO platform_submissions VALUES (?, ?, ?, ?, ?)",
        caller.userId,
        idempotencyKey,
        bodySha256,
        runId,
        nowMs,
      );
    }
    return runId;
  }
}

async function checkItems({ items }: RunRequest, { inputArtifacts }: ApplicationVersion): Promise<void> {
  const faultsOf = new Map<string, FaultOf>();
  for (const { name, metadataSchema } of inputArtifacts) faultsOf.set(name, await compileSchema(metadataSchema, name));
  const seen = new Set<string>();
  for (const { external_id: externalId, input_artifacts: inputs } of items) {
    const item = `the item "${externalId.slice(0, SHOWN_CHARACTERS)}"`;
    if (seen.has(externalId)) throw new RejectedRunError("items", `There are two items like ${item}`);
    seen.add(externalId);
    if (inputs.length !== faultsOf.size || new Set(inputs.map(({ name }) => name)).size !== inputs.length) {
      throw new RejectedRunError("items", `The inputs of ${item} must be: ${[...faultsOf.keys()].join(", ")}`);
    }
    for (const { name, metadata } of inputs) {
      const fault = faultsOf.get(name)?.(metadata) ?? (faultsOf.has(name) ? undefined : "there is no such input");
      if (fault === undefined) continue;
      throw new RejectedRunError("items", `The metadata of the input "${name}" of ${item} are not valid: ${fault}`);
    }
  }
}

interface NewRun {
  readonly runId: string;
  readonly request: RunRequest;
  readonly version: ApplicationVersion;
  readonly caller: PlatformCaller;
  readonly nowMs: number;
}

function insertRun(state: State, { runId, request, version, caller, nowMs }: NewRun): void {
  const dueMs = request.scheduling?.due_date ?? null;
  state.run(
    `INSERT INTO platform_runs (run_id, application_id, version_number, state, custom_metadata, callback_context,
       submitted_ms, submitted_by, organization_id, due_ms, deadline_ms) VALUES (?, ?, ?, 'PENDING', ?, ?, ?, ?, ?, ?, ?)`,
    runId,
    request.application_id,
    version.number,
    storedMetadata(request.custom_metadata),
    storedMetadata(request.callback_context),
    nowMs,
    caller.userId,
    caller.organizationId,
    dueMs,
    request.scheduling?.deadline ?? null,
  );
  for (const item of request.items) {
    const itemId = crypto.randomUUID();
    state.run(
      `INSERT INTO platform_items (item_id, run_id, organization_id, external_id, custom_metadata, due_ms, state)
       VALUES (?, ?, ?, ?, ?, ?, 'PENDING')`,
      itemId,
      runId,
      caller.organizationId,
      item.external_id,
      storedMetadata(item.custom_metadata),
      dueMs ?? NO_DUE_DATE_MS,
    );
    insertArtifacts(state, itemId, item, version);
  }
}

function insertArtifacts(
  state: State,
  itemId: string,
  item: RunRequest["items"][number],
  { outputArtifacts }: ApplicationVersion,
): void {
  for (const [position, { name, download_url, metadata }] of item.input_artifacts.entries()) {
    state.run(
      "INSERT INTO platform_inputs VALUES (?, ?, ?, ?, ?, ?)",
      crypto.randomUUID(),
      itemId,
      position,
      name,
      download_url,
      JSON.stringify(metadata),
    );
  }
  for (const [position, { name, mimeType }] of outputArtifacts.entries()) {
    state.run(
      "INSERT INTO platform_outputs (output_artifact_id, item_id, position, name, mime_type) VALUES (?, ?, ?, ?, ?)",
      crypto.randomUUID(),
      itemId,
      position,
      name,
      mimeType,
    );
  }
}
