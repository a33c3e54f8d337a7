import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { WITNESS_VARIABLE } from "../../tools/witness.ts";

const folder = Deno.env.get(WITNESS_VARIABLE);
const known = new Set<string>();

/**
 * Tells the runner of a secret that a test uses: at the end of the run it is looked for in all that the tests have recorded.
 * @param kind how a leak is named, such as `password of an account`
 * @returns the secret
 */
export function useSecret(kind: string, secret: string): string;
/** The same for bytes. */
export function useSecret(kind: string, secret: Bytes): Bytes;
export function useSecret(kind: string, secret: string | Bytes): string | Bytes {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
  record("secrets.jsonl", { kind, base64: bytes.toBase64() });
  return secret;
}

/**
 * Records what a program under test has said where no secret may be: its log, its standard error, a problem body.
 * @param source how it is named when it holds one
 * @returns the text
 */
export function recordOutput(source: string, text: string): string {
  if (text !== "") record("outputs.jsonl", { source, text });
  return text;
}

/** A function for `createLogger` that keeps its lines, and records them. */
export function recordedLines(source: string, lines: string[]): (line: string) => void {
  return (line) => {
    lines.push(line);
    recordOutput(source, line);
  };
}

/** A test that is run without the runner records nothing. */
function record(name: string, entry: Readonly<Record<string, string>>): void {
  const line = `${JSON.stringify(entry)}\n`;
  if (folder === undefined || known.has(line)) return;
  if (name === "secrets.jsonl") known.add(line);
  Deno.writeTextFileSync(join(folder, name), line, { append: true });
}
