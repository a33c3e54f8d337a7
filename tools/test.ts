import { join } from "node:path";
import { parseArgs } from "node:util";
import { type PeerName, peerVariable } from "../tests/support/peers.ts";
import { FAULT_PAGE, faultTable, withFaultTable } from "./fault_table.ts";
import { ensurePeers, type Peer } from "./peers.ts";
import { runDeno, type RunResult } from "./run.ts";
import { say } from "./say.ts";
import { type Batch, inParallel, testBatches, testJobs } from "./test_batches.ts";
import { TestOutput } from "./test_output.ts";
import { judge, parseReport, type TestCase } from "./test_report.ts";
import { leaksIn, WITNESS_VARIABLE } from "./witness.ts";

const LIMIT_MS = 45 * 60_000;
const STALL_MS = 8 * 60_000;
const SLOWEST_SHOWN = 5;
const SLOW_SECONDS = 1;
/** More failures than this are no accident. */
const REPEATED_FAILURES = 4;
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

interface BatchOutcome {
  readonly files: Batch;
  readonly result: RunResult;
  /** Text of the JUnit report, when one was written. */
  readonly report: string | undefined;
  /** The test that did not end. */
  readonly unfinished: string | undefined;
}

interface Outcome {
  readonly batches: readonly BatchOutcome[];
  /** How the batches ended in which something had failed, when they were run once more. */
  readonly again?: BatchOutcome | undefined;
  /** Secrets that tests use, in what they have recorded. */
  readonly leaks: readonly string[];
}

/** Runs the tests and returns the exit code: 0 only when tests were run and nothing failed. */
async function main(options: Options): Promise<number> {
  const peers = await ensurePeers();
  if (options.coverage !== undefined) await Deno.remove(options.coverage, { recursive: true }).catch(unlessMissing);
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
  { batches }: Outcome,
): Promise<string | undefined> {
  if (!writesFaults && paths !== EVERYTHING) return undefined;
  const reports = batches.map(({ report = "" }) => parseReport(report));
  if (reports.some(({ skipped }) => skipped > 0)) return undefined;
  const page = await Deno.readTextFile(FAULT_PAGE);
  const names = reports.flatMap(({ cases }) => cases.map(({ name }) => name));
  const made = withFaultTable(page, faultTable(names));
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
async function runTests(options: Options, peers: ReadonlyMap<PeerName, Peer>): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "tally-" });
  const witness = await Deno.makeTempDir({ prefix: "tally-witness-" });
  try {
    const env = { ...peerVariables(peers), TMPDIR: folder, [WITNESS_VARIABLE]: witness, NO_COLOR: "1" };
    const jobs = testJobs();
    const all = await testBatches(options.paths, options.filter === undefined ? jobs : 1);
    if (all.length > 1 && !await typesAreRight()) return { batches: [NOT_RUN], leaks: [] };
    const runBatch = runnerOf(options, folder, env, all.length === 1);
    const batches = await inParallel(all, Math.min(jobs, all.length), runBatch);
    const files = all.length > 1 ? filesToRepeat(batches) : [];
    const again = files.length === 0 ? undefined : await runBatch(files);
    return { batches, again, leaks: await leaksIn(witness) };
  } finally {
    await removeFolder(folder);
    await removeFolder(witness);
  }
}

const NOT_RUN: BatchOutcome = {
  files: [],
  result: { exitCode: 1, end: "exited" },
  report: undefined,
  unfinished: undefined,
};

/** Looks at the types of everything once, and not in each batch. */
async function typesAreRight(): Promise<boolean> {
  const { exitCode } = await runDeno(["check", "--quiet", "."], { limitMs: LIMIT_MS });
  return exitCode === 0;
}

/**
 * The files of the batches with a few failures among thousands of tests with real faults in real processes: they are run once more, with the machine to
 * themselves, and the result says so. Many failures, or a run that did not end, are no accident.
 */
function filesToRepeat(batches: readonly BatchOutcome[]): Batch {
  const bad = batches.filter(hasFailed);
  const counts = bad.map(({ result, report }) =>
    result.end === "exited" && report !== undefined ? parseReport(report).failed : 0
  );
  return counts.every((failed) => failed > 0) && sum(counts) <= REPEATED_FAILURES
    ? bad.flatMap(({ files }) => files)
    : [];
}

/** Whether all that had failed has passed now: as many tests were run as before. */
function isMendedBy(again: BatchOutcome | undefined, batches: readonly BatchOutcome[]): boolean {
  if (again?.report === undefined || again.result.exitCode !== 0) return false;
  const before = batches.filter(hasFailed).map(({ report }) => parseReport(report ?? ""));
  const { passed, failed } = parseReport(again.report);
  return failed === 0 && passed >= sum(before.map((report) => report.passed + report.failed));
}

function hasFailed({ result: { exitCode } }: BatchOutcome): boolean {
  return exitCode !== 0;
}

/** Runs one batch after the other. What one of several prints is shown when it has ended, so that it stays together. */
function runnerOf(options: Options, folder: string, env: Readonly<Record<string, string>>, isAlone: boolean) {
  let isInterrupted = false;
  let count = 0;
  return async (batch: Batch): Promise<BatchOutcome> => {
    if (isInterrupted) return NOT_RUN;
    const reportPath = join(folder, `junit-${count++}.xml`);
    const lines: string[] = [];
    const output = new TestOutput(isAlone ? say : (line) => void lines.push(line));
    const result = await runDeno(testArguments(options, batch, { reportPath, isChecked: !isAlone }), {
      env,
      onLine: (line) => output.take(line),
      limitMs: LIMIT_MS,
      stallMs: STALL_MS,
      isProgress: (line) => !/ has been running for over /.test(line),
    });
    isInterrupted ||= result.end === "interrupted";
    lines.forEach(say);
    return { files: batch, result, report: await readReport(reportPath), unfinished: output.unfinished };
  };
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => say(`Cannot remove "${path}": ${error.message}`));
}

function testArguments(
  { filter, coverage }: Options,
  batch: Batch,
  { reportPath, isChecked }: { readonly reportPath: string; readonly isChecked: boolean },
): string[] {
  return [
    ...["test", "--allow-all", "--quiet", `--junit-path=${reportPath}`],
    ...(isChecked ? ["--no-check"] : []),
    ...(filter === undefined ? [] : [`--filter=${filter}`]),
    ...(coverage === undefined ? [] : [`--coverage=${coverage}`, "--coverage-raw-data-only"]),
    ...batch,
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
  { batches, again, leaks }: Outcome,
  missing: readonly string[],
): { lines: string[]; exitCode: number } {
  const verdicts = batches.map(({ result: { exitCode }, report }) => judge({ exitCode, report }));
  const isMended = isMendedBy(again, batches);
  const passed = sum(verdicts.map((verdict) => verdict.passed));
  const failed = sum(verdicts.map((verdict) => verdict.failed));
  const reports = batches.flatMap(({ report }) => report === undefined ? [] : [parseReport(report)]);
  const faults = [...new Set(verdicts.flatMap((verdict) => verdict.faults))];
  const skipped = filter === undefined ? sum(reports.map((report) => report.skipped)) : 0; // what a filter leaves out is reported as skipped, too
  const failures = (isMended ? 0 : failed) + leaks.length + (strict ? missing.length + skipped : 0);
  const ends = batches.filter(({ result: { end } }) => end !== "exited");
  const lines = [
    ...slowest(reports.flatMap(({ cases }) => cases))
      .map(({ name, file, seconds }) => `slow: ${seconds.toFixed(1)} s ${name} (${file})`),
    ...missing,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...ends.map(({ result: { end }, unfinished }) => `The tests were ${end}, in: ${unfinished ?? "no test"}`),
    ...faults,
    ...leaks,
    ...(isMended ? [`${failed} failed at first, and passed when all of their batch was run again`] : []),
    `${passed + (isMended ? failed : 0)} passed, ${failures} failed`,
  ];
  if (ends.some(({ result: { end } }) => end === "interrupted")) return { lines, exitCode: 130 };
  const isGood = isMended || !batches.some(hasFailed);
  return { lines, exitCode: isGood && failures === 0 && faults.length === 0 ? 0 : 1 };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function slowest(cases: readonly TestCase[]): TestCase[] {
  const slow = cases.filter(({ seconds }) => seconds >= SLOW_SECONDS);
  return slow.sort((one, other) => other.seconds - one.seconds).slice(0, SLOWEST_SHOWN);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) say(USAGE);
  else Deno.exit(await main(parseOptions(Deno.args)));
}
