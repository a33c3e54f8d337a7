import { InvalidInputError } from "../lib/errors.ts";

const CELL = /(?:"((?:[^"]|"")*)"|([^;\r\n"]*))(;|\r?\n|$)/y;

/**
 * Rows of cells with semicolons in between; a cell with quotation marks around it may hold semicolons, line breaks, and
 * quotation marks that are doubled. Empty lines are left out.
 * @throws {InvalidInputError} a quotation mark where none may be
 * @see RFC 4180, which has commas
 */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length) {
    const start = CELL.lastIndex;
    const match = CELL.exec(text);
    if (match === null) {
      throw new InvalidInputError("csv", `The CSV has a stray quotation mark in row ${rows.length + 1}`);
    }
    const [, quoted, plain = "", end] = match;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ";" && CELL.lastIndex < text.length) continue;
    if (end === ";") row.push("");
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    if (CELL.lastIndex === start) break;
  }
  return rows;
}
