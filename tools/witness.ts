import { join } from "node:path";
import { findSecrets, type RecordedOutput, type UsedSecret } from "./secret_search.ts";

/** Names the folder in which tests record their secrets and outputs. */
export const WITNESS_VARIABLE = "TALLY_TEST_WITNESS";

/** One line a leak: which kind of secret stands in which output. Neither the secret nor any other is in it. */
export async function leaksIn(folder: string): Promise<string[]> {
  const secrets = await readLines<{ kind: string; base64: string }>(join(folder, "secrets.jsonl"));
  const outputs = await readLines<RecordedOutput>(join(folder, "outputs.jsonl"));
  const used = secrets.map(({ kind, base64 }): UsedSecret => ({ kind, bytes: Uint8Array.fromBase64(base64) }));
  return findSecrets(used, outputs).map(({ kind, source, context }) =>
    `secret in an output: ${kind}, in ${source}: ${context}`
  );
}

async function readLines<T>(path: string): Promise<T[]> {
  try {
    const text = await Deno.readTextFile(path);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
