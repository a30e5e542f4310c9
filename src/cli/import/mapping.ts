import { CauceError, type Fault } from "../../core/errors.ts";

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
    place(root, names, { kind: "cell", index, path, type }) ||
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
function place(root: Part, names: readonly string[], cell: Part): boolean {
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
