/** Counts units as DynamoDB does: sizes of names and values, in steps of 1 KB written and 4 KB read. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";

export type Item = Readonly<Record<string, AttributeValue>>;

export function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return numberBytes(value.N);
  if (value.B !== undefined) return value.B.byteLength;
  if (value.SS !== undefined) return value.SS.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (value.BOOL !== undefined || value.NULL !== undefined) return 1;
  throw new Error(`no size is known for ${Object.keys(value)}`);
}

/** Bytes of a number: one for each two significant digits, and one more; another one for a minus. */
function numberBytes(text: string): number {
  const digits = text.replace(/\D/g, "").replace(/^0+|0+$/g, "").length;
  return Math.ceil(digits / 2) + 1 + (text.startsWith("-") ? 1 : 0);
}

export interface IndexShape {
  readonly keys: readonly string[];
  /** The projected attributes, the keys included. */
  readonly projected: readonly string[];
}

/** Units of a write, which pays for the larger of the item before and the item after. */
export function tableUnits(before: Item | undefined, after: Item): number {
  return kilobytes(Math.max(before === undefined ? 0 : itemBytes(before), itemBytes(after)));
}

/** Writes of an index entry: none if it stays as it is, one if it changes, two if its key changes. */
export function indexUnits(before: Item | undefined, after: Item, { keys, projected }: IndexShape): number {
  const entryOf = (item: Item): Item =>
    Object.fromEntries(projected.flatMap((name) => (item[name] === undefined ? [] : [[name, item[name]]])));
  const now = entryOf(after);
  if (before === undefined) return kilobytes(itemBytes(now));
  const then = entryOf(before);
  const same = (names: readonly string[]) =>
    names.every((name) => JSON.stringify(then[name]) === JSON.stringify(now[name]));
  if (!same(keys)) return kilobytes(itemBytes(then)) + kilobytes(itemBytes(now));
  return same(projected) ? 0 : kilobytes(Math.max(itemBytes(then), itemBytes(now)));
}

/** Units of a strongly consistent read. */
export function readUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4_096));
}

function kilobytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 1_024));
}
