/** What is shipped: one program with three sets of rights. */
export const PROGRAMS = ["device", "origin", "cli"] as const;

/** One of {@link PROGRAMS}. */
export type Program = typeof PROGRAMS[number];

/** Processors that there are builds for, as the kernel names them. */
export const ARCHITECTURES = ["aarch64", "x86_64"] as const;

/** One of {@link ARCHITECTURES}. */
export type Architecture = typeof ARCHITECTURES[number];

/** A compiled file, or one that unpacks the runtime beside the program. */
export type Form = "compiled" | "launcher";

/** Name of the file that is shipped. */
export function shippedName(program: Program, architecture: Architecture): string {
  return `tally-${program}-${architecture}`;
}

/** A word of the command line that must be one of `words`. @throws {Error} naming them */
export function known<T extends string>(words: readonly T[], word: string): T {
  const found = words.find((candidate) => candidate === word);
  if (found === undefined) throw new Error(`"${word}" is none of ${words.join(", ")}`);
  return found;
}
