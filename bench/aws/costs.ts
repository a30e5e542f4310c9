/** `npm run costs`: the tables of docs/costs.md, in dollars. */
import { costTables } from "./costTable.ts";

for (const { title, rows } of costTables()) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0), 3));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  console.log([`### ${title}`, "", line(head), rule, ...body.map(line), ""].join("\n"));
}
