/** Prints one line; the tools print nowhere else. */
export function say(line: string): void {
  // deno-lint-ignore no-console
  console.log(line);
}
