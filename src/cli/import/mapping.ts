/** The mapping of a CSV file: where the cells of each column go in an order's data, and as which type. */
import type { Fault } from "../../core/errors.ts";
import { hasInexactNumber, inexactMessage, isInexact } from "../../core/numbers.ts";
import { parseJson, wrongUsage } from "../output.ts";

const types = ["string", "number", "boolean", "json"] as const;
type CellType = (typeof types)[number];

/** One column of a CSV file: the header that names it, and where its cells go in the data. */
export interface Column {
  readonly header: string;
  /** Names and indices, such as `items.0.sku`. */
  readonly path: string;
  readonly type: CellType;
}

/** Makes a line's data of its cells. A cell that is not of its column's type is a fault. */
export type MakeData = (cells: readonly string[]) => { readonly data: unknown; readonly faults: readonly Fault[] };

type Cell = Pick<Column, "path" | "type"> & { readonly index: number };
/** An object or a list of the data, with its fields or items. */
interface Group {
  readonly isList: boolean;
  readonly fields: Map<string, Cell | Group>;
}

/**
 * Compiles a mapping for a file with these headers. Without columns, the headers are paths themselves, with a type
 * where one is given (`items.0.quantity:number`).
 * @throws `setting_invalid` for a mapping that does not fit the headers.
 */
export function compileMapping(headers: readonly string[], columns: readonly Column[] | undefined): MakeData {
  const root: Group = { isList: false, fields: new Map() };
  for (const { header, path, type } of columns ?? headers.map((header) => ({ header, ...parseTyped(header) }))) {
    const index = headers.indexOf(header);
    if (index < 0) {
      const found = headers.map((name) => `"${name}"`).join(", ");
      throw wrongUsage(`the mapping names the header "${header}"; the file has ${found}`);
    }
    if (headers.lastIndexOf(header) !== index) {
      throw wrongUsage(`the file has the header "${header}" twice; give each column its own`);
    }
    const names = path.split(".");
    if (names.some((name) => name === "" || name === "__proto__")) {
      throw wrongUsage(`the header "${header}" leads to "${path}", which is not a path such as items.0.sku`);
    }
    if (!putCell(root, names, { index, path, type })) {
      throw wrongUsage(
        `the path "${path}" of the header "${header}" and that of another header exclude each other; change one of them`,
      );
    }
  }
  if (root.fields.size === 0) throw wrongUsage("the mapping is empty; name a header and its path");
  return (cells) => {
    const faults: Fault[] = [];
    return { data: readPart(root, cells, faults) ?? {}, faults };
  };
}

/** Puts a cell into the tree of the data. Returns false if another cell is in its way. */
function putCell(group: Group, [name = "", ...rest]: readonly string[], cell: Cell): boolean {
  const found = group.fields.get(name);
  const [next] = rest;
  if (next === undefined) return found === undefined && group.fields.set(name, cell).has(name);
  const isList = /^\d+$/.test(next);
  const inner = found ?? { isList, fields: new Map() };
  if (!("fields" in inner) || inner.isList !== isList) return false;
  group.fields.set(name, inner);
  return putCell(inner, rest, cell);
}

/** Reads a part of the data from a line's cells; undefined if all of its cells are empty. */
function readPart(part: Cell | Group, cells: readonly string[], faults: Fault[]): unknown {
  if (!("fields" in part)) {
    const { index, path, type } = part;
    const cell = cells[index] ?? "";
    if (cell === "" || type === "string") return cell || undefined;
    const value = parseCell(cell.trim(), type);
    if (value === undefined) {
      const why = hasInexactNumber(cell) ? inexactMessage : `is not of the type ${type}`;
      faults.push({ path, message: `"${cell.slice(0, 100)}" ${why}` });
    }
    return value;
  }
  const filled: [name: string, value: unknown][] = [];
  for (const [name, field] of part.fields) {
    const value = readPart(field, cells, faults);
    if (value !== undefined) filled.push([name, value]);
  }
  if (filled.length === 0) return undefined;
  if (!part.isList) return Object.fromEntries(filled);
  return filled.sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
]);

/** The value of a cell's text; undefined if the text is not of the type. */
function parseCell(text: string, type: Exclude<CellType, "string">): unknown {
  if (type === "boolean") return booleans.get(text.toLowerCase());
  if (type === "number") {
    // Spreadsheets write 1,5 and 0x1F too. A number that a double cannot hold would be stored as another.
    return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && !isInexact(text) ? Number(text) : undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return hasInexactNumber(text) ? undefined : value;
  } catch {
    return undefined;
  }
}

/**
 * Parses the value of `--map`: `sku=items.0.sku` or `qty:number=items.0.quantity`.
 * @throws `setting_invalid`
 */
export function parseMap(text: string): Column {
  const at = text.lastIndexOf("=");
  if (at < 1 || at === text.length - 1) {
    throw wrongUsage(`--map must be HEADER=PATH or HEADER:TYPE=PATH, not "${text}"`);
  }
  const { path: header, type } = parseTyped(text.slice(0, at));
  return { header, type, path: text.slice(at + 1) };
}

/** Parses `qty:number`. What has no type behind it is a string. */
function parseTyped(text: string): Pick<Column, "path" | "type"> {
  const at = text.lastIndexOf(":");
  const type = types.find((each) => each === text.slice(at + 1));
  return at < 1 || type === undefined ? { path: text, type: "string" } : { path: text.slice(0, at), type };
}

/**
 * Parses a mapping file: `{ "sku": "items.0.sku", "qty": { "path": "items.0.quantity", "type": "number" } }`.
 * @throws `setting_invalid`
 */
export function parseMapping(text: string, file: string): Column[] {
  const where = `--mapping ${file}`;
  const value = parseJson(text, where, "setting_invalid");
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw wrongUsage(`${where}: it must be an object of headers and paths, such as { "sku": "items.0.sku" }`);
  }
  return Object.entries(value).map(([header, to]: [string, unknown]) => {
    const { path, type = "string", ...others } = typeof to === "string" ? { path: to } : Object(to);
    const known = types.find((each) => each === type);
    if (typeof path === "string" && known !== undefined && Object.keys(others).length === 0) {
      return { header, path, type: known };
    }
    throw wrongUsage(`${where}: "${header}" must be a path or { "path", "type" } with a type of ${types.join(", ")}`);
  });
}
