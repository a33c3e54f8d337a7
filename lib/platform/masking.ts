import type { Me } from "./account_wire.ts";

const SECRET_FIELDS: ReadonlySet<string> = new Set([
  "email",
  "aignostics_bucket_hmac_secret_access_key",
  "aignostics_logfire_token",
  "aignostics_sentry_dsn",
]);

/** `***MASKED(16)***`: tells how long the text is, and nothing else of it. */
export function masked(text: string): string {
  return `***MASKED(${text.length})***`;
}

/** The same account and organisation with the address and every secret masked. */
export function maskMe({ user, organization }: Me): Me {
  return { user: maskFields(user), organization: maskFields(organization) };
}

function maskFields<T extends object>(fields: T): T {
  const entries = Object.entries(fields).map(([name, value]) => [name, shown(name, value)]);
  return Object.fromEntries(entries);
}

function shown(name: string, value: unknown): unknown {
  return SECRET_FIELDS.has(name) && typeof value === "string" ? masked(value) : value;
}
