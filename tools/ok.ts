import { parseArgs } from "node:util";
import { runDeno } from "./run.ts";
import { say } from "./say.ts";
import { isMark } from "./test_report.ts";

/** One check: a Deno command line. */
interface Check {
  readonly name: string;
  readonly args: readonly string[];
}

const CHECK_LIMIT_MS = 5 * 60_000;
const TEST_LIMIT_MS = 50 * 60_000;

/** Lines, branches and functions that the tests run, in per cent. Code that only runs in child processes does not count. */
const COVERAGE_FLOOR = 90;
const COVERAGE_FOLDER = "coverage";

const CHECKS: readonly Check[] = [
  { name: "format", args: ["fmt", "--check", "--quiet"] },
  { name: "lint", args: ["lint", "--quiet"] },
  { name: "types and frozen lock", args: ["check", "--frozen", "--quiet", "."] },
  { name: "docstrings of mod.ts", args: ["doc", "--lint", "--quiet", "mod.ts"] },
  { name: "architecture", args: ["test", "--allow-read", "--quiet", "--reporter=dot", "tests/architecture_test.ts"] },
  { name: "generated documents", args: ["run", "--allow-all", "tools/docs.ts", "--check"] },
];

/** What others know by now: asked where it counts, and not at each change of a line. */
const ADVISORIES: Check = { name: "advisories", args: ["run", "--allow-all", "tools/advisories.ts"] };

const TESTS: readonly Check[] = [
  { name: "tests", args: ["run", "--allow-all", "tools/test.ts", `--coverage=${COVERAGE_FOLDER}`] },
  {
    name: `coverage of at least ${COVERAGE_FLOOR} %`,
    args: [
      "coverage",
      "--quiet",
      "--include=/(lib|routes|cli|origin)/",
      `--threshold=${COVERAGE_FLOOR}`,
      COVERAGE_FOLDER,
    ],
  },
];

/** Runs every check, however many fail, and returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { "no-tests": { type: "boolean" }, release: { type: "boolean" } },
  });
  const failed: string[] = [];
  for (const check of [...CHECKS, ...advisories(values.release ?? false)]) {
    if (!await passes(check, CHECK_LIMIT_MS)) failed.push(check.name);
  }
  for (const check of values["no-tests"] ? [] : TESTS) if (!await passes(check, TEST_LIMIT_MS)) failed.push(check.name);
  say(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

/** A release is not made of packages of which nobody could be asked; a run of CI is not red for that. */
function advisories(isRelease: boolean): Check[] {
  if (isRelease) return [{ ...ADVISORIES, args: [...ADVISORIES.args, "--strict"] }];
  return Deno.env.get("CI") === "true" ? [ADVISORIES] : [];
}

/** What a check prints is shown only when it fails, but for its notes. */
async function passes({ name, args }: Check, limitMs: number): Promise<boolean> {
  const lines: string[] = [];
  const startMs = performance.now();
  const { exitCode } = await runDeno(args, { onLine: (line) => lines.push(line), limitMs });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  say(`${exitCode === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  lines.filter((line) => exitCode === 0 ? line.startsWith("note: ") : !isMark(line)).forEach(say);
  return exitCode === 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
