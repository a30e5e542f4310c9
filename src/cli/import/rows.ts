/** Reads an import's input into rows: each line of JSON or CSV, with what is sent for it. */
import { isUtf8 } from "node:buffer";
import { parse } from "csv-parse";
import { boundFaults, cutText, detailCharactersMax } from "../../core/boundFaults.ts";
import { CauceError, type ErrorCode, type Fault } from "../../core/errors.ts";
import { systemCode } from "../output.ts";
import { type Beginning, type Input, readChunks } from "./files.ts";
import { type Column, compileMapping, type MakeData } from "./mapping.ts";
import type { Row } from "./sender.ts";

/** How the input is read: lines of JSON that are data, lines that are envelopes, or CSV. */
export type Format = { readonly kind: "data" | "envelopes" } | CsvFormat;

// As much of a refused line as the server tells of one.
const refusedBytesMax = 3_000;

interface CsvFormat {
  readonly kind: "csv";
  readonly delimiter: string;
  readonly columns: readonly Column[] | undefined;
}

interface ReadOptions {
  /** The idempotency key of a line that has none of its own. */
  readonly keyOf: (line: number) => string;
  /** How far an earlier run came; undefined at the first line. */
  readonly start: { readonly bytes: number; readonly line: number } | undefined;
  /** The largest line in bytes: no more than one such line and one chunk are ever in memory. */
  readonly lineBytesMax: number;
}

/** Reads the rows of an input, from the line after `from`. Calls `onHeader` with the bytes of a CSV file's header. */
export function readRows(
  input: Input,
  format: Format,
  { source, from }: Beginning,
  onHeader: (bytes: number) => void,
): AsyncGenerator<Row[]> {
  // If no line had a result yet, the header is read again, and the lines are counted from there.
  const start = from === undefined || from.bytes === 0 ? undefined : from;
  const options = { keyOf: (line: number) => `${source}:${line}`, start, lineBytesMax: 4_194_304 };
  const chunks = readChunks(input, start && { from: start.headerBytes, to: start.bytes });
  return format.kind === "csv" ? csvRows(chunks, format, options, onHeader) : lineRows(chunks, format.kind, options);
}

/** Reads newline-delimited JSON, in groups of rows as the chunks come. A line that is too long is refused. */
export async function* lineRows(
  chunks: AsyncIterable<Buffer>,
  kind: "data" | "envelopes",
  { keyOf, start, lineBytesMax }: ReadOptions,
): AsyncGenerator<Row[]> {
  let { line, bytes: end } = start ?? { line: 0, bytes: 0 };
  // The beginning of a line whose end is still to come, with one character for each byte.
  let begun = "";
  // How many bytes of that line went before. A line that is too long is counted and not kept.
  let droppedBytes = 0;
  const prepare = (text: string | undefined, isTooLong: boolean): Sent => {
    if (isTooLong) return refused("body_too_large", `the line takes more than ${lineBytesMax} bytes`);
    return text === undefined ? refused("invalid_json", notUtf8) : jsonBody(text, keyOf(line), kind);
  };
  /** Adds the row of a line, unless the line is empty. */
  const addLine = (rows: Row[], bytes: string): void => {
    // Some editors put a byte order mark before the first line.
    const text = decode(end === 0 ? bytes.replace(/^\xef\xbb\xbf/, "") : bytes);
    const lineBytes = droppedBytes + bytes.length;
    const isTooLong = lineBytes > lineBytesMax;
    line++;
    end += lineBytes + 1;
    droppedBytes = 0;
    if (text?.trim() === "" && !isTooLong) return;
    const raw = isTooLong ? "" : (text ?? Buffer.from(bytes, "latin1").toString());
    // Written out here and below: a spread would cost more than all else that is done for a line.
    const { body, result } = prepare(text, isTooLong);
    rows.push({ line, endLine: line, end, raw, body, result });
  };

  for await (const chunk of chunks) {
    const rows: Row[] = [];
    const lines = (begun + chunk.toString("latin1")).split("\n");
    begun = lines.pop() ?? "";
    for (const bytes of lines) addLine(rows, bytes);
    if (droppedBytes + begun.length > lineBytesMax) {
      droppedBytes += begun.length;
      begun = "";
    }
    if (rows.length > 0) yield rows;
  }
  const rows: Row[] = [];
  // No newline ends the last line.
  if (droppedBytes + begun.length > 0) addLine(rows, begun);
  if (rows.length > 0) yield rows;
}

/** Decodes UTF-8 that was read with a character for each byte; undefined for what is no UTF-8. */
function decode(latin1: string): string | undefined {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, "latin1");
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

/**
 * Reads CSV, in groups of rows as the chunks come. The chunks begin with the header, also where `start` leaves out the
 * lines right behind it. `onHeader` is called with the header's bytes, its newline included.
 * @throws `setting_invalid` for a mapping that does not fit the header; `import_unreadable` for a file without a header,
 * or with a line that is too long: after a quote that is never closed there is no way to find the next line.
 */
async function* csvRows(
  chunks: AsyncIterable<Buffer>,
  { delimiter, columns }: Pick<CsvFormat, "delimiter" | "columns">,
  { keyOf, start, lineBytesMax }: ReadOptions,
  onHeader: (bytes: number) => void,
): AsyncGenerator<Row[]> {
  let rows: Row[] = [];
  let header: { readonly length: number; readonly makeData: MakeData } | undefined;
  let line = 0;
  let skippedBytes = 0;

  const prepare = (cells: readonly string[], { length, makeData }: NonNullable<typeof header>): Sent => {
    if (cells.length !== length)
      return refused("invalid_data", `the line has ${cells.length} cells and the header ${length}`);
    if (cells.some((cell) => cell.includes("\ufffd"))) return refused("invalid_data", notUtf8);
    const { data, faults } = makeData(cells);
    const [first] = faults;
    if (first === undefined) return { body: envelope(JSON.stringify(data), keyOf(line)), result: undefined };
    return refused("invalid_data", `the cells do not fit their types: ${first.path}: ${first.message}`, faults);
  };
  const onRecord = (cells: string[], { bytes }: { bytes: number }): null => {
    // A cell in quotes may contain newlines.
    const endLine = line + cells.join("").split("\n").length;
    if (header === undefined) {
      header = { length: cells.length, makeData: compileMapping(cells, columns) };
      onHeader(bytes);
      line = start?.line ?? endLine;
      skippedBytes = start === undefined ? 0 : start.bytes - bytes;
      return null;
    }
    line++;
    if (cells.length > 1 || cells[0] !== "") {
      const { body, result } = prepare(cells, header);
      rows.push({ line, endLine, end: bytes + skippedBytes, raw: cells, body, result });
    }
    line = endLine;
    return null;
  };
  const parser = parse({
    bom: true,
    // Both, since a file that was edited on two systems may have both.
    record_delimiter: ["\r\n", "\n"],
    delimiter,
    // A quote inside of a cell stands for itself, as spreadsheets read it.
    relax_quotes: true,
    relax_column_count: true,
    max_record_size: lineBytesMax,
    on_record: onRecord,
  });
  parser.resume();
  // Each fault is given to the callback of the write that met it.
  parser.on("error", () => {});
  /** Parses a chunk, or the rest at the end, and gives its rows. What was read before a fault is good. */
  async function* parseChunk(chunk?: Buffer): AsyncGenerator<Row[]> {
    const fault = await new Promise<unknown>((resolve) => {
      if (chunk === undefined) parser.end(resolve);
      else parser.write(chunk, resolve);
    });
    if (rows.length > 0) yield rows;
    rows = [];
    if (fault) throw csvFault(fault, line + 1, lineBytesMax);
  }

  try {
    for await (const chunk of chunks) yield* parseChunk(chunk);
    yield* parseChunk();
  } finally {
    parser.destroy();
  }
  if (header === undefined) {
    throw new CauceError("import_unreadable", "the file is empty; its first line must name the columns");
  }
}

function csvFault(fault: unknown, line: number, lineBytesMax: number): unknown {
  const code = systemCode(fault);
  if (code !== "CSV_QUOTE_NOT_CLOSED" && code !== "CSV_MAX_RECORD_SIZE") return fault;
  const what = code === "CSV_MAX_RECORD_SIZE" ? `takes more than ${lineBytesMax} bytes; ` : "";
  return new CauceError("import_unreadable", `line ${line}: ${what}a quote is opened there and never closed`);
}

type Sent = Pick<Row, "body" | "result">;

const notUtf8 = "the line is not UTF-8; save the file as UTF-8";

function refused(code: ErrorCode, detail: string, errors?: readonly Fault[]): Sent {
  return {
    body: "",
    result: { code, detail: cutText(detail, detailCharactersMax), ...boundFaults(errors, refusedBytesMax) },
  };
}

/** Puts JSON that is known to be one value into an envelope. */
function envelope(json: string, key: string): string {
  return `{"idempotencyKey":"${key}","data":${json}}`;
}

/**
 * Makes the body of a line of JSON, whose text is sent as it stands. Parsing it shows that it is one value:
 * `1},"data":{}` would otherwise end the envelope and begin another. An envelope gets a key if it has none; the server
 * says what else is wrong with it.
 */
function jsonBody(text: string, key: string, kind: "data" | "envelopes"): Sent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refused("invalid_json", `the line is not JSON: ${(error as Error).message}`);
  }
  if (kind === "data") return { body: envelope(text, key), result: undefined };
  const names = value instanceof Object && !Array.isArray(value) ? Object.keys(value) : [];
  const lacksKey = names.length > 0 && !names.includes("idempotencyKey");
  const body = lacksKey ? `{"idempotencyKey":"${key}",${text.slice(text.indexOf("{") + 1)}` : text;
  return { body, result: undefined };
}
