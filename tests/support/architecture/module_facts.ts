/** Something that stands in a source file, with the line it stands on. */
export interface Fact {
  readonly line: number;
  readonly text: string;
}

/** An import or re-export of another module. */
export interface ImportFact extends Fact {
  /** `text` is the specifier. A `type` import is gone at run time; a `lazy` one is `await import()`; a `reexport` is `export … from`. */
  readonly kind: "static" | "type" | "lazy" | "reexport";
}

/** What the rules want to know of a module, taken from its syntax tree: comments and strings cannot fool it. */
export interface ModuleFacts {
  readonly path: string;
  readonly imports: readonly ImportFact[];
  /** Global names that are used, as far as they matter: `fetch`, `console.log`, `Deno.exit`, `Date.now`, `new Date()`. */
  readonly globals: readonly Fact[];
  /** Module-level `let` and `var`, and `await` outside of functions. */
  readonly moduleState: readonly Fact[];
  /** Exported symbols without a docstring. */
  readonly undocumented: readonly Fact[];
  /** What must not be left in finished code: `as unknown as`, `.only(`, to-do comments, type checks switched off. */
  readonly leftovers: readonly Fact[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer U)[] ? U[] : T[K] };

const WATCHED_OBJECTS: ReadonlySet<string> = new Set(["Deno", "console", "Date", "performance", "process"]);
const LEFTOVER_COMMENT = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|expect-error|nocheck)/;

/** Reads one module. Works only inside `deno test`, which is where `Deno.lint.runPlugin` lives. */
export function readModule(path: string, source: string): ModuleFacts {
  const facts: Writable<ModuleFacts> = {
    path,
    imports: [],
    globals: [],
    moduleState: [],
    undocumented: [],
    leftovers: [],
  };
  const at = (node: { range: Deno.lint.Range }, text: string): Fact => ({
    line: source.slice(0, node.range[0]).split("\n").length,
    text,
  });
  const rule = { create: (context: Deno.lint.RuleContext) => visitor(context, facts, at) };
  Deno.lint.runPlugin({ name: "architecture", rules: { facts: rule } }, path, source);
  return facts;
}

type At = (node: { range: Deno.lint.Range }, text: string) => Fact;

function visitor({ sourceCode }: Deno.lint.RuleContext, facts: Writable<ModuleFacts>, at: At): Deno.lint.LintVisitor {
  return {
    Program(node) {
      for (const comment of sourceCode.getAllComments()) {
        if (LEFTOVER_COMMENT.test(comment.value)) facts.leftovers.push(at(comment, comment.value.trim()));
      }
      for (const statement of node.body) {
        const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
        if (declaration?.type === "VariableDeclaration" && declaration.kind !== "const") {
          facts.moduleState.push(at(declaration, declaration.kind));
        }
        if (isExportedDeclaration(statement) && !hasDocstring(sourceCode, statement)) {
          facts.undocumented.push(at(statement, firstLine(sourceCode.getText(statement))));
        }
      }
    },
    ImportDeclaration(node) {
      const kind = node.importKind === "type" ? "type" : "static";
      facts.imports.push({ ...at(node, node.source.value), kind });
    },
    ExportNamedDeclaration(node) {
      if (node.source !== null) facts.imports.push({ ...at(node, node.source.value), kind: "reexport" });
    },
    ExportAllDeclaration(node) {
      facts.imports.push({ ...at(node, node.source.value), kind: "reexport" });
    },
    ImportExpression(node) {
      facts.imports.push({ ...at(node, literalOf(node.source) ?? "a computed specifier"), kind: "lazy" });
    },
    AwaitExpression(node) {
      const inFunction = sourceCode.getAncestors(node).some(({ type }) => /Function|Method/.test(type));
      if (!inFunction) facts.moduleState.push(at(node, "await outside of a function"));
    },
    TSImportType(node) {
      facts.imports.push({ ...at(node, literalOf(node.argument) ?? "a computed specifier"), kind: "type" });
    },
    CallExpression(node) {
      if (isProperty(node.callee, "only")) facts.leftovers.push(at(node, ".only("));
    },
    Identifier(node) {
      if (node.name === "fetch" && isValue(node)) facts.globals.push(at(node, "fetch"));
    },
    MemberExpression(node) {
      const name = watchedMember(node);
      if (name !== undefined) {
        facts.globals.push(at(node, isWritingOpen(name, node.parent) ? `${name} for writing` : name));
      }
    },
    VariableDeclarator(node) {
      const { id, init } = node;
      if (init?.type !== "Identifier" || !WATCHED_OBJECTS.has(init.name)) return;
      for (const name of keysOf(id)) facts.globals.push(at(node, `${init.name}.${name}`));
    },
    NewExpression(node) {
      const isNow = node.callee.type === "Identifier" && node.callee.name === "Date" && node.arguments.length === 0;
      if (isNow) facts.globals.push(at(node, "new Date()"));
    },
    TSAsExpression(node) {
      const inner = node.expression;
      const isDouble = inner.type === "TSAsExpression" && inner.typeAnnotation.type === "TSUnknownKeyword";
      if (isDouble) facts.leftovers.push(at(node, "as unknown as"));
    },
  };
}

/** `Deno.exit` of `Deno.exit`, of `globalThis.Deno.exit` and of `Deno["exit"]`; `fetch` of `globalThis.fetch`. */
function watchedMember(node: Deno.lint.MemberExpression): string | undefined {
  const object = nameOf(node.object);
  const property = literalOf(node.property) ?? nameOf(node.property);
  if (object === "globalThis") return property === "fetch" ? property : undefined;
  return object !== undefined && WATCHED_OBJECTS.has(object) ? `${object}.${property ?? "?"}` : undefined;
}

/** `Deno.open(path)` and `Deno.open(path, { read: true })` only read; with any other argument it may write. */
function isWritingOpen(name: string, call: Deno.lint.Node): boolean {
  if (!/^Deno\.open(Sync)?$/.test(name)) return false;
  if (call.type !== "CallExpression") return true;
  const options = call.arguments[1];
  if (options === undefined) return false;
  return options.type !== "ObjectExpression" || keysOf(options).some((option) => option !== "read");
}

function nameOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  const isGlobal = node.type === "MemberExpression" && nameOf(node.object) === "globalThis";
  return isGlobal ? nameOf(node.property) : undefined;
}

function literalOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "TSLiteralType") return literalOf(node.literal);
  return node.type === "Literal" ? String(node.value) : undefined;
}

/** The keys of `{ env, exit: leave }`; `*` for whatever cannot be told, such as all of it. */
function keysOf(pattern: Deno.lint.Node): string[] {
  if (pattern.type !== "ObjectPattern" && pattern.type !== "ObjectExpression") return ["*"];
  return pattern.properties.map((property) =>
    property.type === "Property" ? literalOf(property.key) ?? nameOf(property.key) ?? "?" : "*"
  );
}

/** Whether an identifier stands for its value: `fetch(url)`, `call(fetch)`; not the name in `app.fetch` or `{ fetch() {} }`. */
function isValue(node: Deno.lint.Identifier): boolean {
  const parent: Deno.lint.Node = node.parent;
  if (parent.type === "MemberExpression") return parent.object === node || parent.computed;
  return !("key" in parent && parent.key === node);
}

function isProperty(node: Deno.lint.Node, name: string): boolean {
  return node.type === "MemberExpression" && nameOf(node.property) === name;
}

function isExportedDeclaration(statement: Deno.lint.Node): boolean {
  return statement.type === "ExportDefaultDeclaration" ||
    statement.type === "ExportNamedDeclaration" && statement.declaration !== null;
}

function hasDocstring(sourceCode: Deno.lint.SourceCode, statement: Deno.lint.Node): boolean {
  const last = sourceCode.getCommentsBefore(statement).at(-1);
  return last?.type === "Block" && last.value.startsWith("*");
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
