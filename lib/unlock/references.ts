/** Those of `expected` that are not among `present`; `docker.io/` and `docker.io/library/` before a name do not matter. */
export function missingImages(expected: readonly string[], present: readonly string[]): string[] {
  const names = new Set(present.map(familiarName));
  return expected.filter((reference) => !names.has(familiarName(reference)));
}

function familiarName(reference: string): string {
  return reference.replace(/^docker\.io\/(library\/)?/, "");
}

/** `"a", "b" and "c"`, for a sentence. */
export function quotedList(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}`;
}
