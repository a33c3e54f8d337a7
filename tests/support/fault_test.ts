/** A real fault, what meets it, and what comes of it: one row of `docs/reliability.md`. */
export interface FaultCase {
  /** Where the fault is. */
  readonly area: "network" | "server" | "disk" | "process" | "docker" | "clock";
  /** In a few words, such as `link goes down for 3 s`. */
  readonly fault: string;
  /** What was under way, such as `load (v2)`. */
  readonly operation: string;
  /** What a user sees in the end, such as `goes on where it stopped; same bytes`. */
  readonly outcome: string;
  /** Where a peer is missing: the row is not in the table then, and CI fails. */
  readonly ignore?: boolean;
}

const MARK = "fault";

/** A test that injects a real fault. Its row in the table of `docs/reliability.md` is made from its name, when it has passed. */
export function faultTest(faultCase: FaultCase, body: (t: Deno.TestContext) => Promise<void>): void {
  const { ignore = false } = faultCase;
  Deno.test({ name: faultName(faultCase), ignore, fn: body });
}

/** The name of a fault's test. */
export function faultName({ area, operation, fault, outcome }: FaultCase): string {
  return [MARK, area, operation, fault, outcome].join(" | ");
}
