import {
  type Comparison,
  type Expression,
  isPredicate,
  type JsonPath,
  type Method,
  METHODS,
  type Operator,
  type Predicate,
  type Step,
  type Subscript,
} from "./ast.ts";
import { JsonPathError, type Token, tokensOf } from "./lexer.ts";

type Node = Expression | Predicate;

/** Longest path that is read. */
export const PATH_LIMIT_CHARACTERS = 1000;

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const ANY_DEPTH = Infinity; // also `last`
const LITERALS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };
/** A path that begins with a name is one of the root's members, but for these words. */
const BARE_NAME = /^\s*(?!(?:strict|lax|exists|true|false|null)\b)["A-Za-z_]/i;

/**
 * Reads a JSONPath in the form of PostgreSQL (what `@?` takes, without dates and variables). A path that begins with a name
 * gets `$.` before it.
 * @throws {JsonPathError}
 */
export function parseJsonPath(path: string): JsonPath {
  if (path.length > PATH_LIMIT_CHARACTERS) {
    throw new JsonPathError(`A path has at most ${PATH_LIMIT_CHARACTERS} characters`);
  }
  const parser = new Parser(tokensOf(BARE_NAME.test(path) ? `$.${path.trimStart()}` : path));
  return parser.parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #index = 0;
  #filterDepth = 0;
  #subscriptDepth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): JsonPath {
    const mode = this.#takeName("strict") ? "strict" : "lax";
    if (mode === "lax") this.#takeName("lax");
    const body = this.#or();
    if (this.#token().kind !== "end") this.#fail();
    return { mode, body };
  }

  #or(): Node {
    let left = this.#and();
    while (this.#take("||")) {
      left = { kind: "or", left: this.#asPredicate(left), right: this.#asPredicate(this.#and()) };
    }
    return left;
  }

  #and(): Node {
    let left = this.#comparison();
    while (this.#take("&&")) {
      left = { kind: "and", left: this.#asPredicate(left), right: this.#asPredicate(this.#comparison()) };
    }
    return left;
  }

  #comparison(): Node {
    if (this.#take("!")) return { kind: "not", of: this.#delimited() };
    const left = this.#sum();
    if (isPredicate(left)) return left;
    const { kind, text } = this.#token();
    if (kind === "symbol" && COMPARISONS.has(text)) {
      this.#index++;
      return { kind: "compare", comparison: text as Comparison, left, right: this.#asExpression(this.#sum()) };
    }
    if (this.#takeName("starts")) {
      this.#expectName("with");
      return { kind: "startsWith", of: left, prefix: this.#string() };
    }
    if (!this.#takeName("like_regex")) return left;
    const pattern = this.#string();
    return { kind: "likeRegex", of: left, pattern, flags: this.#takeName("flag") ? this.#string() : "" };
  }

  /** What may stand behind `!`: a predicate in parentheses, or `exists`. */
  #delimited(): Predicate {
    const token = this.#token();
    if (token.text !== "(" && token.text !== "exists") this.#fail();
    return this.#asPredicate(this.#primary());
  }

  #sum(): Node {
    let left = this.#product();
    for (;;) {
      const operator = this.#takeOne("+", "-");
      if (operator === undefined) return left;
      left = this.#arithmetic(operator, left, this.#product());
    }
  }

  #product(): Node {
    let left = this.#signed();
    for (;;) {
      const operator = this.#takeOne("*", "/", "%");
      if (operator === undefined) return left;
      left = this.#arithmetic(operator, left, this.#signed());
    }
  }

  #arithmetic(operator: Operator, left: Node, right: Node): Expression {
    return { kind: "arithmetic", operator, left: this.#asExpression(left), right: this.#asExpression(right) };
  }

  #signed(): Node {
    const operator = this.#takeOne("+", "-");
    if (operator === undefined) return this.#primary();
    return { kind: "sign", operator, of: this.#asExpression(this.#signed()) };
  }

  #primary(): Node {
    if (this.#take("(")) {
      const inner = this.#or();
      this.#expect(")");
      if (!isPredicate(inner)) return this.#accessed(inner);
      if (!this.#takeName("is")) return inner;
      this.#expectName("unknown");
      return { kind: "unknown", of: inner };
    }
    if (this.#takeName("exists")) {
      this.#expect("(");
      const of = this.#asExpression(this.#or());
      this.#expect(")");
      return { kind: "exists", of };
    }
    return this.#accessed(this.#origin());
  }

  /** Where an access begins. */
  #origin(): Expression {
    const token = this.#token();
    this.#index++;
    if (token.kind === "number") return { kind: "literal", value: Number(token.text) };
    if (token.kind === "string") return { kind: "literal", value: token.text };
    if (token.kind === "name" && Object.hasOwn(LITERALS, token.text)) {
      return { kind: "literal", value: LITERALS[token.text] ?? null };
    }
    if (token.kind === "name" && token.text === "last" && this.#subscriptDepth > 0) return { kind: "last" };
    if (token.text === "$" && token.kind === "symbol") return this.#root();
    if (token.text === "@" && token.kind === "symbol" && this.#filterDepth > 0) return { kind: "current" };
    return this.#fail(token);
  }

  #root(): Expression {
    const next = this.#token();
    const before = this.#tokens[this.#index - 1];
    if (next.kind === "name" && next.at === (before?.at ?? 0) + 1) this.#fail(next); // a variable
    return { kind: "root" };
  }

  #accessed(of: Expression): Expression {
    const steps: Step[] = [];
    for (let step = this.#step(); step !== undefined; step = this.#step()) steps.push(step);
    return steps.length === 0 ? of : { kind: "access", of, steps };
  }

  #step(): Step | undefined {
    if (this.#take(".")) return this.#dotted();
    if (this.#take("[")) return this.#subscripts();
    if (!this.#take("?")) return undefined;
    this.#expect("(");
    this.#filterDepth++;
    const predicate = this.#asPredicate(this.#or());
    this.#filterDepth--;
    this.#expect(")");
    return { kind: "filter", predicate };
  }

  #dotted(): Step {
    if (this.#take("**")) return this.#descendants();
    if (this.#take("*")) return { kind: "anyMember" };
    const token = this.#token();
    if (token.kind !== "name" && token.kind !== "string") return this.#fail(token);
    this.#index++;
    if (token.kind === "string" || !this.#take("(")) return { kind: "member", name: token.text };
    this.#expect(")");
    const name = METHODS.find((method): method is Method => method === token.text);
    return name === undefined ? this.#fail(token) : { kind: "method", name };
  }

  #descendants(): Step {
    if (!this.#take("{")) return { kind: "descendants", from: 0, to: ANY_DEPTH };
    const from = this.#level();
    const to = this.#takeName("to") ? this.#level() : from;
    this.#expect("}");
    return { kind: "descendants", from, to };
  }

  #level(): number {
    if (this.#takeName("last")) return ANY_DEPTH;
    const { kind, text } = this.#token();
    if (kind !== "number" || !/^\d{1,9}$/.test(text)) return this.#fail();
    this.#index++;
    return Number(text);
  }

  #subscripts(): Step {
    if (this.#take("*")) {
      this.#expect("]");
      return { kind: "anyElement" };
    }
    const ranges: Subscript[] = [];
    this.#subscriptDepth++;
    do {
      const from = this.#asExpression(this.#or());
      ranges.push({ from, to: this.#takeName("to") ? this.#asExpression(this.#or()) : undefined });
    } while (this.#take(","));
    this.#subscriptDepth--;
    this.#expect("]");
    return { kind: "elements", ranges };
  }

  #string(): string {
    const { kind, text } = this.#token();
    if (kind !== "string") this.#fail();
    this.#index++;
    return text;
  }

  #asPredicate(node: Node): Predicate {
    return isPredicate(node) ? node : this.#fail();
  }

  #asExpression(node: Node): Expression {
    return isPredicate(node) ? this.#fail() : node;
  }

  #token(): Token {
    return this.#tokens[this.#index] ?? { kind: "end", text: "", at: 0 };
  }

  #takeOne<T extends string>(...symbols: readonly T[]): T | undefined {
    return symbols.find((symbol) => this.#take(symbol));
  }

  #take(symbol: string): boolean {
    const { kind, text } = this.#token();
    if (kind !== "symbol" || text !== symbol) return false;
    this.#index++;
    return true;
  }

  #takeName(name: string): boolean {
    const { kind, text } = this.#token();
    if (kind !== "name" || text.toLowerCase() !== name) return false;
    this.#index++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) this.#fail();
  }

  #expectName(name: string): void {
    if (!this.#takeName(name)) this.#fail();
  }

  #fail(token: Token = this.#token()): never {
    throw new JsonPathError(
      token.kind === "end" ? "The path ends too early" : `The path is not understood at position ${token.at + 1}`,
    );
  }
}
