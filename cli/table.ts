/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly align?: "left" | "right";
}

const GAP = "  ";

/** Rows under their titles, as lines; each column is as wide as its widest cell. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => [...(cells[index] ?? "")].length)));
  return lines.map((cells) =>
    columns.map(({ align }, index) => pad(cells[index] ?? "", widths[index] ?? 0, align)).join(GAP).trimEnd()
  );
}

function pad(cell: string, width: number, align: Column["align"] = "left"): string {
  const space = " ".repeat(width - [...cell].length);
  return align === "left" ? cell + space : space + cell;
}
