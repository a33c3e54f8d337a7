import type { Comparison, Operator } from "./ast.ts";

/** A value of JSON. */
export type Json = unknown;

/** Whether something holds; `"unknown"` is the NULL of SQL. */
export type Verdict = boolean | "unknown";

/** Values of one kind are compared by it. */
export type Kind = "null" | "boolean" | "number" | "string" | "array" | "object";

/** A path cannot be walked in a value: `@?` then gives no answer at all, and a predicate is unknown. */
export class StructureError extends Error {}

const DECIMAL = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/** The kind of a value. */
export function kindOf(value: Json): Kind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as Kind;
}

/** Whether a value holds others. */
export function isContainer(value: Json): boolean {
  return typeof value === "object" && value !== null;
}

/** Values in the order of PostgreSQL's `jsonb`: short keys first. It decides what comes before the first error. */
export function storedOrder(object: object): Json[] {
  const entries = Object.entries(object).sort(([a], [b]) => a.length - b.length || codePointOrder(a, b));
  return entries.map(([, value]) => value);
}

/** A member of its own, in a list; `undefined` where there is none. */
export function memberOf(object: object, name: string): Json[] | undefined {
  return Object.hasOwn(object, name) ? [Object.getOwnPropertyDescriptor(object, name)?.value] : undefined;
}

/** What a comparison says of two values. */
export function compare(comparison: Comparison, a: Json, b: Json): Verdict {
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return a === null || b === null ? comparison === "!=" : "unknown";
  if (kind === "array" || kind === "object") return "unknown";
  const order = orderOf(a, b);
  if (comparison === "==") return order === 0;
  if (comparison === "!=") return order !== 0;
  if (comparison === "<") return order < 0;
  if (comparison === "<=") return order <= 0;
  return comparison === ">" ? order > 0 : order >= 0;
}

/** Of two values of one kind. Texts are ordered by their code points, as UTF-8 is. */
function orderOf(a: Json, b: Json): number {
  if (typeof a === "string" && typeof b === "string") return codePointOrder(a, b);
  return Number(a) - Number(b);
}

function codePointOrder(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    if (a.charCodeAt(index) === b.charCodeAt(index)) continue;
    return unitRank(a.charCodeAt(index)) - unitRank(b.charCodeAt(index));
  }
  return a.length - b.length;
}

/** A surrogate stands for a code point behind all others. */
function unitRank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** @throws {StructureError} a division by zero */
export function calculate(operator: Operator, left: number, right: number): number {
  if ((operator === "/" || operator === "%") && right === 0) throw new StructureError();
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  return operator === "/" ? left / right : left % right;
}

/** The number that a text says. @throws {StructureError} it says none */
export function decimal(text: string): number {
  if (!DECIMAL.test(text)) throw new StructureError();
  return Number(text);
}
