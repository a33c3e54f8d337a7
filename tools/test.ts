import { join } from "node:path";
import { parseArgs } from "node:util";
import { type PeerName, peerVariable } from "../tests/support/peers.ts";
import { FAULT_PAGE, faultTable, withFaultTable } from "./fault_table.ts";
import { ensurePeers, type Peer } from "./peers.ts";
import { runDeno, type RunResult } from "./run.ts";
import { say } from "./say.ts";
import { TestOutput } from "./test_output.ts";
import { leaksIn, WITNESS_VARIABLE } from "./witness.ts";
import { judge, parseReport, type TestCase } from "./test_report.ts";

const LIMIT_MS = 45 * 60_000;
const STALL_MS = 3 * 60_000;
const SLOWEST_SHOWN = 5;
const SLOW_SECONDS = 1;
const USAGE = "usage: deno task test [--filter TEXT] [--coverage FOLDER] [--write-faults] [PATH…]";
const EVERYTHING = ["tests/"];

interface Options {
  readonly paths: readonly string[];
  readonly filter: string | undefined;
  /** Folder for raw coverage data. */
  readonly coverage: string | undefined;
  /** Whether a missing peer or a skipped test is a failure. */
  readonly strict: boolean;
  /** Make the table of faults from this run, in place of comparing it with one of all tests. */
  readonly writesFaults: boolean;
}

interface Outcome {
  readonly result: RunResult;
  /** Text of the JUnit report, when one was written. */
  readonly report: string | undefined;
  /** Secrets that tests use, in what they have recorded. */
  readonly leaks: readonly string[];
  /** The test that did not end. */
  readonly unfinished: string | undefined;
}

/** Runs the tests and returns the exit code: 0 only when tests were run and nothing failed. */
async function main(options: Options): Promise<number> {
  const peers = await ensurePeers();
  const outcome = await runTests(options, peers);
  const { lines, exitCode } = conclude(options, outcome, missingPeers(peers));
  lines.slice(0, -1).forEach(say);
  const fault = exitCode === 0 ? await faultTableFault(options, outcome) : undefined;
  if (fault !== undefined) say(fault);
  say(lines.at(-1) ?? "");
  return fault === undefined ? exitCode : 1;
}

/** Writes the table of what faults come to, or says that it is not what the tests have shown. */
async function faultTableFault(
  { paths, writesFaults }: Options,
  { report = "" }: Outcome,
): Promise<string | undefined> {
  if (!writesFaults && paths !== EVERYTHING) return undefined;
  const { cases, skipped } = parseReport(report);
  if (skipped > 0) return undefined;
  const page = await Deno.readTextFile(FAULT_PAGE);
  const made = withFaultTable(page, faultTable(cases.map(({ name }) => name)));
  if (made === page) return undefined;
  if (!writesFaults) return `${FAULT_PAGE} is not what the tests have shown: run "deno task reliability"`;
  await Deno.writeTextFile(FAULT_PAGE, made);
  return undefined;
}

function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { filter: { type: "string" }, coverage: { type: "string" }, "write-faults": { type: "boolean" } },
    allowPositionals: true,
  });
  return {
    paths: positionals.length > 0 ? positionals : EVERYTHING,
    filter: values.filter,
    coverage: values.coverage,
    strict: Deno.env.get("CI") === "true",
    writesFaults: values["write-faults"] ?? false,
  };
}

/** What the tests leave in the temporary folder goes with it. */
async function runTests(
  options: Options,
  peers: ReadonlyMap<PeerName, Peer>,
): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "tally-" });
  const reportPath = join(folder, "junit.xml");
  const witness = await Deno.makeTempDir({ prefix: "tally-witness-" });
  try {
    const output = new TestOutput(say);
    const result = await runDeno(testArguments(options, reportPath), {
      env: { ...peerVariables(peers), TMPDIR: folder, [WITNESS_VARIABLE]: witness, NO_COLOR: "1" },
      onLine: (line) => output.take(line),
      limitMs: LIMIT_MS,
      stallMs: STALL_MS,
      isProgress: (line) => !/ has been running for over /.test(line),
    });
    const leaks = await leaksIn(witness);
    return { result, report: await readReport(reportPath), leaks, unfinished: output.unfinished };
  } finally {
    await removeFolder(folder);
    await removeFolder(witness);
  }
}

async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => say(`Cannot remove "${path}": ${error.message}`));
}

function testArguments({ filter, coverage, paths }: Options, reportPath: string): string[] {
  return [
    ...["test", "--allow-all", "--quiet", `--junit-path=${reportPath}`],
    ...(filter === undefined ? [] : [`--filter=${filter}`]),
    ...(coverage === undefined ? [] : [`--coverage=${coverage}`, "--clean", "--coverage-raw-data-only"]),
    ...paths,
  ];
}

function peerVariables(peers: ReadonlyMap<PeerName, Peer>): Record<string, string> {
  const found = [...peers].flatMap(([name, peer]) => "path" in peer ? [[peerVariable(name), peer.path]] : []);
  return Object.fromEntries(found);
}

function missingPeers(peers: ReadonlyMap<PeerName, Peer>): string[] {
  return [...peers].flatMap(([name, peer]) => "missing" in peer ? [`missing peer ${name}: ${peer.missing}`] : []);
}

async function readReport(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function conclude(
  { strict, filter }: Options,
  { result: { exitCode, end }, report, leaks, unfinished }: Outcome,
  missing: readonly string[],
): { lines: string[]; exitCode: number } {
  const { passed, failed, faults } = judge({ exitCode, report });
  const { cases, skipped } = report === undefined ? { cases: [], skipped: 0 } : parseReport(report);
  const skippedByUs = filter === undefined ? skipped : 0; // what a filter leaves out is reported as skipped, too
  const failures = failed + leaks.length + (strict ? missing.length + skippedByUs : 0);
  const lines = [
    ...slowest(cases).map(({ name, file, seconds }) => `slow: ${seconds.toFixed(1)} s ${name} (${file})`),
    ...missing,
    ...(skippedByUs > 0 ? [`${skippedByUs} skipped`] : []),
    ...(end === "exited" ? [] : [`The tests were ${end}, in: ${unfinished ?? "no test"}`]),
    ...faults,
    ...leaks,
    `${passed} passed, ${failures} failed`,
  ];
  if (end === "interrupted") return { lines, exitCode: 130 };
  return { lines, exitCode: exitCode === 0 && failures === 0 && faults.length === 0 ? 0 : 1 };
}

function slowest(cases: readonly TestCase[]): TestCase[] {
  const slow = cases.filter(({ seconds }) => seconds >= SLOW_SECONDS);
  return slow.sort((one, other) => other.seconds - one.seconds).slice(0, SLOWEST_SHOWN);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) say(USAGE);
  else Deno.exit(await main(parseOptions(Deno.args)));
}
