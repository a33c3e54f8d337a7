import { join } from "node:path";

/** How many processes run tests at a time, at most. */
const JOBS_LIMIT = 4;
/** Fewer files are not worth a second start of the runtime. */
const LEAST_FILES = 40;
/** Small enough that all processes end at about the same time. */
const BATCHES_PER_JOB = 5;

/** Test files that one process runs. */
export type Batch = readonly string[];

/**
 * The test files of some paths, dealt into batches so that neighbours, which take about as long as each other, lie in different ones.
 * A single batch of the paths themselves when there are few.
 */
export async function testBatches(paths: readonly string[], jobs: number): Promise<readonly Batch[]> {
  const files = (await Promise.all(paths.map(testFiles))).flat().sort();
  if (jobs === 1 || files.length < LEAST_FILES) return [paths];
  const count = jobs * BATCHES_PER_JOB;
  return Array.from({ length: count }, (_, batch) => files.filter((_, index) => index % count === batch));
}

/** How many processes this machine runs well. */
export function testJobs(): number {
  return Math.max(1, Math.min(JOBS_LIMIT, navigator.hardwareConcurrency));
}

/** Lets `jobs` work on the items, each taking the next one when it is done with one; results are in the order of the items. */
export async function inParallel<T, R>(items: readonly T[], jobs: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const next = items.entries();
  await Promise.all(Array.from({ length: jobs }, async () => {
    for (const [index, item] of next) results[index] = await work(item);
  }));
  return results;
}

async function testFiles(path: string): Promise<string[]> {
  if (!(await Deno.stat(path)).isDirectory) return [path];
  const entries = await Array.fromAsync(Deno.readDir(path));
  const below = await Promise.all(entries.map(async ({ name, isDirectory, isFile }) => {
    if (isDirectory) return await testFiles(join(path, name));
    return isFile && name.endsWith("_test.ts") ? [join(path, name)] : [];
  }));
  return below.flat();
}
