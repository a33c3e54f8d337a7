import type { Bytes } from "../lib/bytes.ts";
import { ConfigurationError } from "../lib/errors.ts";
import { KNOWN_SECRETS } from "../lib/redaction/known_secrets.ts";
import type { State } from "./state.ts";

/** Random bytes that the origin keeps for itself or hands to those who may have them. */
export type SecretName = "key_fragment" | "object_reader" | "object_writer" | "url_signing" | "cookie_signing";

const SECRET_BYTES = 32;

/** 32 fresh random bytes. */
export function randomSecret(): Bytes {
  return crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
}

/** Reads a secret as it stands now: another process may have replaced it. @throws {ConfigurationError} before `tally origin init` */
export function readSecret(state: State, name: SecretName): Bytes {
  const value = state.get("SELECT value FROM secrets WHERE name = ?", name)?.value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  throw new ConfigurationError(["The data folder holds no origin yet: run tally origin init"]);
}

/** Reads a secret that is made when it is first needed: origins of before do not have it. */
export function ensureSecret(state: State, name: SecretName): Bytes {
  state.run("INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, randomSecret());
  return readSecret(state, name);
}

/** Writes or replaces a secret. */
export function writeSecret(state: State, name: SecretName, value: Bytes): void {
  state.run(
    "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    name,
    value,
  );
}

/** Keeps the secrets of this moment out of logs and messages until it is disposed. */
export function holdSecrets(state: State): Disposable {
  const held = new DisposableStack();
  for (const { value } of state.all("SELECT value FROM secrets")) {
    if (value instanceof Uint8Array) held.use(KNOWN_SECRETS.hold(value));
  }
  return held;
}
