import { createHash } from "node:crypto";
import { utf8 } from "../bytes.ts";
import type { JsonObject } from "./wire.ts";

/** A name of a file is at most 255 bytes long; what is written beside it while it comes needs some of them. */
const SEGMENT_LIMIT_BYTES = 200;
const KEPT_CHARACTERS = 60;

/** @see the platform's own client: files of other types have no ending */
const ENDINGS: Readonly<Record<string, string>> = {
  "image/png": ".png",
  "image/tiff": ".tiff",
  "application/vnd.apache.parquet": ".parquet",
  "application/geo+json": ".json",
  "application/json": ".json",
  "text/csv": ".csv",
  "application/zip": ".zip",
};

/** What names an artifact's file. All of it comes from a server, and may hold anything. */
export interface ArtifactName {
  readonly runId: string;
  readonly externalId: string;
  readonly name: string;
  readonly metadata: JsonObject | null;
}

/**
 * Where an artifact lies below the folder of all downloads: `{run_id}/{external_id}/{name}{ending}`, as segments that are safe.
 *
 * An external id with slashes becomes folders where each of its parts is safe. What is not safe (`..`, an empty part, control
 * characters, a backslash, more than 200 bytes, the names of partial files) becomes one segment that begins with `%` and has
 * those characters as `%XX`; safe segments never begin with `%`, so that no two names meet.
 */
export function artifactPath({ runId, externalId, name, metadata }: ArtifactName): string[] {
  const parts = externalId.split("/");
  const folders = parts.every(isSafe) ? parts : [safeSegment(externalId)];
  return [safeSegment(runId), ...folders, safeSegment(`${name}${endingOf(metadata)}`)];
}

function endingOf(metadata: JsonObject | null): string {
  const type = metadata?.media_type ?? metadata?.mime_type;
  return typeof type === "string" && Object.hasOwn(ENDINGS, type) ? ENDINGS[type] ?? "" : "";
}

function safeSegment(text: string): string {
  if (isSafe(text)) return text;
  const escaped = `%${escape(text)}`;
  if (utf8(escaped).byteLength <= SEGMENT_LIMIT_BYTES) return escaped;
  return `%~${[...escape(text)].slice(0, KEPT_CHARACTERS).join("")}~${createHash("sha256").update(text).digest("hex")}`;
}

function isSafe(segment: string): boolean {
  const isPlain = segment !== "" && segment !== "." && segment !== ".." &&
    !/^%|^\..*\.part(ial|\.journal)?$/.test(segment);
  return isPlain && !hasUnsafe(segment) && segment.isWellFormed() && utf8(segment).byteLength <= SEGMENT_LIMIT_BYTES;
}

function hasUnsafe(text: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return /[\x00-\x1f\x7f-\x9f/\\\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(text);
}

/** Letters, digits and a few marks stay; lone surrogates have no bytes and are written as their number. */
function escape(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._:-]/gu, (character) => {
    if (!character.isWellFormed()) return `%u${character.charCodeAt(0).toString(16)}`;
    return [...utf8(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}
