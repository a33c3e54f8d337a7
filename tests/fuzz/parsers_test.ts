import assert from "node:assert/strict";
import { fuzz } from "./fuzz.ts";
import { allParsers, WITHOUT_ROW } from "./parsers.ts";

/** `deno task fuzz` tries a million. */
const RUNS = 10_000;
/** Always the same: what fails is a change, and not bad luck. */
const SEED = 20_240_607;

/** What reads something that came from outside. */
const READS =
  /JSON\.parse\(|\bjsonValue\(|\bjsonOrUndefined\(|[sS]afeParse\(|\w+(Schema|Answer)\.parse\(|\bparseYaml\(|\bparseEnv\(|\.exec\(|fromBase64\(|decodeJwt\(|jwtVerify\(/;
const ROOTS = ["lib", "origin", "cli", "routes"];

const parsers = await allParsers();

for (const parser of parsers) {
  const wanted = parser.ciRuns ?? RUNS;
  Deno.test(`${parser.name} takes ${wanted} hostile inputs`, async () => {
    const { runs, failure } = await fuzz(parser, { runs: wanted, seed: SEED });
    assert.equal(failure, undefined, `${parser.name}: ${failure}`);
    assert.equal(runs, wanted);
  });
}

Deno.test("every module that reads something from outside is in the table of parsers, or says why not", async () => {
  const covered = new Set(parsers.flatMap(({ modules }) => modules));
  const reading: string[] = [];
  for (const root of ROOTS) {
    for (const path of await sourceFiles(root)) {
      if (READS.test(await Deno.readTextFile(path))) reading.push(path);
    }
  }
  assert.deepEqual(reading.filter((path) => !covered.has(path) && !Object.hasOwn(WITHOUT_ROW, path)), []);
  for (const path of [...covered, ...Object.keys(WITHOUT_ROW)]) {
    assert.ok((await Deno.stat(path)).isFile, `${path} is in the table`);
  }
  assert.deepEqual(Object.keys(WITHOUT_ROW).filter((path) => covered.has(path)), [], "a reason without a need");
});

async function sourceFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await sourceFiles(path));
    else if (name.endsWith(".ts")) found.push(path);
  }
  return found.sort();
}
