import { parseArgs } from "node:util";
import { run } from "./run.ts";
import { say } from "./say.ts";

/** What the registry says of the packages of `deno.lock`. */
export interface Advice {
  /** `unknown`: the registry did not say. */
  readonly verdict: "none" | "found" | "unknown";
  readonly lines: readonly string[];
}

/** How it is asked. */
export interface AdviceOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly attempts?: number;
  readonly pauseMs?: number;
}

const ATTEMPTS = 3;
const PAUSE_MS = 2000;
const LIMIT_MS = 60_000;
const AUDIT = ["audit", "--level=high"];
const USAGE = "usage: deno run -A tools/advisories.ts [--strict]";

/**
 * Asks the registry for weaknesses of high or critical severity, again when it does not answer. `deno audit` ends with 1 for a weakness
 * and for a registry that is away alike; with a flag, for the first alone.
 */
export async function askForAdvice(
  { env = {}, attempts = ATTEMPTS, pauseMs = PAUSE_MS }: AdviceOptions = {},
): Promise<Advice> {
  for (let attempt = 1;; attempt++) {
    const first = await audit(AUDIT, env);
    if (first.exitCode === 0) return { verdict: "none", lines: first.lines };
    const { exitCode, lines } = await audit([...AUDIT, "--ignore-registry-errors"], env);
    if (exitCode !== 0) return { verdict: "found", lines };
    if (attempt === attempts) return { verdict: "unknown", lines: [] };
    await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt));
  }
}

async function audit(args: readonly string[], env: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  const options = {
    env: { ...env, NO_COLOR: "1" },
    onLine: (line: string) => void lines.push(line),
    limitMs: LIMIT_MS,
  };
  const { exitCode } = await run(Deno.execPath(), args, { ...options, quiet: true });
  return { exitCode, lines };
}

/** @returns the exit code: with `--strict`, a registry that does not say is a failure */
async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { strict: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) return say(USAGE), 0;
  const { verdict, lines } = await askForAdvice();
  lines.forEach(say);
  if (verdict !== "unknown") return verdict === "none" ? 0 : 1;
  say("note: advisories were not looked at: the package registry does not tell of them; a release needs one that does");
  return values.strict ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
