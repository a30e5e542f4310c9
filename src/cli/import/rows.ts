import { finished } from "node:stream/promises";
import { parse } from "csv-parse";
import { CauceError, type ErrorCode, type Fault } from "../../core/errors.ts";

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

const types = ["string", "number", "boolean", "json"] as const;
type CellType = (typeof types)[number];

/** One column of a CSV file: the header that names it, and where its cells go in the data. */
export interface Column {
  readonly header: string;
  /** Names and indices, such as `items.0.sku`. */
  readonly path: string;
  readonly type: CellType;
}

/** Makes the data of a line of cells; with faults where cells are not of their type. */
export type DataOf = (cells: readonly string[]) => { readonly data: unknown } | { readonly faults: readonly Fault[] };

type Part =
  | { readonly kind: "cell"; readonly index: number; readonly path: string; readonly type: CellType }
  | { readonly kind: "object"; readonly fields: Map<string, Part> }
  | { readonly kind: "list"; readonly fields: Map<string, Part> };

/** `sku=items.0.sku` or `qty:number=items.0.quantity`, as `--map` takes it. Throws `setting_invalid`. */
export function parseMap(text: string): Column {
  const at = text.lastIndexOf("=");
  if (at < 1 || at === text.length - 1) {
    throw new CauceError("setting_invalid", `--map must be HEADER=PATH or HEADER:TYPE=PATH, not "${text}"`);
  }
  const { name, type } = typed(text.slice(0, at));
  return { header: name, type, path: text.slice(at + 1) };
}

/** `{ "sku": "items.0.sku", "qty": { "path": "items.0.quantity", "type": "number" } }`. Throws `setting_invalid`. */
export function parseMapping(text: string, file: string): Column[] {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", `--mapping ${file}: ${what}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse(`it is not JSON: ${(error as Error).message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return refuse('it must be an object of headers and paths, such as { "sku": "items.0.sku" }');
  }
  return Object.entries(value).map(([header, to]: [string, unknown]) => {
    if (typeof to === "string") return { header, path: to, type: "string" };
    const { path, type = "string", ...others } = (to ?? {}) as Record<string, unknown>;
    const known = types.find((each) => each === type);
    if (typeof path !== "string" || known === undefined || Object.keys(others).length > 0) {
      return refuse(`"${header}" must be a path or { "path", "type" } with a type of ${types.join(", ")}`);
    }
    return { header, path, type: known };
  });
}

/**
 * What each line of a file with these headers becomes. Without columns, the headers are paths themselves, with a type
 * where one is given (`items.0.quantity:number`). Throws `setting_invalid` for what the file cannot give.
 */
export function compileMapping(headers: readonly string[], columns: readonly Column[] | undefined): DataOf {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", what);
  };
  const wanted = columns ?? headers.map((header) => ({ header, path: typed(header).name, type: typed(header).type }));
  const root: Part = { kind: "object", fields: new Map() };
  for (const { header, path, type } of wanted) {
    const index = headers.indexOf(header);
    if (index < 0) refuse(`the mapping names the header "${header}"; the file has ${quoted(headers)}`);
    if (headers.indexOf(header, index + 1) >= 0) {
      refuse(`the file has the header "${header}" twice; give each column its own`);
    }
    const names = path.split(".");
    if (names.some((name) => name === "" || name === "__proto__")) {
      refuse(`the header "${header}" leads to "${path}", which is no path such as items.0.sku`);
    }
    putCell(root, names, { kind: "cell", index, path, type }) ||
      refuse(`the path "${path}" of the header "${header}" and another's exclude each other; change one of them`);
  }
  if (root.fields.size === 0) refuse("the mapping is empty; name a header and its path");
  return (cells) => {
    const faults: Fault[] = [];
    const data = madeOf(root, cells, faults) ?? {};
    return faults.length > 0 ? { faults } : { data };
  };
}

function typed(text: string): { name: string; type: CellType } {
  const at = text.lastIndexOf(":");
  const type = types.find((each) => each === text.slice(at + 1));
  return at < 1 || type === undefined ? { name: text, type: "string" } : { name: text.slice(0, at), type };
}

/** Puts a cell into the tree; false where another stands in its way. */
function putCell(root: Part, names: readonly string[], cell: Part): boolean {
  let node = root;
  for (const [depth, name] of names.entries()) {
    if (node.kind === "cell" || (node.kind === "list" && !isIndex(name))) return false;
    if (depth === names.length - 1) {
      if (node.fields.has(name)) return false;
      node.fields.set(name, cell);
      return true;
    }
    const kind = isIndex(names[depth + 1] as string) ? "list" : "object";
    const next: Part = node.fields.get(name) ?? { kind, fields: new Map() };
    // An object whose first name is an index would be a list by the next one.
    if (next.kind === "object" && kind === "list") return false;
    node.fields.set(name, next);
    node = next;
  }
  return false;
}

/** The value of a part of the data; undefined where all its cells are empty. */
function madeOf(node: Part, cells: readonly string[], faults: Fault[]): unknown {
  if (node.kind === "cell") {
    const cell = cells[node.index] as string;
    if (cell === "" || node.type === "string") return cell || undefined;
    const value = parseCell(cell, node.type);
    if (value === undefined) faults.push({ path: node.path, message: `"${cell.slice(0, 100)}" is no ${node.type}` });
    return value;
  }
  if (node.kind === "list") {
    const items = [...node.fields]
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, item]) => madeOf(item, cells, faults))
      .filter((item) => item !== undefined);
    return items.length === 0 ? undefined : items;
  }
  let object: Record<string, unknown> | undefined;
  for (const [name, field] of node.fields) {
    const value = madeOf(field, cells, faults);
    if (value !== undefined) (object ??= {})[name] = value;
  }
  return object;
}

function parseCell(cell: string, type: Exclude<CellType, "string">): unknown {
  const text = cell.trim();
  if (type === "boolean") return { true: true, false: false }[text.toLowerCase()];
  if (type === "number") {
    const number = Number(text);
    // Spreadsheets write 1,5 and 0x1F too, and an integer past 2^53 would be stored as another.
    const exact = Number.isFinite(number) && (!/^[+-]?\d+$/.test(text) || Number.isSafeInteger(number));
    return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && exact ? number : undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isIndex(name: string): boolean {
  return /^\d+$/.test(name);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

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
  result: "placed" | "repeated" | Problem | undefined;
}

/** How far the input is done with. */
export interface Position {
  readonly bytes: number;
  readonly line: number;
}

/** What a line becomes. */
export type Prepared = { readonly body: string } | { readonly problem: Problem };

export function rowOf(lineFacts: Pick<Row, "line" | "endLine" | "end" | "raw">, prepared: Prepared): Row {
  const { line, endLine, end, raw } = lineFacts;
  // Written out: a spread would cost more than all else that is done for a line.
  return "body" in prepared
    ? { line, endLine, end, raw, body: prepared.body, result: undefined }
    : { line, endLine, end, raw, body: "", result: prepared.problem };
}

/** Makes what is sent of a line's text and its key. */
export type Envelope = (text: string, key: string) => Prepared;

/**
 * A line that is the data itself. It is put into the envelope as it stands, so it is parsed here only to be sure that it
 * is one value: `1},"data":{}` would otherwise end the envelope and begin another.
 */
export const dataEnvelope: Envelope = (text, key) => {
  const parsed = parseJson(text);
  return "problem" in parsed ? parsed : { body: sealed(text, key) };
};

/** JSON that is known to be one value, in its envelope. */
export function sealed(json: string, key: string): string {
  return `{"idempotencyKey":"${key}","data":${json}}`;
}

/** A line that is an envelope; it gets a key where it has none. Whatever else is wrong with it the server says. */
export const ownEnvelope: Envelope = (text, key) => {
  const parsed = parseJson(text);
  if ("problem" in parsed) return parsed;
  const { value } = parsed;
  const lacksKey =
    value !== null && typeof value === "object" && !Array.isArray(value) && !Object.hasOwn(value, "idempotencyKey");
  if (!lacksKey || Object.keys(value).length === 0) return { body: text };
  return { body: `{"idempotencyKey":"${key}",${text.slice(text.indexOf("{") + 1)}` };
};

function parseJson(text: string): { value: unknown } | Exclude<Prepared, { body: string }> {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: { code: "invalid_json", detail: `the line is not JSON: ${(error as Error).message}` } };
  }
}
