import { ALL, GRANTS, type Right } from "./grants.ts";
import type { Form, Program } from "./programs.ts";
import type { Site } from "./site.ts";

/** A flag that is the same at every site. */
export interface FixedFlag {
  readonly flag: string;
  readonly forms: readonly Form[];
  readonly reason: string;
}

const MIB = 1024 ** 2;

/** Flags of every program. */
export const FIXED_FLAGS: readonly FixedFlag[] = [
  {
    flag: "--no-prompt",
    forms: ["compiled", "launcher"],
    reason: "What is not granted is refused, and nobody is asked.",
  },
  {
    flag: "--ignore-env",
    forms: ["compiled", "launcher"],
    reason: "A variable that is not granted is not set, instead of an error: packages look for dozens.",
  },
  {
    flag: "--deny-import",
    forms: ["compiled", "launcher"],
    reason: "No code comes over the network (takes effect together with `--cached-only`).",
  },
  {
    flag: "--cached-only",
    forms: ["compiled", "launcher"],
    reason: "Closes the seven hosts that Deno lets every program import from.",
  },
  { flag: "--no-remote", forms: ["launcher"], reason: "The program is one file: nothing else is imported." },
  { flag: "--no-npm", forms: ["launcher"], reason: "The same for packages." },
  {
    flag: "--no-config",
    forms: ["compiled", "launcher"],
    reason: "No deno.json is looked for, in the working folder or above the program.",
  },
  { flag: "--no-lock", forms: ["launcher"], reason: "No lock file is looked for or written." },
  { flag: "--quiet", forms: ["launcher"], reason: "Standard error belongs to the program's log." },
  {
    flag: "--v8-flags=--max-semi-space-size=1",
    forms: ["compiled", "launcher"],
    reason: "Young objects are collected early, so that an idle service stays small.",
  },
  {
    flag: "--unstable-no-legacy-abort",
    forms: ["compiled", "launcher"],
    reason: "A request's signal says that its caller has left, not that its answer is finished.",
  },
  {
    flag: "--unstable-net",
    forms: ["compiled", "launcher"],
    reason:
      "A server shares its port with its successor, so that it is never closed. Which addresses may be used is granted below, as ever.",
  },
];

/** A variable that the runtime of every program gets. */
export interface RuntimeVariable {
  readonly name: string;
  readonly value: string;
  readonly reason: string;
}

/** What the runtime of every program gets beside its settings and the folder of its code cache. */
export const RUNTIME_VARIABLES: readonly RuntimeVariable[] = [
  { name: "DENO_NO_UPDATE_CHECK", value: "1", reason: "The runtime asks nobody for a newer one." },
  {
    name: "MALLOC_ARENA_MAX",
    value: "2",
    reason: "A pool of memory for each of the runtime's many threads would hold on to what none of them needs.",
  },
  {
    name: "MALLOC_MMAP_THRESHOLD_",
    value: String(4 * MIB),
    reason:
      "Larger pieces go back to the system as soon as they are released. It is fixed, or the C library would raise it.",
  },
  { name: "MALLOC_TRIM_THRESHOLD_", value: String(MIB), reason: "So does what is free at the end of a pool." },
];

/** Names of the variables that a program may read. */
export function grantedVariables(program: Program, site: Site): readonly string[] {
  return grantedRights(program, site).get("env") ?? [];
}

/** What a program may do at a site, by kind of right; an empty list means everything of that kind. */
export function grantedRights(program: Program, site: Site): ReadonlyMap<Right, readonly string[]> {
  const rights = new Map<Right, readonly string[]>();
  for (const { right, programs, values } of GRANTS) {
    const granted = programs.includes(program) ? values(site) : [];
    if (granted.length > 0) rights.set(right, [...new Set([...rights.get(right) ?? [], ...granted])]);
  }
  return new Map([...rights].map(([right, values]) => [right, values.includes(ALL) ? [] : values]));
}

/** The whole list of flags for `deno run` or `deno compile`. */
export function programFlags(program: Program, site: Site, form: Form): string[] {
  const fixed = FIXED_FLAGS.filter(({ forms }) => forms.includes(form)).map(({ flag }) => flag);
  const granted = [...grantedRights(program, site)].map(([right, values]) =>
    values.length === 0 ? `--allow-${right}` : `--allow-${right}=${values.join(",")}`
  );
  return [...fixed, ...granted];
}
