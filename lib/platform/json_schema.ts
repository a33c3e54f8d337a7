import type { ErrorObject, ValidateFunction } from "ajv";
import { UpstreamError } from "../errors.ts";
import type { JsonObject } from "./wire.ts";

/** Says what is wrong with a value, in one line; `undefined` when nothing is. */
export type FaultOf = (value: unknown) => string | undefined;

const OPTIONS = { allErrors: false, strict: false, validateSchema: false, logger: false } as const;

/**
 * Compiles a JSON Schema of draft 7, 2019-09 or 2020-12, which `$schema` tells apart; the last where it does not say.
 * @param what names the schema in messages
 * @throws {UpstreamError} the server's schema is none
 */
export async function compileSchema(schema: JsonObject, what: string): Promise<FaultOf> {
  const { $schema = "", ...rules } = schema;
  try {
    const validate = await compile(String($schema), rules);
    return (value) => validate(value) ? undefined : faultText(validate.errors?.[0]);
  } catch (cause) {
    throw new UpstreamError("API", `The schema of ${what} that the API gives is not a JSON Schema`, { cause });
  }
}

/** The packages are fetched here: only those who submit pay for them. */
async function compile(dialect: string, rules: JsonObject): Promise<ValidateFunction> {
  const { default: addFormats } = await import("ajv-formats");
  const ajv = await newAjv(dialect);
  addFormats.default(ajv);
  return ajv.compile(rules);
}

async function newAjv(dialect: string) {
  if (/draft-0[4-7]/.test(dialect)) return new (await import("ajv")).Ajv(OPTIONS);
  if (/2019-09/.test(dialect)) return new (await import("ajv/dist/2019.js")).Ajv2019(OPTIONS);
  return new (await import("ajv/dist/2020.js")).Ajv2020(OPTIONS);
}

function faultText(error: ErrorObject | undefined): string {
  const where = error?.instancePath.slice(1).replaceAll("/", ".") ?? "";
  const extra = error?.keyword === "additionalProperties" ? ` ("${error.params.additionalProperty}")` : "";
  return `${where === "" ? "it" : where} ${error?.message ?? "is not allowed"}${extra}`;
}
