import { join } from "node:path";
import { parseArgs } from "node:util";
import project from "../../deno.json" with { type: "json" };
import { folderState } from "../../lib/system/folders.ts";
import { run, runDeno } from "../run.ts";
import { say } from "../say.ts";
import { ARCHITECTURES, PROGRAMS } from "./programs.ts";

/** What a release is judged by before anything is made. */
export interface ReleaseFacts {
  readonly version: string;
  /** Text of CHANGELOG.md. */
  readonly changelog: string;
  /** Lines of `git status --porcelain`. */
  readonly changes: readonly string[];
  /** Whether files of another release lie where this one goes. */
  readonly folderIsTaken: boolean;
}

const GIT_LIMIT_MS = 60_000;
const CHECKS_LIMIT_MS = 40 * 60_000;
const COMPILE_LIMIT_MS = 10 * 60_000;
const COMPILE = join(import.meta.dirname ?? "", "compile.ts");
const OK = join(import.meta.dirname ?? "", "../ok.ts");
const USAGE = "usage: deno task release --site FILE --sign KEY.pem [--out FOLDER]";

/** Why a release cannot be made: a sentence for each reason, none when it can. */
export function releaseFaults({ version, changelog, changes, folderIsTaken }: ReleaseFacts): string[] {
  const faults: string[] = [];
  if (!changelog.split("\n").some((line) => line.startsWith(`## [${version}]`))) {
    faults.push(`CHANGELOG.md has no part "## [${version}]"`);
  }
  if (changes.length > 0) faults.push(`Not everything is committed: ${changes.join(",")}`);
  if (folderIsTaken) faults.push("The folder of the release is not empty");
  return faults;
}

/** Checks everything, and makes every program for every processor, with sums, bill of materials and signature. */
async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sign: { type: "string" },
      site: { type: "string" },
      out: { type: "string", default: join("dist", project.version) },
      help: { type: "boolean" },
    },
  });
  if (values.help) return say(USAGE), 0;
  if (values.sign === undefined || values.site === undefined) return say(USAGE), 2;
  const faults = releaseFaults(await factsOf(values.out));
  if (faults.length > 0) return faults.forEach(say), 1;
  const checks = await runDeno(["run", "--allow-all", OK, "--release"], { limitMs: CHECKS_LIMIT_MS });
  if (checks.exitCode !== 0) return checks.exitCode;
  const common = ["--site", values.site, "--sign", values.sign, "--out", values.out];
  for (const program of PROGRAMS) {
    for (const architecture of ARCHITECTURES) {
      const wanted = ["--program", program, "--target", architecture, ...common];
      const made = await runDeno(["run", "--quiet", "--allow-all", COMPILE, ...wanted], { limitMs: COMPILE_LIMIT_MS });
      if (made.exitCode !== 0) return made.exitCode;
    }
  }
  return 0;
}

async function factsOf(out: string): Promise<ReleaseFacts> {
  const changes: string[] = [];
  const onLine = (line: string) => void changes.push(line);
  const { exitCode } = await run("git", ["status", "--porcelain"], { onLine, limitMs: GIT_LIMIT_MS });
  if (exitCode !== 0) throw new Error("A release is made from a git repository");
  return {
    version: project.version,
    changelog: await Deno.readTextFile("CHANGELOG.md"),
    changes,
    folderIsTaken: ["filled", "not_a_folder"].includes(await folderState(out)),
  };
}

if (import.meta.main) Deno.exit(await main(Deno.args));
