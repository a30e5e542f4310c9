import { isUtf8 } from "node:buffer";
import { type Beginning, chunksOf, type Input } from "./files.ts";
import {
  type Column,
  csvRows,
  dataEnvelope,
  type Envelope,
  ownEnvelope,
  type Position,
  type Prepared,
  type Row,
  rowOf,
} from "./rows.ts";

export interface LinesOptions {
  readonly envelope: Envelope;
  readonly keyOf: (line: number) => string;
  /** Where the first chunk begins. */
  readonly start: Position;
  /** No more than this of a line, and one chunk, is ever held; longer lines are refused. */
  readonly lineBytesMax: number;
}

const newline = 0x0a;

/** The rows of newline-delimited JSON, in groups as they come. */
export async function* lineRows(chunks: AsyncIterable<Buffer>, options: LinesOptions): AsyncGenerator<Row[]> {
  const { envelope, keyOf, lineBytesMax } = options;
  let { line, bytes: end } = options.start;
  let started: Buffer[] = [];
  let startedBytes = 0;
  let tooLong = false;

  const add = (rows: Row[], text: string, bytes: number, fault?: Prepared): void => {
    line++;
    end += bytes;
    if (fault === undefined && text.trim() === "") return;
    rows.push(rowOf({ line, endLine: line, end, raw: text }, fault ?? envelope(text, keyOf(line))));
  };
  /** Whole lines, without the last one's newline. */
  const addAll = (rows: Row[], from: Buffer): void => {
    // Some editors put a byte order mark before the first line.
    const marked = end === 0 && from[0] === 0xef && from[1] === 0xbb && from[2] === 0xbf;
    const block = marked ? from.subarray(3) : from;
    if (marked) end = 3;
    if (!isUtf8(block)) {
      for (let from = 0; from <= block.length; ) {
        const to = block.indexOf(newline, from);
        const bytes = block.subarray(from, to < 0 ? block.length : to);
        add(rows, bytes.toString(), bytes.length + 1, isUtf8(bytes) ? undefined : notUtf8);
        from += bytes.length + 1;
      }
      return;
    }
    const whole = block.toString();
    const ascii = whole.length === block.length;
    for (const text of whole.split("\n")) add(rows, text, (ascii ? text.length : Buffer.byteLength(text)) + 1);
  };
  const keep = (rest: Buffer): void => {
    startedBytes += rest.length;
    tooLong ||= startedBytes > lineBytesMax;
    // Past the limit only the count goes on, until the line ends.
    if (tooLong) started = [];
    else if (rest.length > 0) started.push(rest);
  };
  const refuseLong = (rows: Row[], rest: number): void => {
    const detail = `the line takes more than ${lineBytesMax} bytes`;
    add(rows, "", startedBytes + rest, { problem: { code: "body_too_large", detail } });
    startedBytes = 0;
    tooLong = false;
  };

  for await (let chunk of chunks) {
    const rows: Row[] = [];
    if (tooLong) {
      const first = chunk.indexOf(newline);
      if (first < 0) {
        keep(chunk);
        continue;
      }
      refuseLong(rows, first + 1);
      chunk = chunk.subarray(first + 1);
    }
    const last = chunk.lastIndexOf(newline);
    if (last >= 0) {
      const head = chunk.subarray(0, last);
      const block = startedBytes === 0 ? head : Buffer.concat([...started, head]);
      started = [];
      startedBytes = 0;
      addAll(rows, block);
    }
    keep(chunk.subarray(last + 1));
    if (rows.length > 0) yield rows;
  }
  const rows: Row[] = [];
  if (tooLong) refuseLong(rows, 0);
  // No newline ends it.
  else if (startedBytes > 0) addAll(rows, Buffer.concat(started));
  if (rows.length > 0) yield rows;
}

const notUtf8: Prepared = {
  problem: { code: "invalid_json", detail: "the line is not UTF-8; save the file as UTF-8" },
};

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
  // Where no line had a result yet, the header is still to come, and the first line's number with it.
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
