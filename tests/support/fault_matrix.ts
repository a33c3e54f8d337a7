import assert from "node:assert/strict";
import { faultTest } from "./fault_test.ts";
import type { FaultyProxy, NetworkFault } from "./faulty_proxy.ts";
import type { Attempt, Ended, Operation } from "./network_attempt.ts";
import type { NetworkSite } from "./network_site.ts";

/** What comes of a fault: how the operation ends, and that in words. */
export interface Outcome {
  /** One of these, where it depends on who is faster. */
  readonly ends: readonly Ended[];
  /** As the table of `docs/reliability.md` says it. */
  readonly text: string;
}

/** A fault of the network, and what comes of it for each operation. */
export interface MatrixFault {
  /** As the table of `docs/reliability.md` says it. */
  readonly text: string;
  readonly where: "api" | "cdn";
  /** `gone`: the server's port is closed, and with it all connections. */
  readonly fault: NetworkFault | "gone";
  /** How often the operation is asked for at the same time; once, unless it is said. */
  readonly together?: number;
  /** By name of the operation; the others are not asked. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

/** How the rows are run. */
export interface MatrixOptions {
  readonly operations: readonly Operation[];
  readonly start: () => Promise<NetworkSite>;
  /** Where a peer is missing. */
  readonly ignore: boolean;
}

/**
 * A test for each fault and operation. The first of these tests runs them all: the operations at the same time, each with its own device and
 * proxies, and the faults one after the other. After each fault the operation must be done by the same device, without a restart.
 */
export function faultMatrix(faults: readonly MatrixFault[], options: MatrixOptions): void {
  let results: ReadonlyMap<string, unknown> | undefined;
  for (const { text: fault, outcomes } of faults) {
    for (const [operation, { text: outcome }] of Object.entries(outcomes)) {
      faultTest({ area: "network", fault, operation, outcome, ignore: options.ignore }, async () => {
        results ??= await runAll(faults, options);
        const name = rowName(fault, operation);
        assert(results.has(name), `"${operation}" is no operation`);
        if (results.get(name) !== undefined) throw results.get(name);
      });
    }
  }
}

/** @returns what failed, by row; `undefined` where nothing did */
async function runAll(
  faults: readonly MatrixFault[],
  { operations, start }: MatrixOptions,
): Promise<ReadonlyMap<string, unknown>> {
  await using site = await start();
  const failures = new Map<string, unknown>();
  await Promise.all(operations.map((operation) => runOperation(site, operation, faults, failures)));
  assert.deepEqual(await site.unfinishedUploads(), []);
  return failures;
}

async function runOperation(
  site: NetworkSite,
  operation: Operation,
  faults: readonly MatrixFault[],
  failures: Map<string, unknown>,
): Promise<void> {
  const met = faults.filter(({ outcomes }) => operation.name in outcomes);
  if (met.length === 0) return;
  await using attempt = await operation.begin(site);
  for (const matrixFault of met) {
    const failure = await runOne(attempt, matrixFault, operation).then(() => undefined, (error) => error);
    await attempt[matrixFault.where].heal();
    failures.set(rowName(matrixFault.text, operation.name), failure);
  }
}

async function runOne(attempt: Attempt, matrixFault: MatrixFault, { name }: Operation): Promise<void> {
  const { where, fault, outcomes, together = 1 } = matrixFault;
  await attempt.prepare();
  const { struck } = await begin(fault, attempt[where]);
  const running = Promise.all(Array.from({ length: together }, () => attempt.run()));
  running.catch(() => {}); // told below
  await Promise.race([struck, running]);
  await attempt.health();
  const allEnded = await running;
  if (fault !== "gone") assert(attempt[where].strikes > 0, "the fault has not met anything");
  for (const ended of allEnded) {
    assert(outcomes[name]?.ends.includes(ended), `it ended otherwise: ${ended}`);
    await attempt.verify(ended);
  }
  await attempt[where].heal();
  assert.equal(await attempt.run(), "done", "after the fault");
  await attempt.verify("done");
}

/** @returns what resolves when the fault has met a connection; at once for a port that is closed */
async function begin(fault: MatrixFault["fault"], proxy: FaultyProxy): Promise<{ struck: Promise<void> }> {
  if (fault !== "gone") return { struck: proxy.begin(fault) };
  await proxy.vanish();
  return { struck: Promise.resolve() };
}

function rowName(fault: string, operation: string): string {
  return `${operation}, ${fault}`;
}
