import { dirname, join } from "node:path/posix";
import { DATA_FILES, HEAVY_PACKAGES, LAYERS, OWNED_MODULES, OWNERS, SHARED_WITHIN_LAYER } from "./layers.ts";
import type { Fact, ImportFact, ModuleFacts } from "./module_facts.ts";

/** Folders and files of what is shipped. */
export const SOURCE_ROOTS = ["main.ts", "mod.ts", "lib", "routes", "cli", "origin"] as const;

/** All violations of one module by itself, each as `file:line: sentence`. */
export function checkModule(module: ModuleFacts): string[] {
  if (layerOf(module.path) === -1) {
    return [`${module.path}:1: stands on no layer of tests/support/architecture/layers.ts`];
  }
  return [
    ...module.imports.flatMap((fact) => checkImport(module.path, fact)),
    ...module.globals.flatMap((fact) => checkGlobal(module.path, fact)),
    ...module.moduleState.flatMap((fact) => checkModuleState(module.path, fact)),
    ...module.undocumented.map((fact) => violation(module.path, fact, `"${fact.text}" has no docstring`)),
    ...checkLeftovers(module),
  ];
}

/** What must not be left in any file, tests and tools included. */
export function checkLeftovers({ path, leftovers }: ModuleFacts): string[] {
  return leftovers.map((fact) => violation(path, fact, `"${fact.text}" must not stay`));
}

/** Import cycles among modules, each once, as `a.ts -> b.ts -> a.ts`. */
export function findCycles(modules: readonly ModuleFacts[]): string[] {
  const graph = new Map(
    modules.map(({ path, imports }) => [path, imports.flatMap((fact) => resolve(path, fact) ?? [])]),
  );
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) return void cycles.push([...trail.slice(start), path].join(" -> "));
    if (finished.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

function checkImport(path: string, fact: ImportFact): string[] {
  const target = resolve(path, fact);
  const complain = (rule: string) => [violation(path, fact, rule)];
  if (fact.kind === "reexport" && path !== "mod.ts") return complain(`re-exports "${fact.text}": only mod.ts may`);
  if (target === undefined) return checkPackage(path, fact);
  if (DATA_FILES.has(target)) return [];
  if (!isSource(target)) return complain(`imports ${target}, which is not shipped`);
  return mayImport(path, target) ? [] : complain(`imports ${target}, which does not stand below it`);
}

function checkPackage(path: string, fact: ImportFact): string[] {
  if (fact.kind === "static" && HEAVY_PACKAGES.has(fact.text)) {
    return [violation(path, fact, `imports "${fact.text}" at start: use await import() where it is needed`)];
  }
  const owners = OWNED_MODULES[fact.text];
  return owners === undefined || owners.includes(path) ? [] : [violation(path, fact, `imports "${fact.text}"`)];
}

function checkGlobal(path: string, fact: Fact): string[] {
  return OWNERS.filter(({ pattern, owners }) => pattern.test(fact.text) && !owners.includes(path)).map(
    ({ what, owners }) =>
      violation(path, fact, `uses ${fact.text}: ${what} belongs to ${owners.join(", ") || "nobody"}`),
  );
}

/** The entry of the program is the one module that runs something when it is imported. */
function checkModuleState(path: string, fact: Fact): string[] {
  return path === "main.ts" ? [] : [violation(path, fact, `${fact.text} at module level is state at import`)];
}

function mayImport(path: string, target: string): boolean {
  const from = layerOf(path);
  const to = layerOf(target);
  if (to > from) return true;
  return to === from && (unitOf(path) === unitOf(target) || SHARED_WITHIN_LAYER.has(target));
}

function layerOf(path: string): number {
  return LAYERS.findIndex((units) => units.some((unit) => covers(unit, path)));
}

function unitOf(path: string): string | undefined {
  return LAYERS.flat().find((unit) => covers(unit, path));
}

function covers(unit: string, path: string): boolean {
  return unit.endsWith("/") ? path.startsWith(unit) : path === unit;
}

function isSource(path: string): boolean {
  return SOURCE_ROOTS.some((root) => path === root || path.startsWith(`${root}/`));
}

/** Path of a relative import from the root of the repository; `undefined` for a package. */
function resolve(path: string, { text }: ImportFact): string | undefined {
  return text.startsWith(".") ? join(dirname(path), text) : undefined;
}

function violation(path: string, { line }: Fact, rule: string): string {
  return `${path}:${line}: ${rule}`;
}
