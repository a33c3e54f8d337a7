import type { State } from "../state.ts";
import { invalid } from "./problems.ts";
import { type Expression, isPredicate, type JsonPath, type Predicate, type Step } from "./jsonpath/ast.ts";
import { JsonPathError } from "./jsonpath/lexer.ts";
import { type TextMatcher, textMatcher } from "./jsonpath/like_regex.ts";
import { type Budget, BudgetError, pathMatches } from "./jsonpath/matcher.ts";
import { parseJsonPath } from "./jsonpath/parser.ts";

/** Filters rows by their metadata. */
export interface MetadataFilter {
  /** Value for the parameter of `(? IS NULL OR metadata_matches(?, custom_metadata))`. */
  readonly key: string | null;
  /** Runs the query that has it. @throws {InvalidRequestError} the filter is too much work for these rows */
  run<T>(query: () => T): T;
  [Symbol.dispose](): void;
}

/** Values that are looked at for one request: about a second. */
const BUDGET = 5_000_000;

interface ActiveFilter {
  readonly path: JsonPath;
  readonly matchers: ReadonlyMap<string, TextMatcher>;
  readonly budget: Budget;
}

/** Makes the filters of requests, and lends them to the database as its function `metadata_matches`. */
export class MetadataFilters {
  readonly #active = new Map<string, ActiveFilter>();

  constructor(state: State) {
    state.define("metadata_matches", (key, metadata) => this.#matches(String(key), metadata) ? 1 : 0);
  }

  /** @param path JSONPath; without one everything passes. @throws {InvalidRequestError} it is none */
  async open(path: string | undefined): Promise<MetadataFilter> {
    const key = path === undefined ? null : crypto.randomUUID();
    if (path !== undefined && key !== null) this.#active.set(key, await activeFilter(path));
    return {
      key,
      run: (query) => {
        try {
          return query();
        } catch (error) {
          if ((this.#active.get(key ?? "")?.budget.left ?? 0) >= 0) throw error;
          throw invalid("query", "custom_metadata", "The filter takes too much work: name fewer values");
        }
      },
      [Symbol.dispose]: () => void this.#active.delete(key ?? ""),
    };
  }

  #matches(key: string, metadata: unknown): boolean {
    const filter = this.#active.get(key);
    if (filter === undefined || typeof metadata !== "string") return false;
    filter.budget.left -= metadata.length / 16; // reading it
    if (filter.budget.left < 0) throw new BudgetError();
    const matcherOf = (pattern: string, flags: string) => {
      const found = filter.matchers.get(`${flags}/${pattern}`);
      if (found === undefined) throw new Error("A pattern was not compiled");
      return found;
    };
    return pathMatches(filter.path, JSON.parse(metadata), { matcherOf, budget: filter.budget });
  }
}

async function activeFilter(text: string): Promise<ActiveFilter> {
  try {
    const path = parseJsonPath(text);
    const matchers = new Map<string, TextMatcher>();
    for (const { pattern, flags } of patternsOf(path.body)) {
      matchers.set(`${flags}/${pattern}`, await textMatcher(pattern, flags));
    }
    return { path, matchers, budget: { left: BUDGET } };
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    throw invalid("query", "custom_metadata", error.message);
  }
}

type LikeRegex = Extract<Predicate, { kind: "likeRegex" }>;

/** All patterns of a path, wherever they stand. */
function patternsOf(node: Expression | Predicate): LikeRegex[] {
  if (isPredicate(node)) {
    switch (node.kind) {
      case "and":
      case "or":
        return [...patternsOf(node.left), ...patternsOf(node.right)];
      case "compare":
        return [...patternsOf(node.left), ...patternsOf(node.right)];
      case "likeRegex":
        return [node, ...patternsOf(node.of)];
      default:
        return patternsOf(node.of);
    }
  }
  if (node.kind === "arithmetic") return [...patternsOf(node.left), ...patternsOf(node.right)];
  if (node.kind === "sign") return patternsOf(node.of);
  if (node.kind !== "access") return [];
  return [...patternsOf(node.of), ...node.steps.flatMap(patternsOfStep)];
}

function patternsOfStep(step: Step): LikeRegex[] {
  if (step.kind === "filter") return patternsOf(step.predicate);
  if (step.kind !== "elements") return [];
  return step.ranges.flatMap(({ from, to }) => [...patternsOf(from), ...(to === undefined ? [] : patternsOf(to))]);
}
