import assert from "node:assert/strict";
import { type FaultCase, faultTest } from "./fault_test.ts";
import type { Attempt, Ended, MakeFront, Operation } from "./network_attempt.ts";
import type { NetworkSite } from "./network_site.ts";

/** What comes of a fault: how the operation ends, and that in words. */
export interface Outcome {
  /** One of these, where it depends on who is faster. */
  readonly ends: readonly Ended[];
  /** As the table of `docs/reliability.md` says it. */
  readonly text: string;
}

/** A fault, and what comes of it for each operation. */
export interface MatrixFault<Fault> {
  /** As the table of `docs/reliability.md` says it. */
  readonly text: string;
  readonly where: "api" | "cdn";
  readonly fault: Fault;
  /** How often the operation is asked for at the same time; once, unless it is said. */
  readonly together?: number;
  /** By name of the operation; the others are not asked. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

/** How the rows are run. */
export interface MatrixOptions<Fault> {
  readonly area: FaultCase["area"];
  /** What brings the faults. */
  readonly front: MakeFront<Fault>;
  readonly operations: readonly Operation[];
  readonly start: () => Promise<NetworkSite>;
  /** Where a peer is missing. */
  readonly ignore: boolean;
}

/** Some rows, and how they are run. */
export interface Matrix<Fault> {
  readonly faults: readonly MatrixFault<Fault>[];
  readonly options: MatrixOptions<Fault>;
}

/**
 * A test for each fault and operation. The first of these tests runs them all: the operations at the same time, each with a device for the faults
 * before the API and one for those before the CDN, and these faults one after the other. After each fault the operation must be done by the same device, without a restart.
 */
export function faultMatrix<Fault>(faults: readonly MatrixFault<Fault>[], options: MatrixOptions<Fault>): void {
  faultMatrices([{ faults, options }]);
}

/** The same for several sites, each with its own faults; these are run at the same time, too. */
export function faultMatrices<Fault>(matrices: readonly Matrix<Fault>[]): void {
  let results: ReadonlyMap<string, unknown> | undefined;
  for (const { faults, options: { area, ignore } } of matrices) {
    for (const { text: fault, outcomes } of faults) {
      for (const [operation, { text: outcome }] of Object.entries(outcomes)) {
        faultTest({ area, fault, operation, outcome, ignore }, async () => {
          results ??= new Map((await Promise.all(matrices.map(runAll))).flatMap((failures) => [...failures]));
          const name = rowName(fault, operation);
          assert(results.has(name), `"${operation}" is no operation`);
          if (results.get(name) !== undefined) throw results.get(name);
        });
      }
    }
  }
}

/** @returns what failed, by row; `undefined` where nothing did */
async function runAll<Fault>(
  { faults, options: { operations, front, start } }: Matrix<Fault>,
): Promise<ReadonlyMap<string, unknown>> {
  await using site = await start();
  const failures = new Map<string, unknown>();
  const places = ["api", "cdn"].map((place) => faults.filter(({ where }) => where === place));
  const chains = operations.flatMap((operation) =>
    places.map((met) => runChain(() => operation.begin(site, front), operation, met, failures))
  );
  await Promise.all(chains);
  assert.deepEqual(await site.unfinishedUploads(), []);
  return failures;
}

async function runChain<Fault>(
  begin: () => Promise<Attempt<Fault>>,
  operation: Operation,
  faults: readonly MatrixFault<Fault>[],
  failures: Map<string, unknown>,
): Promise<void> {
  const met = faults.filter(({ outcomes }) => operation.name in outcomes);
  if (met.length === 0) return;
  await using attempt = await begin();
  for (const matrixFault of met) {
    const failure = await runOne(attempt, matrixFault, operation).then(() => undefined, (error) => error);
    await attempt[matrixFault.where].heal();
    failures.set(rowName(matrixFault.text, operation.name), failure);
  }
}

async function runOne<Fault>(
  attempt: Attempt<Fault>,
  matrixFault: MatrixFault<Fault>,
  { name }: Operation,
): Promise<void> {
  const { where, fault, outcomes, together = 1 } = matrixFault;
  await attempt.prepare();
  const struck = attempt[where].begin(fault);
  const running = Promise.all(Array.from({ length: together }, () => attempt.run()));
  running.catch(() => {}); // told below
  await Promise.race([struck, running]);
  await attempt.health();
  const allEnded = await running;
  assert(attempt[where].strikes > 0, "the fault has not met anything");
  for (const ended of allEnded) {
    assert(outcomes[name]?.ends.includes(ended), `it ended otherwise: ${ended}`);
    await attempt.verify(ended);
  }
  await attempt[where].heal();
  assert.equal(await attempt.run(), "done", "after the fault");
  await attempt.verify("done");
}

function rowName(fault: string, operation: string): string {
  return `${operation}, ${fault}`;
}
