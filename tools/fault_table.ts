/** Where the table stands, between two marks. */
export const FAULT_PAGE = "docs/reliability.md";

const BEGIN = "<!-- made by: deno task reliability -->";
const END = "<!-- end -->";
const HEAD = ["| where | what was under way | fault | what comes of it |", "|---|---|---|---|"];
/** Between the name of a test and that of a step in it, in a report. */
const STEP = " > ";
const AREAS = ["network", "server", "disk", "process", "docker", "clock"];

/** The table of all fault tests (`tests/support/fault_test.ts`) among the names of tests that have passed. */
export function faultTable(names: readonly string[]): string {
  const whole = names.filter((name) => !name.includes(STEP));
  const rows = whole.map((name) => name.split(" | ")).filter(([mark, ...cells]) =>
    mark === "fault" && cells.length === 4
  );
  const lines = rows.map(([, ...cells]) => `| ${cells.join(" | ")} |`);
  return [...HEAD, ...[...new Set(lines)].sort(byAreaAndText)].join("\n");
}

/** The page with another table. @throws {Error} when it has no place for one */
export function withFaultTable(page: string, table: string): string {
  const [before, rest] = page.split(`${BEGIN}\n`);
  const after = rest?.split(`${END}\n`)[1];
  if (before === undefined || after === undefined) throw new Error(`${FAULT_PAGE} has no marks for its table`);
  return `${before}${BEGIN}\n${table}\n${END}\n${after}`;
}

function byAreaAndText(one: string, other: string): number {
  return areaIndex(one) - areaIndex(other) || (one < other ? -1 : 1);
}

function areaIndex(line: string): number {
  return AREAS.indexOf(line.split(" | ")[0]?.slice(2) ?? "");
}
