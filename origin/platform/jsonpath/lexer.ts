/** A JSONPath is not one; told to the caller with what is wrong. */
export class JsonPathError extends Error {}

/** One word of a JSONPath. */
export interface Token {
  readonly kind: "name" | "string" | "number" | "symbol" | "end";
  /** Its value: of a string without quotes and escapes. */
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
}

const BLANK = /[ \t\n\r\f]+/y;
const NUMBER = /(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$.])/y;
const NAME = /[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*/uy;
const SYMBOL = /\*\*|&&|\|\||==|!=|<>|<=|>=|[$@.*?()[\]{},<>!+\-/%]/y;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([^]))/uy;
const SIMPLE: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const LAST_CODE_POINT = 0x10ffff;

/** The words of a JSONPath, in time linear in its length. @throws {JsonPathError} */
export function tokensOf(path: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < path.length) {
    const blank = matchAt(BLANK, path, at);
    if (blank !== undefined) {
      at += blank.length;
      continue;
    }
    const { token, end } = tokenAt(path, at);
    tokens.push(token);
    at = end;
  }
  return [...tokens, { kind: "end", text: "", at }];
}

function tokenAt(path: string, at: number): { token: Token; end: number } {
  if (path[at] === '"') return stringAt(path, at);
  const number = matchAt(NUMBER, path, at);
  if (number !== undefined) return { token: { kind: "number", text: number, at }, end: at + number.length };
  const name = matchAt(NAME, path, at);
  if (name !== undefined) return { token: { kind: "name", text: name, at }, end: at + name.length };
  const symbol = matchAt(SYMBOL, path, at);
  if (symbol === undefined) throw new JsonPathError(`Unexpected character at position ${at + 1}`);
  return { token: { kind: "symbol", text: symbol === "<>" ? "!=" : symbol, at }, end: at + symbol.length };
}

function stringAt(path: string, at: number): { token: Token; end: number } {
  let text = "";
  for (let index = at + 1; index < path.length;) {
    const character = path[index] ?? "";
    if (character === '"') return { token: { kind: "string", text, at }, end: index + 1 };
    if (character === "\\") {
      const { value, length } = escapeAt(path, index);
      text += value;
      index += length;
    } else {
      text += character;
      index++;
    }
  }
  throw new JsonPathError(`The string at position ${at + 1} has no end`);
}

function escapeAt(path: string, at: number): { value: string; length: number } {
  ESCAPE.lastIndex = at;
  const match = ESCAPE.exec(path);
  const [all = "", hex, unit, codePoint, other = ""] = match ?? [];
  if (match === null || "xu".includes(other) && other !== "") {
    throw new JsonPathError(`Wrong escape at position ${at + 1}`);
  }
  if (other !== "") return { value: SIMPLE[other] ?? other, length: all.length };
  const code = parseInt(hex ?? unit ?? codePoint ?? "", 16);
  if (code === 0 || code > LAST_CODE_POINT) throw new JsonPathError(`Wrong escape at position ${at + 1}`);
  return { value: unit === undefined ? String.fromCodePoint(code) : String.fromCharCode(code), length: all.length };
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
