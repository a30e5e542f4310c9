import { finished } from "node:stream/promises";
import { parse } from "csv-parse";
import { CauceError } from "../../core/errors.ts";
import { sealed } from "./envelope.ts";
import { type Column, compileMapping, type DataOf } from "./mapping.ts";
import { type Position, type Prepared, type Row, rowOf } from "./row.ts";

export interface CsvOptions {
  readonly columns: readonly Column[] | undefined;
  readonly delimiter: string;
  readonly keyOf: (line: number) => string;
  /** Where the lines begin that come after the header; undefined: right behind it. */
  readonly start: Position | undefined;
  /** A line that is longer ends the reading: after a quote that nobody closed there is no way to find the next line. */
  readonly lineBytesMax: number;
  /** Told of the bytes that the header takes, newline included. */
  readonly onHeader: (bytes: number) => void;
}

/**
 * The rows of a CSV file, in groups as they come. The chunks begin with the header, also where the lines do not begin
 * right behind it. Throws `setting_invalid` for a mapping that does not fit the header, `import_unreadable` for a file
 * without one or with a quote that is never closed.
 */
export async function* csvRows(chunks: AsyncIterable<Buffer>, options: CsvOptions): AsyncGenerator<Row[]> {
  const { columns, delimiter, keyOf, start, lineBytesMax, onHeader } = options;
  let rows: Row[] = [];
  let headers: readonly string[] | undefined;
  let dataOf: DataOf | undefined;
  let line = 0;
  let skipped = 0;

  const prepare = (cells: readonly string[]): Prepared => {
    const { length } = headers as readonly string[];
    if (cells.length !== length) {
      return invalid(`the line has ${cells.length} cells and the header ${length}`);
    }
    if (cells.some((cell) => cell.includes("\ufffd"))) return invalid("the line is not UTF-8; save the file as UTF-8");
    const made = (dataOf as DataOf)(cells);
    if ("data" in made) return { body: sealed(JSON.stringify(made.data), keyOf(line)) };
    const [first] = made.faults;
    return invalid(`the cells do not fit their types: ${first?.path}: ${first?.message}`, made.faults);
  };
  const onRecord = (cells: string[], { bytes }: { bytes: number }): null => {
    if (headers === undefined) {
      headers = cells;
      dataOf = compileMapping(cells, columns);
      onHeader(bytes);
      line = start?.line ?? linesIn(cells);
      skipped = start === undefined ? 0 : start.bytes - bytes;
      return null;
    }
    // A cell in quotes may hold newlines.
    const endLine = line + linesIn(cells);
    line++;
    if (cells.length > 1 || cells[0] !== "") {
      rows.push(rowOf({ line, endLine, end: bytes + skipped, raw: cells }, prepare(cells)));
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
  const ended = finished(parser);
  ended.catch(() => {});
  const explain = (error: unknown): unknown => {
    const { code } = error as { code?: string };
    if (code !== "CSV_QUOTE_NOT_CLOSED" && code !== "CSV_MAX_RECORD_SIZE") return error;
    const what = code === "CSV_MAX_RECORD_SIZE" ? `takes more than ${lineBytesMax} bytes; ` : "";
    return new CauceError("import_unreadable", `line ${line + 1}: ${what}a quote is opened there and never closed`);
  };

  try {
    for await (const chunk of chunks) {
      const fault = await new Promise<unknown>((resolve) => parser.write(chunk, resolve));
      // What was read before it is good.
      if (rows.length > 0) yield rows;
      rows = [];
      if (fault) throw explain(fault);
    }
    parser.end();
    const fault = await ended.then(
      () => undefined,
      (error: unknown) => explain(error),
    );
    if (rows.length > 0) yield rows;
    if (fault !== undefined) throw fault;
    if (headers === undefined) {
      throw new CauceError("import_unreadable", "the file is empty; its first line must name the columns");
    }
  } finally {
    parser.destroy();
  }
}

function invalid(detail: string, errors?: readonly { path: string; message: string }[]): Prepared {
  return { problem: { code: "invalid_data", detail, errors } };
}

function linesIn(cells: readonly string[]): number {
  let lines = 1;
  for (const cell of cells) {
    if (cell.includes("\n")) lines += cell.split("\n").length - 1;
  }
  return lines;
}
