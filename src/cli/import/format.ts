import { csvRows } from "./csv.ts";
import { dataEnvelope, ownEnvelope } from "./envelope.ts";
import { chunksOf, type Input } from "./input.ts";
import { lineRows } from "./lines.ts";
import type { Column } from "./mapping.ts";
import type { Beginning } from "./progressFile.ts";
import type { Row } from "./row.ts";

/** How the input is read: lines of JSON that are data, lines that are envelopes, or CSV. */
export type Format =
  | { readonly kind: "data" | "envelopes" }
  | { readonly kind: "csv"; readonly delimiter: string; readonly columns: readonly Column[] | undefined };

const lineBytesMax = 4_194_304;

/** The rows of an input, from where an import begins. */
export function rowsOf(
  input: Input,
  format: Format,
  { source, from }: Beginning,
  onHeader: (bytes: number) => void,
): AsyncIterable<Row[]> {
  const keyOf = (line: number) => `${source}:${line}`;
  // Where no line had an outcome yet, the header is still to come, and the first line's number with it.
  const start = from === undefined || from.bytes === 0 ? undefined : { bytes: from.bytes, line: from.line };
  if (format.kind !== "csv") {
    const envelope = format.kind === "data" ? dataEnvelope : ownEnvelope;
    const chunks = chunksOf(input, start && { from: 0, to: start.bytes });
    return lineRows(chunks, { envelope, keyOf, start: start ?? { bytes: 0, line: 0 }, lineBytesMax });
  }
  const { delimiter, columns } = format;
  const chunks = chunksOf(input, start && { from: from?.headerBytes ?? 0, to: start.bytes });
  return csvRows(chunks, { columns, delimiter, keyOf, start, lineBytesMax, onHeader });
}

/** Two formats of one name read a file alike. */
export function nameOf(format: Format): string {
  return JSON.stringify(format);
}
