import { InvalidInputError } from "../errors.ts";
import type { Environment } from "../system/environment.ts";
import type { Me } from "./account_wire.ts";
import { type JsonObject, jsonObject } from "./wire.ts";

const RUN_SCHEMA_VERSION = "0.0.6";
const ITEM_SCHEMA_VERSION = "0.0.3";

/** Variables of GitHub's workflow runs that are worth keeping, without their prefix. */
const GITHUB_FIELDS = [
  ...["action", "job", "ref", "ref_name", "ref_type", "repository"],
  ...["run_attempt", "run_id", "run_number", "sha", "workflow", "workflow_ref"],
] as const;

/** What a person adds to a run so that it is found again. */
export interface RunLabels {
  /** Words to filter by. */
  readonly tags?: readonly string[] | undefined;
  /** One sentence. */
  readonly note?: string | undefined;
}

/** Where a run comes from. */
export interface RunSource {
  readonly nowMs: number;
  readonly via: "script" | "cli";
  readonly userAgent: string;
  readonly me: Me;
  readonly environment: Environment;
}

/** The `sdk` part of a run's custom metadata, as other clients of the platform write and read it. */
export function runSdkMetadata(source: RunSource, { tags, note }: RunLabels): JsonObject {
  const now = new Date(source.nowMs).toISOString();
  const { user, organization } = source.me;
  const ci = githubFacts(source.environment);
  return {
    schema_version: RUN_SCHEMA_VERSION,
    created_at: now,
    updated_at: now,
    submission: { date: now, interface: source.via, initiator: "user" },
    user_agent: source.userAgent,
    user: {
      organization_id: organization.id,
      organization_name: organization.name ?? organization.id,
      user_email: user.email ?? "",
      user_id: user.id,
    },
    ...(ci === undefined ? {} : { ci: { github: ci } }),
    ...(tags === undefined || tags.length === 0 ? {} : { tags: [...new Set(tags)] }),
    ...(note === undefined ? {} : { note }),
  };
}

/** The `sdk` part of an item's custom metadata. */
export function itemSdkMetadata(nowMs: number): JsonObject {
  const now = new Date(nowMs).toISOString();
  return { schema_version: ITEM_SCHEMA_VERSION, created_at: now, updated_at: now };
}

/** `custom` with `fresh` as its `sdk` part; what `custom` already says in there is stronger. */
export function withSdkMetadata(custom: JsonObject | null | undefined, fresh: JsonObject): JsonObject {
  return { ...custom, sdk: { ...fresh, ...sdkOf(custom) } };
}

/** `custom` with a new `updated_at` in its `sdk` part, where it has one. */
export function touched(custom: JsonObject, nowMs: number): JsonObject {
  const sdk = sdkOf(custom);
  return Object.keys(sdk).length === 0
    ? custom
    : { ...custom, sdk: { ...sdk, updated_at: new Date(nowMs).toISOString() } };
}

function sdkOf(custom: JsonObject | null | undefined): JsonObject {
  const parsed = jsonObject.safeParse(custom?.sdk ?? {});
  if (parsed.success) return parsed.data;
  throw new InvalidInputError("custom_metadata.sdk", 'The custom metadata holds an "sdk" that is not an object');
}

function githubFacts(environment: Environment): JsonObject | undefined {
  if (environment("GITHUB_ACTIONS") === undefined) return undefined;
  const facts = GITHUB_FIELDS.map((field) => [field, environment(`GITHUB_${field.toUpperCase()}`)] as const);
  return Object.fromEntries(facts.filter(([, value]) => value !== undefined));
}
