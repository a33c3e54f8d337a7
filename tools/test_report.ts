/** One test, or one step of a test, that was run. */
export interface TestCase {
  readonly name: string;
  readonly file: string;
  readonly seconds: number;
}

/** What `deno test --junit-path` wrote. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cases: readonly TestCase[];
}

/** How a run of `deno test` ended, as the program that started it sees it. */
export interface TestRun {
  readonly exitCode: number;
  /** Text of the JUnit report; `undefined` when none was written. */
  readonly report: string | undefined;
}

/** What the last line of a test run says, and why it failed beyond single tests. */
export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly faults: readonly string[];
}

/** Reads a JUnit report of Deno. @throws {Error} when it is not whole */
export function parseReport(xml: string): TestReport {
  const suites = elements(xml, "testsuites")[0];
  if (suites === undefined || !xml.trimEnd().endsWith("</testsuites>")) throw new Error("The test report is cut off");
  const total = count(suites, "tests");
  const failed = count(suites, "failures") + count(suites, "errors");
  const skipped = elements(xml, "testsuite").reduce((sum, suite) => sum + count(suite, "disabled"), 0);
  const cases = elements(xml, "testcase").map((attributes) => ({
    name: attributes.get("name") ?? "",
    file: attributes.get("classname") ?? "",
    seconds: Number(attributes.get("time") ?? "0"),
  }));
  if (cases.length !== total) throw new Error(`The test report names ${cases.length} of ${total} tests`);
  return { passed: total - failed - skipped, failed, skipped, cases };
}

/**
 * Judges a run: a run that failed has at least one failure, whatever its report says (a module that throws at import is
 * in none), and a run that tested nothing is a failure too.
 */
export function judge({ exitCode, report }: TestRun): Verdict {
  if (report === undefined) return { passed: 0, failed: 1, faults: ["The tests did not run to their end"] };
  const { passed, failed } = parseReport(report);
  if (exitCode !== 0 && failed === 0) return { passed, failed: 1, faults: ["The run failed outside of a test"] };
  if (passed + failed === 0) return { passed, failed, faults: ["No test was run"] };
  return { passed, failed, faults: [] };
}

type Attributes = ReadonlyMap<string, string>;

/** Start tags of one kind. In an attribute or a text of the report, `<` and `>` are always escaped. */
function elements(xml: string, name: string): Attributes[] {
  return [...xml.matchAll(new RegExp(`<${name} ([^<>]*)>`, "g"))].map(([, text]) => attributesOf(text ?? ""));
}

function attributesOf(text: string): Attributes {
  return new Map([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key ?? "", unescape(value ?? "")]));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescape(text: string): string {
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name) => ENTITIES[name] ?? "");
}

function count(attributes: Attributes, name: string): number {
  return Number(attributes.get(name) ?? "0");
}

/** Whether a line is one of the marks that the dot reporter writes for each test; what stands between them is of interest. */
export function isMark(line: string): boolean {
  return /^[.,!]?$/.test(line);
}
