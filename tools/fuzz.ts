import { parseArgs } from "node:util";
import { fuzz } from "../tests/fuzz/fuzz.ts";
import type { ParserCase } from "../tests/fuzz/parser_case.ts";
import { allParsers } from "../tests/fuzz/parsers.ts";
import { say } from "./say.ts";

const RUNS = 1_000_000;
/** Between two pieces Ctrl-C is heard, and progress told. */
const PIECE_RUNS = 1_000;
const PROGRESS_MS = 10_000;
const FOUND = 1;
const USAGE_FAULT = 2;
const INTERRUPTED = 130;
const USAGE = `usage: deno task fuzz [NAME…] [--runs ${RUNS}] [--seed NUMBER] [--list]
NAME is a part of a parser's name; without one, all are tried`;

/** The command line asks for something that does not exist. */
class UsageFault extends Error {}

interface Options {
  readonly names: readonly string[];
  readonly runs: number;
  readonly seed: number;
  readonly list: boolean;
}

/** What has come of all parsers so far. */
interface Tally {
  parsers: number;
  cases: number;
  readonly failed: string[];
}

/** Tries parsers with inputs that nobody has written down. @returns the exit code: 0, 1 when something was found, 130 by Ctrl-C */
async function main(options: Options): Promise<number> {
  const chosen = (await allParsers()).filter(({ name }) => isChosen(name, options.names));
  if (chosen.length === 0) throw new UsageFault(`No parser is called ${options.names.join(" or ")}: see --list`);
  if (options.list) chosen.forEach(({ name, modules }) => say(`${name} (${modules.join(", ")})`));
  return options.list ? 0 : await tryAll(chosen, options);
}

async function tryAll(chosen: readonly ParserCase[], options: Options): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  const signals = ["SIGINT", "SIGTERM"] as const;
  signals.forEach((name) => Deno.addSignalListener(name, interrupt));
  const startMs = Date.now();
  const tally: Tally = { parsers: 0, cases: 0, failed: [] };
  say(`seed ${options.seed}: ${chosen.length} parsers, ${options.runs} cases each`);
  for (const parser of chosen) {
    if (stop.signal.aborted) break;
    await tryOne(parser, options, tally, stop.signal);
  }
  signals.forEach((name) => Deno.removeSignalListener(name, interrupt));
  const seconds = Math.round((Date.now() - startMs) / 1000);
  say(`${tally.parsers} parsers, ${tally.cases} cases, ${tally.failed.length} failed, in ${seconds} s`);
  tally.failed.forEach((name) => say(`failed: ${name}`));
  if (tally.failed.length > 0) return FOUND;
  return stop.signal.aborted ? INTERRUPTED : 0;
}

async function tryOne(parser: ParserCase, { runs, seed }: Options, tally: Tally, signal: AbortSignal): Promise<void> {
  let toldMs = Date.now();
  let done = 0;
  for (let piece = 0; done < runs && !signal.aborted; piece++) {
    const result = await fuzz(parser, { runs: Math.min(PIECE_RUNS, runs - done), seed: seed + piece });
    done += result.runs;
    tally.cases += result.runs;
    if (result.failure !== undefined) {
      tally.failed.push(parser.name);
      say(`FAILED ${parser.name}\n${result.failure}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve)); // signals come between turns of the event loop
    if (Date.now() - toldMs < PROGRESS_MS) continue;
    toldMs = Date.now();
    say(`${parser.name}: ${done} of ${runs}`);
  }
  if (done >= runs) tally.parsers++;
  say(`${done >= runs ? "ok" : "interrupted"} ${parser.name}: ${done} cases`);
}

function isChosen(name: string, parts: readonly string[]): boolean {
  return parts.length === 0 || parts.some((part) => name.toLowerCase().includes(part.toLowerCase()));
}

function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { runs: { type: "string" }, seed: { type: "string" }, list: { type: "boolean" } },
    allowPositionals: true,
  });
  return {
    names: positionals,
    runs: wholeNumber("--runs", values.runs ?? String(RUNS)),
    seed: wholeNumber("--seed", values.seed ?? freshSeed()),
    list: values.list ?? false,
  };
}

function freshSeed(): string {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  return String(number >>> 1);
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new UsageFault(`${flag} must be a whole number`);
  return Number(text);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) say(USAGE);
  else {
    try {
      Deno.exit(await main(parseOptions(Deno.args)));
    } catch (error) {
      if (!(error instanceof UsageFault)) throw error;
      say(`${error.message}\n${USAGE}`);
      Deno.exit(USAGE_FAULT);
    }
  }
}
