/** Reads one variable of the process's environment; empty counts as not set. The only place that reads it. */
export type Environment = (name: string) => string | undefined;

/** The environment of this process. */
export const processEnvironment: Environment = (name) => Deno.env.get(name) || undefined;

/** Every variable, for a program that a person has named and that needs them as if it were started by hand. */
export function wholeEnvironment(): Readonly<Record<string, string>> {
  return Deno.env.toObject();
}

/** Sets variables for the time of `make`, which must not wait for anything; `undefined` stands for one that is not set. */
export function withVariables<T>(variables: Readonly<Record<string, string | undefined>>, make: () => T): T {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) setVariable(name, value);
  try {
    return make();
  } finally {
    for (const [name, value] of before) setVariable(name, value);
  }
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) Deno.env.delete(name);
  else Deno.env.set(name, value);
}
