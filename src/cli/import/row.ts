import type { ErrorCode, Fault } from "../../core/errors.ts";

/** Why a line was refused: what the server answered, or what can be told without asking it. */
export interface Problem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors?: readonly Fault[] | undefined;
}

/** One line of the input on its way to the server. */
export interface Row {
  /** From 1, as an editor counts; lines that are empty count and make no row. */
  readonly line: number;
  /** The line in which it ends: another one only where a cell of a CSV file holds a newline. */
  readonly endLine: number;
  /** The bytes of the input up to its end. */
  readonly end: number;
  /** As it stands in the input: its text, or its cells. */
  readonly raw: string | readonly string[];
  /** What is sent; empty for a line that is refused without asking the server. */
  readonly body: string;
  outcome: "placed" | "repeated" | Problem | undefined;
}

/** How far the input is done with. */
export interface Position {
  readonly bytes: number;
  readonly line: number;
}

/** What a line becomes. */
export type Prepared = { readonly body: string } | { readonly problem: Problem };

export function rowOf(place: Pick<Row, "line" | "endLine" | "end" | "raw">, prepared: Prepared): Row {
  const { line, endLine, end, raw } = place;
  // Written out: a spread would cost more than all else that is done for a line.
  return "body" in prepared
    ? { line, endLine, end, raw, body: prepared.body, outcome: undefined }
    : { line, endLine, end, raw, body: "", outcome: prepared.problem };
}
