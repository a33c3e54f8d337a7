import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonPath } from "../../../../../origin/platform/jsonpath/ast.ts";
import { JsonPathError } from "../../../../../origin/platform/jsonpath/lexer.ts";
import { textMatcher } from "../../../../../origin/platform/jsonpath/like_regex.ts";
import { BudgetError, pathMatches } from "../../../../../origin/platform/jsonpath/matcher.ts";
import { parseJsonPath } from "../../../../../origin/platform/jsonpath/parser.ts";

interface Recorded {
  readonly matches: readonly (readonly [unknown, string, boolean])[];
  readonly syntax: readonly (readonly [string, boolean])[];
}

const recorded: Recorded = JSON.parse(Deno.readTextFileSync("tests/fixtures/jsonpath.json"));
const PATTERN = /like_regex "((?:[^"\\]|\\.)*)"(?: flag "(\w+)")?/g;

async function matches(path: string, value: unknown, left = 1_000_000): Promise<boolean> {
  const matchers = new Map();
  for (const [, pattern = "", flags = ""] of path.matchAll(PATTERN)) {
    matchers.set(`${flags}/${pattern}`, await textMatcher(pattern, flags));
  }
  const matcherOf = (pattern: string, flags: string) => matchers.get(`${flags}/${pattern}`);
  return pathMatches(parseJsonPath(path), value, { matcherOf, budget: { left } });
}

Deno.test("pathMatches() answers as PostgreSQL does", async () => {
  for (const [value, path, expected] of recorded.matches) {
    assert.equal(await matches(path, value), expected, `${JSON.stringify(value)} @? '${path}'`);
  }
});

Deno.test("parseJsonPath() takes and refuses what PostgreSQL does", () => {
  for (const [path, isTaken] of recorded.syntax) {
    if (isTaken) assert.ok(parseJsonPath(path), path);
    else assert.throws(() => parseJsonPath(path), JsonPathError, path);
  }
});

Deno.test("pathMatches() knows the examples of the API's document", async () => {
  const value = { study: "high", score: 0.8, tags: ["draft", "b"], resources: { gpu_count: 3, memory_gb: 16 } };
  const cases: readonly (readonly [string, boolean])[] = [
    ["$.study", true],
    ["$.other", false],
    ['$.study ? (@ == "high")', true],
    ["$.score ? (@ > 0.75)", true],
    ["$.score ? (@ > 0.85)", false],
    ['$.tags[*] ? (@ == "draft")', true],
    ['$.tags[*] ? (@ == "a" || @ == "b")', true],
    ["$.resources ? (@.gpu_count > 2 && @.memory_gb >= 16)", true],
    ['$.study ? (@ like_regex "^HI" flag "i")', true],
    ["study", true],
    ['study ? (@ == "low")', false],
  ];
  for (const [path, expected] of cases) assert.equal(await matches(path, value), expected, path);
});

Deno.test("pathMatches() sees own members only", async () => {
  for (const name of ["constructor", "__proto__", "toString", "length"]) {
    assert.equal(await matches(`$.${name}`, {}), false, name);
  }
  assert.equal(await matches("$.__proto__.a", JSON.parse('{"__proto__": {"a": 1}}')), true);
});

Deno.test("pathMatches() gives up when its budget is spent", async () => {
  const wide = { a: Array.from({ length: 1000 }, (_, index) => index) };
  const heavy = [
    "$.a[*] ? (@ < $.a[*] - 5000)",
    "$.a[*] ? ($.a == $.none)",
    "$.a[*] ? ($.* == $.none)",
  ];
  for (const path of heavy) await assert.rejects(matches(path, wide, 100_000), BudgetError, path);
  const deep = Array.from({ length: 150 }).reduce<unknown>((inner) => [inner], 1);
  await assert.rejects(matches("$.** ? (@.** ? (@.** == 5000) == 5000)", deep, 100_000), BudgetError);
  await assert.rejects(matches('$ ? (@ like_regex "x")', "a".repeat(10_000), 5_000), BudgetError);
});

Deno.test("parseJsonPath() refuses any text with JsonPathError or reads it", () => {
  const words = fc.constantFrom(
    "$",
    "@",
    ".a",
    "[*]",
    "[0]",
    " ? (",
    ")",
    "==",
    "&&",
    '"x"',
    "1",
    "!",
    "exists(",
    ".**",
    "to",
    "last",
    "\\",
  );
  const texts = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.array(words, { maxLength: 20 }).map((parts) => parts.join("")),
  );
  fc.assert(fc.property(texts, (text) => {
    const path = readOrRefuse(text);
    if (path !== undefined) {
      pathMatches(path, { a: [1, "x"] }, { matcherOf: () => () => true, budget: { left: 100_000 } });
    }
  }));
});

function readOrRefuse(text: string): JsonPath | undefined {
  try {
    return parseJsonPath(text);
  } catch (error) {
    assert.ok(error instanceof JsonPathError, text);
    return undefined;
  }
}

Deno.test("parseJsonPath() refuses what is too long or nested without end", () => {
  assert.throws(() => parseJsonPath("$" + ".a".repeat(500)), JsonPathError);
  assert.throws(() => parseJsonPath("(".repeat(1000)), JsonPathError);
  assert.throws(() => parseJsonPath("-".repeat(1000)), JsonPathError);
});

Deno.test("textMatcher() takes linear time and refuses what would not", async () => {
  const evil = await textMatcher("(a+)+$", "");
  assert.equal(evil(`${"a".repeat(50_000)}!`), false);
  for (const pattern of ["(", "(?=a)", "(a)\\1", "a{1001}"]) {
    await assert.rejects(textMatcher(pattern, ""), JsonPathError, pattern);
  }
  for (const flags of ["z", "x", "i g"]) await assert.rejects(textMatcher("a", flags), JsonPathError, flags);
  assert.equal((await textMatcher("a.b", "q"))("xa.bx"), true);
  assert.equal((await textMatcher("a.b", "q"))("aab"), false);
  assert.equal((await textMatcher("^b$", "m"))("a\nb"), true);
  assert.equal((await textMatcher("a.b", "s"))("a\nb"), true);
});

Deno.test("textMatcher() refuses patterns that repeat too much, and tells what a character costs", async () => {
  for (const pattern of ["(a?){999}".repeat(90), `(${"a?".repeat(400)}){999}`, "((a{10}b){10}c){10}".repeat(20)]) {
    await assert.rejects(textMatcher(pattern, ""), /repeats too much/);
  }
  for (const pattern of ["^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}$", "\\d{4}-\\d{2}", "[]{9999}]{3}", "a{,5}", "x{2"]) {
    await textMatcher(pattern, "i");
  }
  assert.equal((await textMatcher("abc", "")).cost, 1.25);
  assert.ok(((await textMatcher("(a?){500}a{500}", "")).cost ?? 0) > 500);
});

Deno.test("pathMatches() spends for a pattern what the pattern costs", async () => {
  const path = '$ ? (@ like_regex "(a?){500}a{500}")';
  await assert.rejects(matches(path, "a".repeat(100), 50_000), BudgetError);
  assert.equal(await matches(path, "a", 50_000), false);
});
