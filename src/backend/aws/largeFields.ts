/**
 * Data, results and extras above 600 bytes are items of their own ("parts"), so that the order's other writes do not
 * pay for them. A part is written once, before the write of the order that names it, under a name that no other write
 * of the order uses.
 *
 *   note ─ part ─ order's write ─ note erased
 *   dies after the note    an hour later the sweep finds the note and no part: it erases the note
 *   dies after the part    the sweep finds that the order does not name the part: it gives the part a time to live,
 *                          and erases the note
 *   dies after the write   the sweep finds that the order names the part: it erases the results or extras that the
 *                          part replaced, and the note
 */

import { CauceError } from "../../core/errors.ts";
import { exceedsBytes, type StoredOrder } from "../../core/order.ts";
import {
  attributes as a,
  type Item,
  idPattern,
  largeFieldNames,
  type Marks,
  numberOf,
  orderPart,
  shardOf,
  sortBefore,
  textOf,
  timeToLiveAttribute,
} from "./item.ts";
import { orderOfItem, unreadableItem } from "./readItem.ts";
import { type ItemKey, orderKey, type TableContext } from "./table.ts";

/** The part of the backend that large fields need. */
type Context = Pick<TableContext, "table" | "clock">;

/** What a write of an order must name, and what follows that write. */
export interface Written extends Pick<Marks, "resultsPart" | "extrasPart"> {
  /** The item that holds the data, null for the order's own, and for a write that does not place the order. */
  readonly dataPart: string | null;
  /** Called when the order's write took place and replaced these attributes. Where it is not called, the sweep finds the parts. */
  named(replaced: Item): Promise<void>;
}

/**
 * Fields above this many bytes stand in items of their own. Each of an order's four writes pays for each KB of the
 * order's item; a part is paid for once, and read once a visit at a fifth of the price (docs/decisions/0012).
 */
export const inlineBytesMax = 600;
const noteSeconds = 3_600;
const timeToLiveSeconds = 86_400;
const noteShards = 16;
const notesMax = 100;
const readsMax = 5;

/** Reads an order's item as it is stored; undefined where there is no order of that id. */
export async function readItem({ table }: Pick<Context, "table">, id: string): Promise<Item | undefined> {
  if (!idPattern.test(id)) return undefined;
  const item = await table.read(orderKey(id));
  return item?.[a.removed] === undefined ? item : undefined;
}

/**
 * Reads an order with its large fields. Rejects with `store_unavailable` where the order changed during five reads.
 *
 * A part that is gone may have been replaced since the item was read. Where the item still names the part when it is read
 * again, the part is lost: a part is written before the item names it, and erased after the item names another or is gone.
 */
export async function readOrder(context: Pick<Context, "table">, id: string): Promise<StoredOrder | undefined> {
  let gone: readonly string[] = [];
  for (let reads = 0; reads < readsMax; reads++) {
    const item = await readItem(context, id);
    if (item === undefined) return undefined;
    const lost = partNames.filter((name) => gone.includes(textOf(item, a[name]) ?? ""));
    if (lost.length > 0)
      return unreadableItem(
        item,
        lost.map((name) => a[name]),
      );
    const read = await readParts(context, item);
    if ("order" in read) return read.order;
    gone = read.gone;
  }
  throw new CauceError("store_unavailable", `order ${id} changed while it was read ${readsMax} times; try again`);
}

/** Reads what an order's item does not hold itself; undefined when a later write has replaced one of its parts. */
export async function orderOf(context: Pick<Context, "table">, item: Item): Promise<StoredOrder | undefined> {
  const read = await readParts(context, item);
  return "order" in read ? read.order : undefined;
}

const partNames = ["dataPart", "resultsPart", "extrasPart"] as const;

/** Reads the parts of an item: gives its order, or the names of the parts that are gone. */
async function readParts(
  { table }: Pick<Context, "table">,
  item: Item,
): Promise<{ readonly order: StoredOrder } | { readonly gone: readonly string[] }> {
  const id = textOf(item, "id") as string;
  const parts = partNames.map((name) => textOf(item, a[name]));
  const [data, results, extras] = await Promise.all(
    parts.map(async (part) => {
      // Undefined for a field in the order's own item, null for a part that is gone.
      return part === null ? undefined : textOf((await table.read({ id, part })) ?? {}, "te");
    }),
  );
  if (data !== null && results !== null && extras !== null) {
    return { order: orderOfItem(item, { data, results, extras }) };
  }
  const texts = [data, results, extras];
  return { gone: parts.filter((part, index) => part !== null && texts[index] === null) as string[] };
}

/**
 * Writes the large fields of an order, before the order's write that names them. `nonce` is the name of that write,
 * `before` the order that it changes, null for a placing.
 */
export async function writeLargeFields(
  context: Context,
  order: StoredOrder,
  nonce: string,
  before: StoredOrder | null,
): Promise<Written> {
  const { table, clock } = context;
  const { id, version, extrasJson } = order;
  const notes: ItemKey[] = [];
  const write = async (prefix: string, text: string | null): Promise<string | null> => {
    if (text === null || !exceedsBytes(text, inlineBytesMax)) return null;
    const part = `${prefix}-${nonce}`;
    const note = noteKey(id, part, clock.now());
    await putNote(context, note);
    await table.put({ id: { S: id }, part: { S: part }, te: { S: text } });
    notes.push(note);
    return part;
  };
  // The nonce tells apart two placings with one key, whose data may differ, and two writers of one version.
  const dataPart = version === 1 ? await write("d", order.dataJson) : null;
  const resultsPart = await write(`r${version}`, order.resultsJson);
  const changesExtras = extrasJson !== (before?.extrasJson ?? null);
  const extrasPart = changesExtras ? await write(`x${version}`, extrasJson) : undefined;
  return {
    dataPart,
    resultsPart,
    extrasPart,
    async named(replaced) {
      const old = largeFieldNames(replaced);
      // The replaced parts go first: while a note stands, the sweep finishes what a process that died left.
      for (const part of [old.resultsPart, old.extrasPart]) {
        if (part !== null && part !== resultsPart && part !== extrasPart) await table.erase({ id, part });
      }
      await Promise.all(notes.map((note) => table.erase(note)));
    },
  };
}

/**
 * Notes the parts of an order before its item is erased, so that the sweep finds them. Resolves to a function that
 * erases every part of the order, named or not, once the item is gone.
 */
export async function releaseLargeFields(context: Context, item: Item): Promise<() => Promise<void>> {
  const id = textOf(item, "id") as string;
  const names = Object.values(largeFieldNames(item)).filter((part) => part !== null);
  const notes = names.map((part) => noteKey(id, part, context.clock.now()));
  await Promise.all(notes.map((note) => putNote(context, note)));
  return async () => {
    await eraseLargeFields(context, id);
    await Promise.all(notes.map((note) => context.table.erase(note)));
  };
}

/** Finishes what processes that died left behind: see the table above. */
export async function sweepLargeFields(context: Context): Promise<void> {
  const before = sortBefore(context.clock.now() - noteSeconds * 1_000);
  const shards = Array.from({ length: noteShards }, (_, shard) => `#parts#${shard}`);
  await Promise.all(
    shards.map(async (id) => {
      const { items } = await context.table.query({
        KeyConditionExpression: "id = :id AND part < :before",
        ExpressionAttributeValues: { ":id": { S: id }, ":before": { S: before } },
        Limit: notesMax,
      });
      for (const item of items) await settleNote(context, { id, part: textOf(item, "part") as string });
    }),
  );
}

function noteKey(id: string, part: string, at: number): ItemKey {
  return { id: `#parts#${shardOf(id, noteShards)}`, part: `${sortBefore(at)} ${id} ${part}` };
}

function putNote({ table }: Context, { id, part }: ItemKey): Promise<boolean> {
  return table.put({ id: { S: id }, part: { S: part } });
}

/** Gives the noted part a time to live unless the order names it, erases what the part replaced, and then the note. */
async function settleNote(context: Context, note: ItemKey): Promise<void> {
  const { table, clock } = context;
  const [, id = "", part = ""] = note.part.split(" ");
  const order = await table.read(orderKey(id));
  const { dataPart, resultsPart, extrasPart } = largeFieldNames(order ?? {});
  if (part !== dataPart && part !== resultsPart && part !== extrasPart) {
    const expiresAt = Math.floor(clock.now() / 1_000) + timeToLiveSeconds;
    await table.update(
      { id, part },
      {
        UpdateExpression: `SET ${timeToLiveAttribute} = :at`,
        ConditionExpression: "attribute_exists(id)",
        ExpressionAttributeValues: { ":at": { N: String(expiresAt) } },
      },
    );
  }
  const [prefix, named] = part.startsWith("x") ? ["x", extrasPart] : ["r", resultsPart];
  if (order !== undefined) await eraseOlder(context, id, prefix, named, numberOf(order, a.version) ?? 0);
  await table.erase(note);
}

/** Erases results or extras of versions that the order has passed: no write can name them any more. */
async function eraseOlder(
  { table }: Context,
  id: string,
  prefix: string,
  named: string | null,
  version: number,
): Promise<void> {
  const { items } = await table.query({
    KeyConditionExpression: "id = :id AND begins_with(part, :prefix)",
    ExpressionAttributeValues: { ":id": { S: id }, ":prefix": { S: prefix } },
    ProjectionExpression: "part",
    Limit: notesMax,
  });
  for (const item of items) {
    const part = textOf(item, "part") as string;
    if (part !== named && Number.parseInt(part.slice(1), 10) <= version) await table.erase({ id, part });
  }
}

async function eraseLargeFields({ table }: Context, id: string): Promise<void> {
  let next: Item | undefined;
  do {
    const page = await table.query({
      KeyConditionExpression: "id = :id",
      ExpressionAttributeValues: { ":id": { S: id } },
      ProjectionExpression: "part",
      ConsistentRead: true,
      ...(next === undefined ? {} : { ExclusiveStartKey: next }),
    });
    for (const item of page.items) {
      const part = textOf(item, "part") as string;
      if (part !== orderPart) await table.erase({ id, part });
    }
    next = page.next;
  } while (next !== undefined);
}
