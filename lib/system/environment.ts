/** Reads one variable of the process's environment; empty counts as not set. The only place that reads it. */
export type Environment = (name: string) => string | undefined;

/** The environment of this process. */
export const processEnvironment: Environment = (name) => Deno.env.get(name) || undefined;
