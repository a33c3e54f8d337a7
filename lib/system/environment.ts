/** Reads one variable of the process's environment; empty counts as not set. The only place that reads it. */
export type Environment = (name: string) => string | undefined;

/** The environment of this process. */
export const processEnvironment: Environment = (name) => Deno.env.get(name) || undefined;

/** Every variable, for a program that a person has named and that needs them as if it were started by hand. */
export function wholeEnvironment(): Readonly<Record<string, string>> {
  return Deno.env.toObject();
}
