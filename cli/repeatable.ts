import { Option } from "commander";

/** A flag that may be given several times; its value is the list of all. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description}; may be given several times`)
    .default([], "none")
    .argParser((value: string, before: readonly string[]) => [...before, value]);
}
