import { InvalidInputError } from "../lib/errors.ts";

const PLAIN_CELL = /[^;\r\n"]*/y;
const SEPARATOR = /;|\r?\n|$/y;
const QUOTE = '"';

/**
 * Rows of cells with semicolons in between; a cell with quotation marks around it may hold semicolons, line breaks, and
 * quotation marks that are doubled. Empty lines are left out.
 * @throws {InvalidInputError} a quotation mark where none may be
 * @see RFC 4180, which has commas
 */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = endOfCell(text, at);
    const separator = end === undefined ? undefined : matchAt(SEPARATOR, text, end);
    if (end === undefined || separator === undefined) {
      throw new InvalidInputError("csv", `The CSV has a stray quotation mark in row ${rows.length + 1}`);
    }
    row.push(cellOf(text.slice(at, end)));
    at = end + separator.length;
    if (separator === ";" && at < text.length) continue;
    if (separator === ";") row.push("");
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}

/** Where a cell ends; `undefined` for one whose quotation mark is never closed. */
function endOfCell(text: string, start: number): number | undefined {
  if (text[start] !== QUOTE) return start + (matchAt(PLAIN_CELL, text, start) ?? "").length;
  let at = text.indexOf(QUOTE, start + 1);
  while (at >= 0 && text[at + 1] === QUOTE) at = text.indexOf(QUOTE, at + 2);
  return at < 0 ? undefined : at + 1;
}

function cellOf(written: string): string {
  return written.startsWith(QUOTE) ? written.slice(1, -1).replaceAll('""', QUOTE) : written;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
