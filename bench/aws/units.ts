/** DynamoDB's units, as it counts them: sizes of names and values, in steps of 1 KB written and 4 KB read. */
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

/** A byte for each two significant digits, and one more; another for a minus. */
function numberBytes(text: string): number {
  const digits = text.replace(/\D/g, "").replace(/^0+|0+$/g, "").length;
  return Math.ceil(digits / 2) + 1 + (text.startsWith("-") ? 1 : 0);
}

export interface IndexShape {
  readonly keys: readonly string[];
  /** The projected attributes, those of the keys included. */
  readonly projected: readonly string[];
}

/** A write pays for the larger of what stood there and what stands there now. */
export function tableUnits(before: Item | undefined, after: Item): number {
  return kilobytes(Math.max(before === undefined ? 0 : itemBytes(before), itemBytes(after)));
}

/** Nothing for an entry that stays as it is, one write for one that changes, two where its key does. */
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

/** Strongly consistent. */
export function readUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4_096));
}

function kilobytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 1_024));
}
