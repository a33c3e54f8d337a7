import { type Expression, isPredicate, type JsonPath, type Predicate, type Step, type Subscript } from "./ast.ts";
import type { TextMatcher } from "./like_regex.ts";
import {
  calculate,
  compare,
  decimal,
  isContainer,
  type Json,
  kindOf,
  memberOf,
  storedOrder,
  StructureError,
  type Verdict,
} from "./values.ts";

/** The values took too much work. */
export class BudgetError extends Error {}

/** Work that may still be done: about one for each value that is looked at, and one for each character that is searched. */
export interface Budget {
  left: number;
}

const MAX_INDEX = 0x7fffffff;

/** Finds the matcher of a pattern. */
export type MatcherOf = (pattern: string, flags: string) => TextMatcher;

/**
 * Whether a path finds anything in a value, as `value @? path` of PostgreSQL has it.
 * @throws {BudgetError}
 */
export function pathMatches(path: JsonPath, value: Json, { matcherOf, budget }: {
  readonly matcherOf: MatcherOf;
  readonly budget: Budget;
}): boolean {
  const walk = new Walk(path.mode, value, matcherOf, budget);
  try {
    return walk.finds(path.body);
  } catch (error) {
    if (error instanceof StructureError) return false;
    throw error;
  }
}

/** Where an expression stands. */
interface Scope {
  readonly current: Json;
  /** Of the innermost array that is subscribed. */
  readonly lastIndex: number;
  /** Whether a missing member counts as nothing; always in lax mode, and behind `.**`. */
  readonly forgiving: boolean;
}

class Walk {
  readonly #lax: boolean;
  readonly #root: Json;
  readonly #matcherOf: MatcherOf;
  readonly #budget: Budget;

  constructor(mode: JsonPath["mode"], root: Json, matcherOf: MatcherOf, budget: Budget) {
    this.#lax = mode === "lax";
    this.#root = root;
    this.#matcherOf = matcherOf;
    this.#budget = budget;
  }

  finds(body: Expression | Predicate): boolean {
    const scope = { current: this.#root, lastIndex: -1, forgiving: this.#lax };
    if (isPredicate(body)) {
      this.#judge(body, scope);
      return true;
    }
    const values = this.#values(body, scope);
    if (this.#lax) return !values.next().done;
    return [...values].length > 0; // an error anywhere is one
  }

  *#values(expression: Expression, scope: Scope): Generator<Json> {
    this.#spend(1);
    switch (expression.kind) {
      case "root":
        return yield this.#root;
      case "current":
        return yield scope.current;
      case "last":
        return yield scope.lastIndex;
      case "literal":
        return yield expression.value;
      case "access":
        return yield* this.#steps(expression.steps, 0, this.#values(expression.of, scope), scope);
      case "sign":
        for (const value of this.#unwrapped(expression.of, scope)) {
          const number = this.#number(value);
          yield expression.operator === "-" ? -number : number;
        }
        return;
      case "arithmetic": {
        const left = this.#number(this.#single(expression.left, scope));
        const right = this.#number(this.#single(expression.right, scope));
        return yield calculate(expression.operator, left, right);
      }
    }
  }

  *#steps(steps: readonly Step[], index: number, values: Iterable<Json>, scope: Scope): Generator<Json> {
    const step = steps[index];
    if (step === undefined) return yield* values;
    const forgiving = scope.forgiving || step.kind === "descendants";
    for (const value of values) {
      yield* this.#steps(steps, index + 1, this.#step(step, value, { ...scope, forgiving }), { ...scope, forgiving });
    }
  }

  *#step(step: Step, value: Json, scope: Scope): Generator<Json> {
    this.#spend(1);
    switch (step.kind) {
      case "member":
        return yield* this.#members(value, scope, (object) => memberOf(object, step.name));
      case "anyMember":
        return yield* this.#members(value, scope, (object) => [...this.#each(storedOrder(object))]);
      case "anyElement":
        if (Array.isArray(value)) return yield* this.#each(value);
        if (!this.#lax && !scope.forgiving) throw new StructureError();
        if (this.#lax) yield value;
        return;
      case "elements":
        return yield* this.#elements(step.ranges, value, scope);
      case "descendants":
        return yield* this.#descendants(value, step.from, step.to, 0);
      case "filter":
        for (const each of this.#lax && Array.isArray(value) ? value : [value]) {
          if (this.#judge(step.predicate, { ...scope, current: each }) === true) yield each;
        }
        return;
      case "method":
        return yield* this.#method(step.name, value);
    }
  }

  *#members(value: Json, scope: Scope, pick: (object: object) => Json[] | undefined): Generator<Json> {
    if (this.#lax && Array.isArray(value)) {
      for (const each of value) {
        this.#spend(1);
        if (kindOf(each) === "object") yield* pick(each as object) ?? [];
      }
      return;
    }
    const found = kindOf(value) === "object" ? pick(value as object) : undefined;
    if (found === undefined && !scope.forgiving) throw new StructureError();
    yield* found ?? [];
  }

  *#elements(ranges: readonly Subscript[], value: Json, scope: Scope): Generator<Json> {
    if (!Array.isArray(value) && !this.#lax) {
      if (scope.forgiving) return;
      throw new StructureError();
    }
    const array: readonly Json[] = Array.isArray(value) ? value : [value];
    const inside = { ...scope, lastIndex: array.length - 1 };
    for (const { from, to } of ranges) {
      const first = this.#index(from, inside);
      const last = to === undefined ? first : this.#index(to, inside);
      const isOutside = first < 0 || first > last || last >= array.length;
      if (isOutside && !scope.forgiving) throw new StructureError();
      yield* this.#each(array.slice(Math.max(0, first), last + 1));
    }
  }

  *#descendants(value: Json, from: number, to: number, level: number): Generator<Json> {
    this.#spend(1);
    // `last` means the leaves only, and the value itself is none
    const isWanted = from === Infinity ? to === from && level > 0 && !isContainer(value) : level >= from && level <= to;
    if (isWanted) yield value;
    if (level >= to || !isContainer(value)) return;
    for (const each of Array.isArray(value) ? value : storedOrder(value as object)) {
      yield* this.#descendants(each, from, to, level + 1);
    }
  }

  *#method(name: string, value: Json): Generator<Json> {
    if (name === "type") return yield kindOf(value);
    if (name === "size") {
      if (!Array.isArray(value) && !this.#lax) throw new StructureError();
      return yield Array.isArray(value) ? value.length : 1;
    }
    for (const each of this.#lax && Array.isArray(value) ? value : [value]) {
      const number = name === "double" && typeof each === "string" ? decimal(each) : this.#number(each);
      if (name === "ceiling") yield Math.ceil(number);
      else if (name === "floor") yield Math.floor(number);
      else if (name === "abs") yield Math.abs(number);
      else yield number;
    }
  }

  /** The values of an operand: in lax mode an array stands for its elements. */
  *#unwrapped(expression: Expression, scope: Scope): Generator<Json> {
    for (const value of this.#values(expression, scope)) {
      if (this.#lax && Array.isArray(value)) yield* this.#each(value);
      else yield value;
    }
  }

  *#each(values: readonly Json[]): Generator<Json> {
    for (const value of values) {
      this.#spend(1);
      yield value;
    }
  }

  #single(expression: Expression, scope: Scope): Json {
    const values = [...this.#unwrapped(expression, scope)];
    if (values.length !== 1) throw new StructureError();
    return values[0];
  }

  #index(expression: Expression, scope: Scope): number {
    const values = [...this.#values(expression, scope)];
    if (values.length !== 1) throw new StructureError();
    const index = Math.trunc(this.#number(values[0]));
    if (Math.abs(index) > MAX_INDEX) throw new StructureError();
    return index;
  }

  #number(value: Json): number {
    if (typeof value !== "number") throw new StructureError();
    return value;
  }

  #judge(predicate: Predicate, scope: Scope): Verdict {
    this.#spend(1);
    switch (predicate.kind) {
      case "and":
        return both(this.#judge(predicate.left, scope), () => this.#judge(predicate.right, scope));
      case "or":
        return not(both(not(this.#judge(predicate.left, scope)), () => not(this.#judge(predicate.right, scope))));
      case "not":
        return not(this.#judge(predicate.of, scope));
      case "unknown":
        return this.#judge(predicate.of, scope) === "unknown";
      case "exists":
        return this.#exists(predicate.of, scope);
      case "compare": {
        const { comparison, left, right } = predicate;
        const rights = this.#operand(right, scope);
        if (rights === undefined) return "unknown";
        return this.#any(left, scope, rights, (a, b) => compare(comparison, a, b));
      }
      case "startsWith":
        return this.#any(
          predicate.of,
          scope,
          [predicate.prefix],
          (value, prefix) => typeof value === "string" ? value.startsWith(String(prefix)) : "unknown",
        );
      case "likeRegex": {
        const matches = this.#matcherOf(predicate.pattern, predicate.flags);
        return this.#any(predicate.of, scope, [null], (value) => {
          if (typeof value !== "string") return "unknown";
          this.#spend(value.length * (matches.cost ?? 1));
          return matches(value);
        });
      }
    }
  }

  #exists(expression: Expression, scope: Scope): Verdict {
    try {
      const values = this.#values(expression, scope);
      return this.#lax ? !values.next().done : [...values].length > 0;
    } catch (error) {
      if (error instanceof StructureError) return "unknown";
      throw error;
    }
  }

  #operand(expression: Expression, scope: Scope): Json[] | undefined {
    try {
      return [...this.#unwrapped(expression, scope)];
    } catch (error) {
      if (error instanceof StructureError) return undefined;
      throw error;
    }
  }

  /** True when it is for any pair; in strict mode every pair must be known. */
  #any(left: Expression, scope: Scope, rights: readonly Json[], test: (a: Json, b: Json) => Verdict): Verdict {
    const lefts = this.#operand(left, scope);
    if (lefts === undefined) return "unknown";
    let verdict: Verdict = false;
    for (const a of lefts) {
      for (const b of rights) {
        this.#spend(1);
        const one = test(a, b);
        if (one === "unknown" && !this.#lax) return "unknown";
        if (one === true && this.#lax) return true;
        if (one !== false && verdict !== true) verdict = one;
      }
    }
    return verdict;
  }

  #spend(work: number): void {
    this.#budget.left -= work;
    if (this.#budget.left < 0) throw new BudgetError();
  }
}

function both(left: Verdict, right: () => Verdict): Verdict {
  if (left === false) return false;
  const second = right();
  if (second === false) return false;
  return left === true && second === true ? true : "unknown";
}

function not(verdict: Verdict): Verdict {
  return verdict === "unknown" ? verdict : !verdict;
}
