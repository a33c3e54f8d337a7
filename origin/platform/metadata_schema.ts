import type { JsonObject } from "./request.ts";

type Validate = (metadata: JsonObject) => string | undefined;

/**
 * What is wrong with metadata by a JSON Schema (2020-12, or draft 7 where the schema says so); `undefined` when nothing is.
 * @throws {Error} the schema is none
 */
export async function checkMetadata(schema: JsonObject, metadata: JsonObject): Promise<string | undefined> {
  const validate = await compile(schema);
  return validate(metadata);
}

/** Compiles a JSON Schema. @throws {Error} it is none */
export async function compile(schema: JsonObject): Promise<Validate> {
  const isDraft7 = String(schema.$schema ?? "").includes("draft-07");
  const { Ajv, default: Ajv7 } = await import("ajv");
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  void Ajv7;
  const ajv = isDraft7 ? new Ajv({ strict: false }) : new Ajv2020({ strict: false });
  const check = ajv.compile(schema);
  return (metadata) => check(metadata) ? undefined : ajv.errorsText(check.errors, { dataVar: "metadata" });
}
