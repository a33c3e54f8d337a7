import { InvalidInputError } from "../errors.ts";
import type { VersionData } from "./application_wire.ts";
import { compileSchema, type FaultOf } from "./json_schema.ts";
import type { InputArtifact, ItemCreation, Scheduling } from "./run_wire.ts";
import type { RunLabels } from "./sdk_metadata.ts";
import type { JsonObject } from "./wire.ts";

const EXTERNAL_ID_LIMIT = 255;
const URL_LIMIT = 2083;
const CALLBACK_LIMIT_BYTES = 1024;

/** A run to submit. */
export interface RunSubmission extends RunLabels {
  /** Which application. */
  readonly applicationId: string;
  /** Which version of it; the highest when it is left out. */
  readonly applicationVersion?: string | undefined;
  /** What to work on, at least one. */
  readonly items: readonly ItemCreation[];
  /** Stored with the run. */
  readonly customMetadata?: JsonObject | undefined;
  /** When it should, and must, be ready. */
  readonly scheduling?: Scheduling | undefined;
  /** Comes back in every event about the run; at most 1 KiB as JSON. */
  readonly callbackContext?: JsonObject | undefined;
  /**
   * Names this submission. Submitting again under the same id gives the run that the first one made, also when its answer
   * was lost or the program died. 1 to 255 printable characters; made up when it is left out.
   */
  readonly submissionId?: string | undefined;
}

interface Rules {
  readonly names: ReadonlySet<string>;
  readonly faultOf: ReadonlyMap<string, FaultOf>;
}

/**
 * Checks a submission against the version that will work on it, before anything is sent.
 * @throws {InvalidInputError} no item; an external id twice, empty or too long; an input that the version does not know, or one
 * that is missing or there twice; an address or metadata that is not allowed; a callback context over its limit
 */
export async function checkSubmission(submission: RunSubmission, version: VersionData): Promise<void> {
  const { items, callbackContext, scheduling } = submission;
  if (items.length === 0) throw new InvalidInputError("items", "A run needs at least one item");
  checkExternalIds(items);
  checkCallback(callbackContext);
  checkScheduling(scheduling);
  const rules = await rulesOf(version);
  for (const item of items) checkItem(item, rules);
}

/** @throws {InvalidInputError} what no header can carry */
export function checkSubmissionId(submissionId: string): void {
  if (/^[\x21-\x7e]{1,255}$/.test(submissionId)) return;
  throw new InvalidInputError(
    "submission_id",
    "A submission id must have 1 to 255 printable characters without spaces",
  );
}

function checkExternalIds(items: readonly ItemCreation[]): void {
  const seen = new Set<string>();
  for (const { external_id: id } of items) {
    if (id === "" || id.length > EXTERNAL_ID_LIMIT) {
      throw new InvalidInputError(
        "external_id",
        `An external id must have 1 to ${EXTERNAL_ID_LIMIT} characters: "${id}"`,
      );
    }
    if (seen.has(id)) throw new InvalidInputError("external_id", `The external id "${id}" is there twice`);
    seen.add(id);
  }
}

function checkCallback(context: JsonObject | undefined): void {
  const sizeBytes = new TextEncoder().encode(JSON.stringify(context ?? {})).byteLength;
  if (sizeBytes <= CALLBACK_LIMIT_BYTES) return;
  throw new InvalidInputError(
    "callback_context",
    `The callback context has ${sizeBytes} bytes, more than the ${CALLBACK_LIMIT_BYTES} that the platform takes`,
  );
}

function checkScheduling({ due_date, deadline }: Scheduling = {}): void {
  for (const [field, text] of Object.entries({ due_date, deadline })) {
    if (!text || !Number.isNaN(Date.parse(text))) continue;
    throw new InvalidInputError(field, `The ${field.replace("_", " ")} "${text}" is not an instant in ISO 8601`);
  }
  if (!due_date || !deadline || Date.parse(due_date) <= Date.parse(deadline)) return;
  throw new InvalidInputError("due_date", `The due date ${due_date} comes after the deadline ${deadline}`);
}

async function rulesOf({ input_artifacts: kinds }: VersionData): Promise<Rules> {
  const faultOf = new Map<string, FaultOf>();
  for (const { name, metadata_schema } of kinds) {
    faultOf.set(name, await compileSchema(metadata_schema, `the input "${name}"`));
  }
  return { names: new Set(faultOf.keys()), faultOf };
}

function checkItem({ external_id: id, input_artifacts: artifacts }: ItemCreation, { names, faultOf }: Rules): void {
  const given = new Set(artifacts.map(({ name }) => name));
  if (given.size < artifacts.length) throw wrongInputs(`The item "${id}" has an input twice`);
  const unknown = given.difference(names);
  if (unknown.size > 0) throw wrongInputs(`The item "${id}" has ${quoted(unknown)}, which the version does not know`);
  const missing = names.difference(given);
  if (missing.size > 0) throw wrongInputs(`The item "${id}" lacks ${quoted(missing)}, which the version needs`);
  for (const artifact of artifacts) checkArtifact(id, artifact, faultOf.get(artifact.name));
}

function checkArtifact(
  id: string,
  { name, download_url, metadata }: InputArtifact,
  faultOf: FaultOf = () => undefined,
) {
  if (!URL.canParse(download_url) || download_url.length > URL_LIMIT) {
    // The address is not repeated: it may carry a signature.
    throw new InvalidInputError(
      "download_url",
      `The input "${name}" of "${id}" has no address of at most ${URL_LIMIT} characters`,
    );
  }
  const fault = faultOf(metadata);
  if (fault === undefined) return;
  throw new InvalidInputError("metadata", `The metadata of the input "${name}" of "${id}" is not valid: ${fault}`);
}

function wrongInputs(sentence: string): InvalidInputError {
  return new InvalidInputError("input_artifacts", sentence);
}

function quoted(names: ReadonlySet<string>): string {
  return [...names].map((name) => `"${name}"`).join(", ");
}
