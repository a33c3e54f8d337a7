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

/** The same account and organisation with the address and every secret masked; the address also where it stands for a name. */
export function maskMe({ user, organization }: Me): Me {
  const address = user.email?.toLowerCase();
  return { user: maskFields(user, address), organization: maskFields(organization, address) };
}

function maskFields<T extends object>(fields: T, address: string | undefined): T {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" && isSecret(name, value, address) ? masked(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function isSecret(name: string, text: string, address: string | undefined): boolean {
  return SECRET_FIELDS.has(name) || text.toLowerCase() === address;
}
