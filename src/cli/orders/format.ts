import { styleText } from "node:util";
import type { Output } from "../report.ts";

/** How commands show things to people. What comes from orders may hold anything; only `plain` text reaches a terminal. */

/** Text on one line, without the control characters that could move a terminal's cursor or colour it. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").toWellFormed();
}

export function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1).trimEnd()}…` : text;
}

/** A length of time in its two largest units: `850 ms`, `3 min 20 s`, `2 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 10_000) return `${(Math.floor(milliseconds / 100) / 10).toFixed(1)} s`;
  let rest = Math.floor(milliseconds / 1_000);
  const parts: string[] = [];
  for (const [seconds, unit] of units) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(" ");
}

const units = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

export type Style = "bold" | "dim" | "red" | "yellow" | "green";

/** Text in a style, where the output has colours. */
export function styled(output: Output, style: Style, text: string): string {
  return output.colours ? styleText(style, text, { validateStream: false }) : text;
}

/** A column's heading; numbers stand to the right. */
export interface Column {
  readonly name: string;
  readonly align?: "left" | "right";
}

const noBorders = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((place) => [place, ""]),
);

/** Rows under headings, without borders: what `cut` and `awk` can take apart, too. */
export async function table(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): Promise<string> {
  // Loaded late: `cauce start` draws none.
  const { default: Table } = await import("cli-table3");
  const drawn = new Table({
    head: columns.map(({ name }) => styled(output, "bold", name)),
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: { ...noBorders, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  drawn.push(...rows.map((row) => [...row]));
  const lines = drawn.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** `1 order`, `2 orders`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
