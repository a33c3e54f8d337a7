import assert from "node:assert/strict";
import { type ModuleFacts, readModule } from "./support/architecture/module_facts.ts";
import { checkLeftovers, checkModule, findCycles, SOURCE_ROOTS } from "./support/architecture/rules.ts";
import { typescriptFiles } from "./support/architecture/source_files.ts";

function readModules(roots: readonly string[]): ModuleFacts[] {
  return typescriptFiles(roots).map((path) => readModule(path, Deno.readTextFileSync(path)));
}

const source = readModules(SOURCE_ROOTS);

Deno.test("architecture: every module stays on its layer and leaves the outside world to its owners", () => {
  assert.ok(source.length > 10, `only ${source.length} modules were found`);
  assert.deepEqual(source.flatMap(checkModule), []);
});

Deno.test("architecture: no import cycles", () => {
  assert.deepEqual(findCycles(source), []);
});

Deno.test("architecture: no leftovers in tests, tools and benchmarks", () => {
  assert.deepEqual(readModules(["tests", "tools", "bench"]).flatMap(checkLeftovers), []);
});

Deno.test("architecture: a support or fault test that runs our program, or has a log, records what it says where no secret may be", () => {
  const silent = typescriptFiles(["tests/support", "tests/fault"]).filter((path) => {
    const code = Deno.readTextFileSync(path);
    return /\b(thisProgram|createLogger)\(/.test(code) && !/\b(record(Output|edLines)|runningService)\(/.test(code);
  });
  assert.deepEqual(silent, [], "see tests/support/witness.ts");
});

/** Each bad module, and what must be said about it. */
const BAD: readonly { path: string; code: string; expected: string }[] = [
  {
    path: "lib/split/x.ts",
    code: 'import "../resources/load.ts";',
    expected: "imports lib/resources/load.ts, which does not stand below it",
  },
  {
    path: "lib/split/x.ts",
    code: 'import "../cdn/store.ts";',
    expected: "imports lib/cdn/store.ts, which does not stand below it",
  },
  {
    path: "lib/split/x.ts",
    code: 'const load = () => import("../cdn/store.ts");',
    expected: "imports lib/cdn/store.ts, which does not stand below it",
  },
  {
    path: "lib/split/x.ts",
    code: 'type Store = import("../cdn/store.ts").ObjectStore;',
    expected: "imports lib/cdn/store.ts, which does not stand below it",
  },
  {
    path: "cli/x.ts",
    code: 'import { a } from "../origin/serve.ts";',
    expected: "imports origin/serve.ts, which does not stand below it",
  },
  {
    path: "lib/split/x.ts",
    code: 'import "../../tests/support/peers.ts";',
    expected: "imports tests/support/peers.ts, which is not shipped",
  },
  { path: "lib/split/x.ts", code: 'export * from "./names.ts";', expected: 're-exports "./names.ts"' },
  {
    path: "lib/cdn/x.ts",
    code: 'import { S3Client } from "@aws-sdk/client-s3";',
    expected: 'imports "@aws-sdk/client-s3" at start',
  },
  {
    path: "lib/cdn/x.ts",
    code: 'import { writeFile } from "node:fs/promises";',
    expected: 'imports "node:fs/promises"',
  },
  {
    path: "lib/cdn/x.ts",
    code: 'await fetch("http://a.example");',
    expected: "uses fetch: fetch belongs to lib/http/client.ts",
  },
  { path: "lib/cdn/x.ts", code: 'globalThis.fetch("http://a.example");', expected: "uses fetch" },
  { path: "lib/cdn/x.ts", code: "open({ http: fetch });", expected: "uses fetch" },
  { path: "lib/cdn/x.ts", code: 'new Deno.Command("ls");', expected: "uses Deno.Command: child processes belongs to" },
  {
    path: "lib/cdn/x.ts",
    code: 'Deno["writeFileSync"]("a", bytes);',
    expected: "uses Deno.writeFileSync: file writes",
  },
  {
    path: "lib/cdn/x.ts",
    code: 'await Deno.open("a", { write: true });',
    expected: "uses Deno.open for writing: file writes",
  },
  { path: "lib/cdn/x.ts", code: 'await Deno.open("a", options);', expected: "uses Deno.open for writing: file writes" },
  { path: "lib/cdn/x.ts", code: "const { exit } = Deno;", expected: "uses Deno.exit: the exit belongs to main.ts" },
  { path: "lib/cdn/x.ts", code: "const all = Deno;", expected: "uses Deno.*" },
  { path: "lib/cdn/x.ts", code: "const age = Date.now();", expected: "uses Date.now: the clock" },
  { path: "lib/cdn/x.ts", code: "const today = new Date();", expected: "uses new Date(): the clock" },
  { path: "lib/cdn/x.ts", code: 'globalThis.Deno.env.get("HOME");', expected: "uses Deno.env: the environment" },
  { path: "lib/cdn/x.ts", code: "Deno.stdout.writeSync(bytes);", expected: "uses Deno.stdout: standard output" },
  {
    path: "lib/cdn/x.ts",
    code: 'console.log("hello");',
    expected: "uses console.log: the console belongs to origin/oidc/library.ts",
  },
  { path: "lib/cdn/x.ts", code: "let count = 0;", expected: "let at module level is state at import" },
  { path: "lib/cdn/x.ts", code: "await start();", expected: "await outside of a function" },
  { path: "lib/cdn/x.ts", code: "export const a = 1;", expected: '"export const a = 1;" has no docstring' },
  { path: "lib/cdn/x.ts", code: `// ${"TO"}DO: later`, expected: "must not stay" },
  { path: "lib/cdn/x.ts", code: "const a = b as unknown as string;", expected: '"as unknown as" must not stay' },
  { path: "lib/cdn/x.ts", code: 'Deno.test.only("a", () => {});', expected: '".only(" must not stay' },
];

for (const { path, code, expected } of BAD) {
  Deno.test(`architecture: refuses ${code} in ${path}`, () => {
    const found = checkModule(readModule(path, `\n${code}\n`));
    assert.ok(found.some((line) => line.startsWith(`${path}:2: `) && line.includes(expected)), JSON.stringify(found));
  });
}

Deno.test("architecture: does not take comments, texts and names of others for a use", () => {
  const code = [
    "// fetch(url); Deno.exit(1)",
    'import type { S3Client } from "@aws-sdk/client-s3";',
    'import { parseName } from "../split/names.ts";',
    'const text = "Deno.exit(1); console.log(1)";',
    "app.fetch(new Request(url)); new Date(0); const table = { fetch: 1 };",
    'const file = () => Deno.open("a", { read: true });',
    'const sdk = () => import("@aws-sdk/client-s3");',
  ].join("\n");
  assert.deepEqual(checkModule(readModule("lib/cdn/x.ts", code)), []);
});

Deno.test("architecture: refuses a module that stands on no layer", () => {
  const found = checkModule(readModule("lib/helpers.ts", ""));
  assert.deepEqual(found, ["lib/helpers.ts:1: stands on no layer of tests/support/architecture/layers.ts"]);
});

Deno.test("architecture: finds a cycle over three modules once", () => {
  const module = (name: string, next: string) => readModule(`lib/cdn/${name}.ts`, `import "./${next}.ts";`);
  const cycles = findCycles([module("a", "b"), module("b", "c"), module("c", "a"), module("d", "a")]);
  assert.deepEqual(cycles, ["lib/cdn/a.ts -> lib/cdn/b.ts -> lib/cdn/c.ts -> lib/cdn/a.ts"]);
});
