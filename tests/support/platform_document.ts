import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { join } from "node:path";
import type { SeenRequest } from "./small_platform.ts";

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

/** How much of what a schema allows is in a sample: nothing that can be left out or be null, or everything. */
export type Fill = "least" | "most";

const PREFIX = "/api";
const DOCUMENT_ID = "document";
const BY_FORMAT: Readonly<Record<string, string>> = {
  "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
  "date-time": "2026-03-04T23:59:59.123456+00:00",
  "uri": "https://storage.example/x?signature=1",
};

/** The platform's own OpenAPI document, and what can be checked and made by it. */
export class PlatformDocument {
  readonly #document: {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  };
  readonly #ajv = new Ajv2020({ strict: false, logger: false, allErrors: true });

  constructor() {
    const path = join(import.meta.dirname ?? "", "../fixtures/platform.openapi.json");
    this.#document = JSON.parse(Deno.readTextFileSync(path));
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(this.#document, DOCUMENT_ID);
  }

  /** `GET /v1/runs/{run_id}` and so on. */
  get operations(): string[] {
    return Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    );
  }

  /** The operation that a request is one of, and what in the request is not as the document has it. */
  check({ method, target, body }: SeenRequest): { operation: string; faults: string[] } {
    const { operation, definition } = this.#find(method, target);
    const query = new URLSearchParams(target.split("?")[1]);
    const known = new Map(definition.parameters?.map((parameter) => [parameter.name, parameter]));
    const faults: string[] = [];
    for (const [name, text] of query) {
      const schema = known.get(name)?.schema;
      if (schema === undefined) faults.push(`${operation} has no parameter "${name}"`);
      else if (!this.#fits(schema, [text, Number(text), text === "true", [text]])) {
        faults.push(`"${text}" as "${name}"`);
      }
    }
    const wanted = definition.requestBody?.content["application/json"]?.schema;
    if (wanted === undefined && body !== "") faults.push(`${operation} takes no body`);
    if (wanted !== undefined && !this.#fits(wanted, [JSON.parse(body)])) faults.push(`${operation}: ${this.#said}`);
    return { operation, faults };
  }

  /** An answer that the document allows to this request. */
  answer({ method, target }: SeenRequest, fill: Fill): Response {
    const { definition } = this.#find(method, target);
    const [status = "200", { content } = {}] = Object.entries(definition.responses).find(([code]) => code < "400") ??
      [];
    if (status === "307" || target.includes("/file")) {
      return new Response(null, { status: 307, headers: { location: BY_FORMAT.uri ?? "" } });
    }
    const schema = content?.["application/json"]?.schema;
    return Response.json(schema === undefined ? null : this.sample(schema, fill), { status: Number(status) });
  }

  /** A value that fits a schema of the document. @throws {Error} when it does not: then this is what is wrong */
  sample(schema: Schema, fill: Fill): unknown {
    const value = this.#sample(schema, fill);
    if (!this.#fits(schema, [value])) throw new Error(`A sample does not fit: ${this.#said}`);
    return value;
  }

  #said = "";

  #fits(schema: Schema, candidates: readonly unknown[]): boolean {
    const text = JSON.stringify(schema).replaceAll('"#/', `"${DOCUMENT_ID}#/`);
    const validate = this.#ajv.compile(JSON.parse(text));
    const isGood = candidates.some((candidate) => validate(candidate));
    this.#said = isGood ? "" : this.#ajv.errorsText(validate.errors);
    return isGood;
  }

  #find(method: string, target: string): { operation: string; definition: Operation } {
    const [path = ""] = target.split("?");
    for (const [template, methods] of Object.entries(this.#document.paths)) {
      const pattern = new RegExp(`^${PREFIX}${template.replace(/\{\w+\}/g, "[^/]+")}$`);
      const definition = methods[method.toLowerCase()];
      if (pattern.test(path) && definition !== undefined) return { operation: `${method} ${template}`, definition };
    }
    throw new Error(`The document has no ${method} ${path}`);
  }

  #sample(schema: Schema, fill: Fill): unknown {
    const { $ref, anyOf, enum: words, type } = schema as {
      $ref?: string;
      anyOf?: Schema[];
      enum?: unknown[];
      type?: string;
    };
    if ($ref !== undefined) {
      return this.#sample(this.#document.components.schemas[$ref.split("/").at(-1) ?? ""] ?? {}, fill);
    }
    if (anyOf !== undefined) return this.#sample(this.#choice(anyOf, fill), fill);
    if (words !== undefined) return fill === "least" ? words[0] : words.at(-1);
    if (type === "object") return this.#object(schema, fill);
    if (type === "array") return fill === "least" ? [] : [this.#sample(schema.items as Schema, fill)];
    if (type === "string") return schema.pattern === undefined ? textOf(schema) : patternText(String(schema.pattern));
    if (type === "integer") return 1;
    return type === "boolean" ? fill === "most" : null;
  }

  #choice(schemas: readonly Schema[], fill: Fill): Schema {
    const isNull = (schema: Schema) => schema.type === "null";
    return (fill === "least" ? schemas.find(isNull) : schemas.find((schema) => !isNull(schema))) ?? schemas[0] ?? {};
  }

  #object({ properties = {}, required = [] }: Schema, fill: Fill): unknown {
    const wanted = Object.entries(properties as Record<string, Schema>)
      .filter(([name]) => fill === "most" || (required as string[]).includes(name));
    const made = wanted.map(([name, schema]) => [name, this.#sample(schema, fill)]);
    return fill === "most" ? { ...Object.fromEntries(made), field_of_tomorrow: 1 } : Object.fromEntries(made);
  }
}

function textOf({ format, minLength }: Schema): string {
  return BY_FORMAT[String(format)] ?? "é".repeat(Math.max(1, Number(minLength ?? 1)));
}

/** The two patterns of the document: media types, and semantic versions. */
function patternText(pattern: string): string {
  return pattern.includes("\\/") ? "image/tiff" : "1.2.3-rc.1";
}
