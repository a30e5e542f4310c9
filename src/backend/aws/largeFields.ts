import type { Clock } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import { exceedsBytes } from "../../core/order.ts";
import {
  attributes,
  type Item,
  type Large,
  type Marks,
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
 * Data, results and extras that would make every write of their order dearer are items of their own, written once under
 * a name that no other write of the order has, before the write that names them.
 *
 *   note ─ part ─ order's write ─ note taken off
 *   dies after the note    an hour later the sweep finds the note and no part: the note goes
 *   dies after the part    the sweep finds that no order names the part and gives it a time to live; then the note goes
 *   dies after the write   the sweep finds the part named: the note goes, and the results or extras that it took the place of
 */
export interface LargeFields {
  /**
   * Puts what is large beside the order, before the write that names it; `nonce` is that write's own name, `before` the
   * order that it changes, null for a placing.
   */
  write(order: StoredOrder, nonce: string, before: StoredOrder | null): Promise<Written>;
  /** What are items of their own; undefined when a later write replaced one. */
  read(item: Item): Promise<Large | undefined>;
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
  readonly extrasPart: Marks["extrasPart"];
  /** The order's write took place, and replaced these attributes. Where it did not, the sweep takes the parts. */
  named(replaced: Item): Promise<void>;
}

/**
 * From how many bytes on data, results and extras stand apart. Every one of an order's four writes pays for each KB of its
 * item; a part is paid for once, and read once a visit at a fifth of the price (docs/decisions/0012).
 */
export const inlineBytesMax = 600;
const noteSeconds = 3_600;
const timeToLiveSeconds = 86_400;
const noteShards = 16;
const pageLimit = 100;

export function createLargeFields(table: Table, clock: Clock): LargeFields {
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
    const { dataPart, resultsPart, extrasPart } = partsOf(order ?? {});
    if (part !== dataPart && part !== resultsPart && part !== extrasPart) {
      const expiresAt = Math.floor(clock.now() / 1_000) + timeToLiveSeconds;
      await table.update({
        Key: { id: { S: id }, part: { S: part } },
        UpdateExpression: `SET ${timeToLiveAttribute} = :at`,
        ConditionExpression: "attribute_exists(id)",
        ExpressionAttributeValues: { ":at": { N: String(expiresAt) } },
      });
    }
    const [prefix, named] = part.startsWith("x") ? ["x", extrasPart] : ["r", resultsPart];
    if (order !== undefined) await eraseOlder(id, prefix, named, numberOf(order, attributes.version) ?? 0);
    await eraseKey(note);
  };

  /** Results or extras of a version that the order has passed: no write can name them any more. */
  const eraseOlder = async (id: string, prefix: string, named: string | null, version: number): Promise<void> => {
    const { items } = await table.query({
      KeyConditionExpression: "id = :id AND begins_with(part, :prefix)",
      ExpressionAttributeValues: { ":id": { S: id }, ":prefix": { S: prefix } },
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
    async write(order, nonce, before) {
      const { extrasJson } = order;
      const taken: (() => Promise<void>)[] = [];
      let dataPart: string | null = null;
      let resultsPart: string | null = null;
      let extrasPart: Marks["extrasPart"] = extrasJson === (before?.extrasJson ?? null) ? undefined : null;
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
      if (extrasPart === null && extrasJson !== null && exceedsBytes(extrasJson, inlineBytesMax)) {
        extrasPart = `x${order.version}-${nonce}`;
        taken.push(await put(order.id, extrasPart, extrasJson));
      }
      const named = async (replaced: Item) => {
        const old = partsOf(replaced);
        const own = [resultsPart, extrasPart];
        // First what was replaced: as long as the note stands, the sweep sees to it.
        for (const part of [old.resultsPart, old.extrasPart])
          if (part !== null && !own.includes(part)) await eraseKey({ id: order.id, part });
        await Promise.all(taken.map((off) => off()));
      };
      return { dataPart, resultsPart, extrasPart, named };
    },

    async read(item) {
      const id = textOf(item, "id") as string;
      const { dataPart, resultsPart, extrasPart } = partsOf(item);
      const [data, results, extras] = await Promise.all(
        [dataPart, resultsPart, extrasPart].map(async (part) => {
          // Undefined for what stands in the order's item; null for a part that is gone.
          return part === null ? undefined : textOf((await table.read({ id, part })) ?? {}, "te");
        }),
      );
      if (data === null || results === null || extras === null) return undefined;
      return { data, results, extras };
    },

    async release(item) {
      const id = textOf(item, "id") as string;
      const notes = Object.values(partsOf(item)).flatMap((part) =>
        part === null ? [] : [noteOf(id, part, clock.now())],
      );
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
