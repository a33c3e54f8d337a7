import { KNOWN_SECRETS } from "./known_secrets.ts";
import { MASK } from "./mask.ts";
import { maskPatterns } from "./patterns.ts";
import { isSecretName } from "./secret_name.ts";

/** Texts are cut here, arrays and objects after so many entries, and what lies deeper is left out: a line has an end. */
const TEXT_LIMIT = 8 * 1024;
const SEARCHED_LIMIT = 64 * 1024;
const ENTRY_LIMIT = 64;
const DEPTH_LIMIT = 6;

/** A text without secrets: neither the values in use ({@link KNOWN_SECRETS}) nor what looks like one. */
export function redact(text: string): string {
  return maskPatterns(KNOWN_SECRETS.mask(text));
}

/**
 * The same for anything that goes into a log: JSON data, in which the value of every field with the name of a secret is masked, and
 * every text is redacted. Errors keep name, message and cause. Bounded in size and depth.
 */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return shortText(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return typeof value === "function" ? undefined : value;
  if (depth >= DEPTH_LIMIT) return "…";
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, ENTRY_LIMIT).map((entry) => redactValue(entry, depth + 1));
  if (value instanceof Map || value instanceof Headers) return redactEntries([...value], depth);
  if (value instanceof Set) return redactValue([...value], depth);
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return redactEntries(Object.entries({ ...value, name, message, cause }), depth);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return redactValue(value.toJSON(), depth + 1);
  return redactEntries(Object.entries(value), depth);
}

function redactEntries(entries: readonly (readonly [unknown, unknown])[], depth: number): Record<string, unknown> {
  const kept = entries.slice(0, ENTRY_LIMIT).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept.map(([key, value]) => {
    const name = String(key);
    return [redact(name), isSecretName(name) ? MASK : redactValue(value, depth + 1)];
  }));
}

/** Masked before it is cut: half of a secret would not be found. */
function shortText(text: string): string {
  const masked = redact(text.slice(0, SEARCHED_LIMIT));
  return masked.length <= TEXT_LIMIT ? masked : `${masked.slice(0, TEXT_LIMIT)}…`;
}
