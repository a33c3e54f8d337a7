import { createHash } from "node:crypto";
import type { JsonObject } from "./request.ts";

const CHECKSUM_CHARACTERS = 16;

/** Metadata as they are stored: JSON text, or nothing. */
export function storedMetadata(metadata: JsonObject | null | undefined): string | null {
  return metadata === null || metadata === undefined ? null : JSON.stringify(metadata);
}

/** Metadata as they came in. */
export function shownMetadata(stored: unknown): JsonObject | null {
  return typeof stored === "string" ? JSON.parse(stored) : null;
}

/** Names a state of metadata: another one for every change. `null` where there are none. */
export function metadataChecksum(stored: unknown): string | null {
  if (typeof stored !== "string") return null;
  return createHash("sha256").update(stored).digest("hex").slice(0, CHECKSUM_CHARACTERS);
}

/** The same JSON with the keys of all objects sorted, so that equal values have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : 1));
  });
}
