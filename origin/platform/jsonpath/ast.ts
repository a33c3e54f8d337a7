/** What a JSONPath gives: a sequence of JSON values. */
export type Expression =
  | { readonly kind: "root" | "current" }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "access"; readonly of: Expression; readonly steps: readonly Step[] }
  | { readonly kind: "arithmetic"; readonly operator: Operator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "sign"; readonly operator: "+" | "-"; readonly of: Expression }
  | { readonly kind: "last" };

/** Of two numbers. */
export type Operator = "+" | "-" | "*" | "/" | "%";

/** How two values are compared. */
export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** One step from values to values. */
export type Step =
  | { readonly kind: "member"; readonly name: string }
  | { readonly kind: "anyMember" | "anyElement" }
  | { readonly kind: "elements"; readonly ranges: readonly Subscript[] }
  | { readonly kind: "descendants"; readonly from: number; readonly to: number }
  | { readonly kind: "filter"; readonly predicate: Predicate }
  | { readonly kind: "method"; readonly name: Method };

/** `[from]` or `[from to to]`. */
export interface Subscript {
  readonly from: Expression;
  readonly to: Expression | undefined;
}

/** Functions of one value. */
export const METHODS = ["type", "size", "double", "ceiling", "floor", "abs"] as const;

/** One of {@link METHODS}. */
export type Method = typeof METHODS[number];

/** What is true, false or unknown. */
export type Predicate =
  | { readonly kind: "and" | "or"; readonly left: Predicate; readonly right: Predicate }
  | { readonly kind: "not" | "unknown"; readonly of: Predicate }
  | { readonly kind: "compare"; readonly comparison: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "exists"; readonly of: Expression }
  | { readonly kind: "startsWith"; readonly of: Expression; readonly prefix: string }
  | { readonly kind: "likeRegex"; readonly of: Expression; readonly pattern: string; readonly flags: string };

/** A whole JSONPath. */
export interface JsonPath {
  readonly mode: "lax" | "strict";
  /** A predicate at the top gives one value, so that it always matches. */
  readonly body: Expression | Predicate;
}

const PREDICATES: ReadonlySet<string> = new Set([
  ...["and", "or", "not", "unknown", "compare", "exists", "startsWith", "likeRegex"],
]);

/** Whether a node is a predicate. */
export function isPredicate(node: Expression | Predicate): node is Predicate {
  return PREDICATES.has(node.kind);
}
