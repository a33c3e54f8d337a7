import { z } from "@hono/zod-openapi";
import type { ApiDocument } from "./api_document.ts";

/** A call of the API, as its page shows it. */
export interface DocumentedCall {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string | undefined;
  /** A command line that makes this call with the examples of the document. */
  readonly curl: string;
  readonly answers: readonly { readonly status: string; readonly description: string }[];
}

const reference = z.object({ $ref: z.string() });
const schemaPart = z.object({
  properties: z.record(z.string(), z.object({ example: z.unknown().optional(), format: z.string().optional() }))
    .default({}),
});
const operation = z.object({
  summary: z.string(),
  description: z.string().optional(),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(z.object({ name: z.string(), schema: z.object({ example: z.string().default("") }) })).default(
    [],
  ),
  requestBody: z.object({ content: z.record(z.string(), z.object({ schema: z.unknown() })) }).optional(),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), content: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

type Operation = z.infer<typeof operation>;
type Properties = z.infer<typeof schemaPart>["properties"];

/** The calls of a document in its order. @param origin where the examples call, such as `http://127.0.0.1:8080` */
export function documentedCalls(document: ApiDocument, origin: string, withToken: boolean): DocumentedCall[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => {
      const call = operation.parse(described);
      return {
        method: method.toUpperCase(),
        path,
        summary: call.summary,
        description: call.description,
        curl: curlOf({ document, origin, withToken, method: method.toUpperCase(), path, call }),
        answers: Object.entries(call.responses).map(([status, { description }]) => ({ status, description })),
      };
    })
  );
}

function curlOf({ document, origin, withToken, method, path, call }: {
  document: ApiDocument;
  origin: string;
  withToken: boolean;
  method: string;
  path: string;
  call: Operation;
}): string {
  const url = call.parameters.reduce(
    (text, { name, schema }) => text.replace(`{${name}}`, schema.example),
    origin + path,
  );
  return [
    method === "GET" ? `curl ${url}` : `curl -X ${method} ${url}`,
    ...(withToken && call.security !== undefined ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    ...bodyArguments(document, call),
    ...("application/octet-stream" in (call.responses["200"]?.content ?? {}) ? ["-OJ"] : []),
  ].join(" \\\n  ");
}

function bodyArguments(document: ApiDocument, { requestBody }: Operation): string[] {
  const [contentType, media] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  if (contentType === undefined) return [];
  const properties = propertiesOf(document, media?.schema);
  if (contentType === "multipart/form-data") return Object.entries(properties).map(formArgument);
  const example = Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, property.example]));
  return [`-H "Content-Type: ${contentType}"`, `-d '${JSON.stringify(example)}'`];
}

function formArgument([name, { example, format }]: [string, Properties[string]]): string {
  return format === "binary" ? `-F ${name}=@detector.onnx` : `-F ${name}=${example}`;
}

function propertiesOf(document: ApiDocument, schema: unknown): Properties {
  const pointed = reference.safeParse(schema);
  const resolved = pointed.success ? document.components?.schemas?.[pointed.data.$ref.split("/").at(-1) ?? ""] : schema;
  return schemaPart.parse(resolved).properties;
}
