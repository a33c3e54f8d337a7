import { processEnvironment } from "../../lib/system/environment.ts";

/** Numbers in [0, 1) that look random and can be had again. @see "Mulberry32", public domain */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Other numbers in each run, and the seed that brings them again: `TALLY_TEST_SEED`. */
export function seededRandom(): { readonly seed: number; readonly next: () => number } {
  const seed = Number(processEnvironment("TALLY_TEST_SEED") ?? Date.now() % 2 ** 31);
  return { seed, next: randomNumbers(seed) };
}
