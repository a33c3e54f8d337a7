import fc from "fast-check";
import type { ParserCase } from "./parser_case.ts";

/** How long and with what a parser is tried. */
export interface FuzzOptions {
  readonly runs: number;
  /** The same seed gives the same cases. */
  readonly seed: number;
}

/** What came of it. */
export interface FuzzResult {
  /** Cases that were tried. */
  readonly runs: number;
  /** The smallest input that was found to break the property, and how; absent when nothing was. */
  readonly failure?: string;
}

/** Tries one parser. A synchronous one keeps the event loop until it has ended. */
export async function fuzz({ property }: ParserCase, { runs, seed }: FuzzOptions): Promise<FuzzResult> {
  const details = await fc.check(property, { numRuns: runs, seed, includeErrorInReport: false });
  if (!details.failed) return { runs: details.numRuns };
  return { runs: details.numRuns, failure: reportOf(details) };
}

function reportOf({ counterexample, seed, counterexamplePath, errorInstance }: fc.RunDetails<unknown>): string {
  const why = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
  return [`seed ${seed}, path ${counterexamplePath}`, `counterexample: ${fc.stringify(counterexample)}`, why].join(
    "\n",
  );
}
