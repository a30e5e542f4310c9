import type { Clock } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import { exceedsBytes } from "../../core/size.ts";
import {
  attributes,
  type Item,
  numberOf,
  orderPart,
  partsOf,
  shardOf,
  sortBefore,
  textOf,
  timeToLiveAttribute,
} from "./item.ts";
import type { Key, Table } from "./table.ts";

/**
 * Data and results that would make every write of their order dearer are items of their own, written once under a name
 * that no other write of the order has, before the write that names them.
 *
 *   note ─ part ─ order's write ─ note taken off
 *   dies after the note    an hour later the sweep finds the note and no part: the note goes
 *   dies after the part    the sweep finds that no order names the part and gives it a time to live; then the note goes
 *   dies after the write   the sweep finds the part named: the note goes, and the results that it took the place of
 */
export interface Parts {
  /** Puts what is large beside the order, before the write that names it; `nonce` is that write's own name. */
  write(order: StoredOrder, nonce: string): Promise<Written>;
  /** The order's data and results, where they are items of their own; undefined when a later write replaced them. */
  read(item: Item): Promise<{ data?: string; results?: string } | undefined>;
  /**
   * Before an order's item is erased: what it names is noted, so that the sweep finds it. Resolves to what erases every
   * part of the order, named or not, once the item is gone.
   */
  release(item: Item): Promise<() => Promise<void>>;
  /** Looks after what processes that died left. */
  sweep(): Promise<void>;
}

export interface Written {
  /** Null where they stand in the order's item, or (data) were written when it was placed. */
  readonly dataPart: string | null;
  readonly resultsPart: string | null;
  /** The order's write took place, and named no longer `replaced`. Where it did not, the sweep takes the parts. */
  named(replaced: string | null): Promise<void>;
}

/**
 * From how many bytes on data and results stand apart. Every one of an order's four writes pays for each KB of its
 * item; a part is paid for once, and read once a visit at a fifth of the price (docs/decisions/0012).
 */
export const inlineBytesMax = 600;
const noteSeconds = 3_600;
const timeToLiveSeconds = 86_400;
const noteShards = 16;
const pageLimit = 100;

export function createParts(table: Table, clock: Clock): Parts {
  const noteOf = (id: string, part: string, at: number): Key => {
    return { id: `#parts#${shardOf(id, noteShards)}`, part: `${sortBefore(at)} ${id} ${part}` };
  };
  const eraseKey = ({ id, part }: Key) => table.erase({ Key: { id: { S: id }, part: { S: part } } });

  const putNote = ({ id, part }: Key) => table.put({ Item: { id: { S: id }, part: { S: part } } });

  const put = async (id: string, part: string, text: string): Promise<() => Promise<void>> => {
    const note = noteOf(id, part, clock.now());
    await putNote(note);
    await table.put({ Item: { id: { S: id }, part: { S: part }, te: { S: text } } });
    return async () => {
      await eraseKey(note);
    };
  };

  /** A part that no order names gets a time to live, unless one names it by now. */
  const settle = async (note: Key): Promise<void> => {
    const [, id = "", part = ""] = note.part.split(" ");
    const order = await table.read({ id, part: orderPart });
    const { dataPart, resultsPart } = order === undefined ? { dataPart: null, resultsPart: null } : partsOf(order);
    if (part !== dataPart && part !== resultsPart) {
      const expiresAt = Math.floor(clock.now() / 1_000) + timeToLiveSeconds;
      await table.update({
        Key: { id: { S: id }, part: { S: part } },
        UpdateExpression: `SET ${timeToLiveAttribute} = :at`,
        ConditionExpression: "attribute_exists(id)",
        ExpressionAttributeValues: { ":at": { N: String(expiresAt) } },
      });
    }
    if (order !== undefined) await eraseOlder(id, resultsPart, numberOf(order, attributes.version) ?? 0);
    await eraseKey(note);
  };

  /** Results of a version that the order has passed: no write can name them any more. */
  const eraseOlder = async (id: string, named: string | null, version: number): Promise<void> => {
    const { items } = await table.query({
      KeyConditionExpression: "id = :id AND begins_with(part, :results)",
      ExpressionAttributeValues: { ":id": { S: id }, ":results": { S: "r" } },
      ProjectionExpression: "part",
      Limit: pageLimit,
    });
    for (const item of items) {
      const part = textOf(item, "part") as string;
      if (part !== named && Number.parseInt(part.slice(1), 10) <= version) await eraseKey({ id, part });
    }
  };

  const eraseAll = async (id: string): Promise<void> => {
    for (let next: Item | undefined; ; ) {
      const page = await table.query({
        KeyConditionExpression: "id = :id",
        ExpressionAttributeValues: { ":id": { S: id } },
        ProjectionExpression: "part",
        ConsistentRead: true,
        ...(next === undefined ? {} : { ExclusiveStartKey: next }),
      });
      for (const item of page.items) {
        const part = textOf(item, "part") as string;
        if (part !== orderPart) await eraseKey({ id, part });
      }
      next = page.next;
      if (next === undefined) return;
    }
  };

  return {
    async write(order, nonce) {
      const taken: (() => Promise<void>)[] = [];
      let dataPart: string | null = null;
      let resultsPart: string | null = null;
      if (order.version === 1 && exceedsBytes(order.dataJson, inlineBytesMax)) {
        // Two placings with one idempotency key have one id, and their data may differ.
        dataPart = `d-${nonce}`;
        taken.push(await put(order.id, dataPart, order.dataJson));
      }
      if (exceedsBytes(order.resultsJson, inlineBytesMax)) {
        // Of two writers of one version only one will be named.
        resultsPart = `r${order.version}-${nonce}`;
        taken.push(await put(order.id, resultsPart, order.resultsJson));
      }
      const named = async (replaced: string | null) => {
        // First what was replaced: as long as the note stands, the sweep sees to it.
        if (replaced !== null && replaced !== resultsPart) await eraseKey({ id: order.id, part: replaced });
        await Promise.all(taken.map((off) => off()));
      };
      return { dataPart, resultsPart, named };
    },

    async read(item) {
      const id = textOf(item, "id") as string;
      const { dataPart, resultsPart } = partsOf(item);
      const large: { data?: string; results?: string } = {};
      const [data, results] = await Promise.all(
        [dataPart, resultsPart].map((part) => (part === null ? undefined : table.read({ id, part }))),
      );
      if (dataPart !== null) {
        const text = data && textOf(data, "te");
        if (typeof text !== "string") return undefined;
        large.data = text;
      }
      if (resultsPart !== null) {
        const text = results && textOf(results, "te");
        if (typeof text !== "string") return undefined;
        large.results = text;
      }
      return large;
    },

    async release(item) {
      const id = textOf(item, "id") as string;
      const { dataPart, resultsPart } = partsOf(item);
      const notes = [dataPart, resultsPart].flatMap((part) => (part === null ? [] : [noteOf(id, part, clock.now())]));
      await Promise.all(notes.map(putNote));
      return async () => {
        await eraseAll(id);
        await Promise.all(notes.map(eraseKey));
      };
    },

    async sweep() {
      const before = sortBefore(clock.now() - noteSeconds * 1_000);
      const shards = Array.from({ length: noteShards }, (_, shard) => `#parts#${shard}`);
      await Promise.all(
        shards.map(async (id) => {
          const { items } = await table.query({
            KeyConditionExpression: "id = :id AND part < :before",
            ExpressionAttributeValues: { ":id": { S: id }, ":before": { S: before } },
            Limit: pageLimit,
          });
          for (const item of items) await settle({ id, part: textOf(item, "part") as string });
        }),
      );
    },
  };
}
