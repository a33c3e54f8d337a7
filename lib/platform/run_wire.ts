import { z } from "zod";
import { instant, type JsonObject, jsonObject, orNull, required, type Word, word } from "./wire.ts";

/** How far a run, item or artifact is. A run may go back from `PROCESSING` to `PENDING`. */
export type State = Word<"PENDING" | "PROCESSING" | "TERMINATED">;

/** Why an item or artifact ended. */
export type TerminationReason = Word<"SUCCEEDED" | "USER_ERROR" | "SYSTEM_ERROR" | "SKIPPED">;

/** Why a run ended. */
export type RunTerminationReason = Word<"ALL_ITEMS_PROCESSED" | "CANCELED_BY_SYSTEM" | "CANCELED_BY_USER">;

/** How many items of a run are in which state; they add up to `item_count`. */
export interface RunStatistics {
  /** All items. */
  readonly item_count: number;
  /** Wait. */
  readonly item_pending_count: number;
  /** Are being worked on. */
  readonly item_processing_count: number;
  /** Failed because of their input. */
  readonly item_user_error_count: number;
  /** Failed for another reason. */
  readonly item_system_error_count: number;
  /** Were not worked on. */
  readonly item_skipped_count: number;
  /** Ended well. */
  readonly item_succeeded_count: number;
}

/** When a run should, and must, be ready. */
export interface Scheduling {
  /** Items are put in order to be ready then. */
  readonly due_date?: string | null | undefined;
  /** The run is cancelled when it is not ready then. */
  readonly deadline?: string | null | undefined;
}

/** All that is known of a run. */
export interface RunData {
  /** UUID. */
  readonly run_id: string;
  /** Which application. */
  readonly application_id: string;
  /** Which version of it. */
  readonly version_number: string;
  /** How far it is. */
  readonly state: State;
  /** Whether some or all items have given results. */
  readonly output: Word<"NONE" | "PARTIAL" | "FULL">;
  /** Why it ended; `null` until then. */
  readonly termination_reason: RunTerminationReason | null;
  /** Set when the system cancelled it. */
  readonly error_code: string | null;
  /** Set when the system cancelled it. */
  readonly error_message: string | null;
  /** Items by state. */
  readonly statistics: RunStatistics;
  /** When it was submitted. */
  readonly submitted_at: string;
  /** Id of the user who submitted it. */
  readonly submitted_by: string;
  /** What the submitter stored with it. */
  readonly custom_metadata: JsonObject | null;
  /** Names this very state of `custom_metadata`. */
  readonly custom_metadata_checksum: string | null;
  /** Organisation of the submitter. */
  readonly organization_id: string | null;
  /** When it ended. */
  readonly terminated_at: string | null;
  /** Items of the organisation that come first. */
  readonly num_preceding_items_org: number | null;
  /** Items of everybody that come first. */
  readonly num_preceding_items_platform: number | null;
  /** When it should be ready. */
  readonly scheduling: Scheduling | null;
}

/** A file that an item was submitted with. */
export interface InputArtifactResult {
  /** UUID. */
  readonly input_artifact_id: string;
  /** Name in the version's list of inputs. */
  readonly name: string;
  /** As it was submitted. */
  readonly metadata: JsonObject | null;
  /** As it was submitted. */
  readonly download_url: string | null;
}

/** A file that came out of an item. */
export interface OutputArtifactResult {
  /** UUID. */
  readonly output_artifact_id: string;
  /** Name in the version's list of outputs. */
  readonly name: string;
  /** How far it is. */
  readonly state: State;
  /** Whether the file is there. */
  readonly output: Word<"NONE" | "AVAILABLE" | "DELETED_BY_USER" | "DELETED_BY_SYSTEM">;
  /** Media type and checksum among others; `null` only when the file was deleted. */
  readonly metadata: JsonObject | null;
  /** Why it ended. */
  readonly termination_reason: TerminationReason | null;
  /** Set when it failed. */
  readonly error_code: string | null;
  /** Set when it failed. */
  readonly error_message: string | null;
  /** Outdated: a fresh address comes from `Run.artifactUrl()`. */
  readonly download_url: string | null;
}

/** What became of one item of a run. */
export interface ItemResult {
  /** UUID. */
  readonly item_id: string;
  /** The submitter's own name of it; unique within its run. */
  readonly external_id: string;
  /** What the submitter stored with it. */
  readonly custom_metadata: JsonObject | null;
  /** Names this very state of `custom_metadata`. */
  readonly custom_metadata_checksum: string | null;
  /** How far it is. */
  readonly state: State;
  /** Whether it gave results. */
  readonly output: Word<"NONE" | "FULL">;
  /** Files that it was submitted with. */
  readonly input_artifacts: readonly InputArtifactResult[];
  /** Files that came out. */
  readonly output_artifacts: readonly OutputArtifactResult[];
  /** Place in the organisation's queue. */
  readonly queue_position_org: number | null;
  /** Place in everybody's queue. */
  readonly queue_position_platform: number | null;
  /** Why it ended. */
  readonly termination_reason: TerminationReason | null;
  /** Set when it failed. */
  readonly error_code: string | null;
  /** Set when it failed. */
  readonly error_message: string | null;
  /** When it ended. */
  readonly terminated_at: string | null;
}

/** A file to submit. */
export interface InputArtifact {
  /** Name in the version's list of inputs. */
  readonly name: string;
  /** Where the platform fetches it; signed, and valid for some days. */
  readonly download_url: string;
  /** Must satisfy the version's JSON Schema. */
  readonly metadata: JsonObject;
}

/** An item to submit. */
export interface ItemCreation {
  /** Own name of it, at most 255 characters, unique within the run. */
  readonly external_id: string;
  /** Stored with it. */
  readonly custom_metadata?: JsonObject | null | undefined;
  /** One for each input of the version. */
  readonly input_artifacts: readonly InputArtifact[];
}

const state: z.ZodType<State> = word();
const reason: z.ZodType<TerminationReason> = word();
const count = z.int().nonnegative();

const statistics: z.ZodType<RunStatistics> = z.object({
  item_count: count,
  item_pending_count: count,
  item_processing_count: count,
  item_user_error_count: count,
  item_system_error_count: count,
  item_skipped_count: count,
  item_succeeded_count: count,
});

const scheduling: z.ZodType<Scheduling> = z.object({ due_date: orNull(instant), deadline: orNull(instant) });

/** Answer of `GET /runs/{run_id}`. */
export const runAnswer: z.ZodType<RunData> = z.object({
  run_id: z.string(),
  application_id: z.string(),
  version_number: z.string(),
  state,
  output: word<"NONE" | "PARTIAL" | "FULL">(),
  termination_reason: required(word<"ALL_ITEMS_PROCESSED" | "CANCELED_BY_SYSTEM" | "CANCELED_BY_USER">()),
  error_code: required(z.string()),
  error_message: required(z.string()),
  statistics,
  submitted_at: instant,
  submitted_by: z.string(),
  custom_metadata: orNull(jsonObject),
  custom_metadata_checksum: orNull(z.string()),
  organization_id: orNull(z.string()),
  terminated_at: orNull(instant),
  num_preceding_items_org: orNull(z.int()),
  num_preceding_items_platform: orNull(z.int()),
  scheduling: orNull(scheduling),
});

/** Answer of `GET /runs`. */
export const runsAnswer: z.ZodType<RunData[]> = z.array(runAnswer);

/** Answer of `POST /runs`. */
export const runCreatedAnswer: z.ZodType<{ run_id: string }> = z.object({ run_id: z.string().min(1) });

const inputArtifact: z.ZodType<InputArtifactResult> = z.object({
  input_artifact_id: z.string(),
  name: z.string(),
  metadata: orNull(jsonObject),
  download_url: orNull(z.string()),
});

const outputArtifact: z.ZodType<OutputArtifactResult> = z.object({
  output_artifact_id: z.string(),
  name: z.string(),
  state,
  output: word<"NONE" | "AVAILABLE" | "DELETED_BY_USER" | "DELETED_BY_SYSTEM">(),
  metadata: orNull(jsonObject),
  termination_reason: orNull(reason),
  error_code: orNull(z.string()),
  error_message: orNull(z.string()),
  download_url: orNull(z.string()),
});

/** Answer of `GET /runs/{run_id}/items/{external_id}`. */
export const itemAnswer: z.ZodType<ItemResult> = z.object({
  item_id: z.string(),
  external_id: z.string(),
  custom_metadata: required(jsonObject),
  custom_metadata_checksum: orNull(z.string()),
  state,
  output: word<"NONE" | "FULL">(),
  input_artifacts: z.array(inputArtifact),
  output_artifacts: z.array(outputArtifact),
  queue_position_org: orNull(z.int()),
  queue_position_platform: orNull(z.int()),
  termination_reason: orNull(reason),
  error_code: orNull(z.string()),
  error_message: orNull(z.string()),
  terminated_at: orNull(instant),
});

/** Answer of `GET /runs/{run_id}/items`. */
export const itemsAnswer: z.ZodType<ItemResult[]> = z.array(itemAnswer);

/** Answer of both calls that replace custom metadata: the new checksum. */
export const metadataAnswer: z.ZodType<{ custom_metadata_checksum: string | null }> = z.object({
  custom_metadata_checksum: z.string().nullable(),
});
