import Table from "cli-table3";

const borders = ["top", "bottom", "left", "right", "mid", "middle"];
const chars = Object.fromEntries(
  borders.flatMap((border) => ["", "-mid", "-left", "-right"].map((part) => [`${border}${part}`, ""])),
);

/** Draws a table without lines. The columns named in `numbers`, from 0, are aligned to the right. */
export function plainTable(
  head: readonly string[],
  numbers: readonly number[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 2 },
    colAligns: head.map((_, column) => (numbers.includes(column) ? "right" : "left")),
    chars,
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replace(/ +$/gm, "");
}

export function groupDigits(count: number): string {
  return count.toLocaleString("en-US");
}
