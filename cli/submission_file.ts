import { z } from "zod";
import { InvalidInputError, NotFoundError } from "../lib/errors.ts";
import type { ItemCreation } from "../lib/platform/run_wire.ts";
import { type JsonObject, jsonObject } from "../lib/platform/wire.ts";
import { collect } from "../lib/streams.ts";
import { readSmallFile } from "../lib/system/files.ts";
import { parseCsv } from "./csv.ts";
import type { Io } from "./io.ts";

const LIMIT_BYTES = 64 * 1024 * 1024;
const STDIN = "-";
const FIXED_COLUMNS = ["external_id", "input", "download_url"];

/** What a file of items may say of the run besides. */
export interface SubmissionFile {
  readonly items: readonly ItemCreation[];
  readonly custom_metadata?: JsonObject | null | undefined;
  readonly callback_context?: JsonObject | null | undefined;
}

const artifact = z.object({ name: z.string(), download_url: z.string(), metadata: jsonObject.default({}) });
const item: z.ZodType<ItemCreation> = z.object({
  external_id: z.string(),
  custom_metadata: jsonObject.nullish(),
  input_artifacts: z.array(artifact),
});
const fileSchema: z.ZodType<SubmissionFile> = z.union([
  z.array(item).transform((items) => ({ items })),
  z.object({ items: z.array(item), custom_metadata: jsonObject.nullish(), callback_context: jsonObject.nullish() }),
]);

/**
 * Reads items from a file: JSON, a list of items or the body of `POST /runs`; or, by its ending `.csv`, a table with
 * semicolons. `-` is JSON on standard input. At most 64 MiB.
 * @throws {NotFoundError}, {InvalidInputError}
 */
export async function readSubmission(path: string, io: Io): Promise<SubmissionFile> {
  const bytes = path === STDIN
    ? await collect(io.keyboard.readable(), LIMIT_BYTES, "Standard input")
    : await readSmallFile(path, LIMIT_BYTES);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  const text = new TextDecoder().decode(bytes);
  return /\.csv$/i.test(path) ? { items: itemsOfCsv(text) } : itemsOfJson(text, path);
}

/** Items of a JSON text: a list of them, or the body of a run. @throws {InvalidInputError} */
export function itemsOfJson(text: string, path: string): SubmissionFile {
  const parsed = fileSchema.safeParse(jsonOrUndefined(text));
  if (parsed.success) return parsed.data;
  throw new InvalidInputError("items", `"${path}" holds neither a JSON list of items nor the body of a run`);
}

/**
 * Items of a table. Columns: `external_id`, `input`, `download_url`; every other one is metadata of the input, with dots
 * where it lies deeper. Rows with the same external id are inputs of one item.
 */
export function itemsOfCsv(text: string): ItemCreation[] {
  const [columns = [], ...rows] = parseCsv(text.replace(/^\ufeff/, ""));
  if (new Set(columns).size < columns.length) throw new InvalidInputError("csv", "The CSV has a column twice");
  const missing = FIXED_COLUMNS.filter((name) => !columns.includes(name));
  if (missing.length > 0) throw new InvalidInputError("csv", `The CSV lacks the column ${missing.join(", ")}`);
  const items = new Map<string, { external_id: string; input_artifacts: ItemCreation["input_artifacts"][number][] }>();
  for (const [index, row] of rows.entries()) {
    if (row.length !== columns.length) {
      throw new InvalidInputError("csv", `Row ${index + 2} of the CSV has ${row.length} cells, not ${columns.length}`);
    }
    const cells = new Map(columns.map((name, column) => [name, row[column] ?? ""]));
    const external_id = cells.get("external_id") ?? "";
    const one = items.get(external_id) ?? { external_id, input_artifacts: [] };
    const [name = "", download_url = ""] = [cells.get("input"), cells.get("download_url")];
    one.input_artifacts.push({ name, download_url, metadata: metadataOf(cells) });
    items.set(external_id, one);
  }
  return [...items.values()];
}

function metadataOf(cells: ReadonlyMap<string, string>): JsonObject {
  const metadata = {};
  for (const [name, text] of cells) if (!FIXED_COLUMNS.includes(name) && text !== "") setDeep(metadata, name, text);
  return metadata;
}

/** Metadata lie no deeper in any sheet. */
const DEPTH_LIMIT = 32;

/** Puts the value of a text (a number, `true`, `false`, `null`, a text in quotation marks, or else itself) at `a.b.c`. */
export function setDeep(target: Record<string, unknown>, path: string, text: string): void {
  const keys = path.split(".", DEPTH_LIMIT + 1);
  if (keys.length > DEPTH_LIMIT) throw new InvalidInputError("metadata", `A column has more than ${DEPTH_LIMIT} names`);
  setAt(target, keys, text);
}

function setAt(target: Record<string, unknown>, [key = "", ...rest]: readonly string[], text: string): void {
  if (["__proto__", "constructor", "prototype"].includes(key)) {
    throw new InvalidInputError("metadata", `"${key}" is no name`);
  }
  if (rest.length === 0) return void (target[key] = scalarOf(text));
  const deeper = jsonObject.safeParse(target[key] ?? {});
  const next: Record<string, unknown> = { ...deeper.data };
  setAt(next, rest, text);
  target[key] = next;
}

function scalarOf(text: string): unknown {
  const value = jsonOrUndefined(text);
  return value === undefined || typeof value === "object" && value !== null ? text : value;
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // it is checked by a schema, or stands for itself
  }
}
