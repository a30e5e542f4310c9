import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { readCursor, writeCursor } from "../../core/cursor.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { createIds, storedOrder } from "../newOrder.ts";
import type { Backend, DeliveryMode, NewOrder, Placed, Removal } from "../port.ts";
import { walkIndex } from "./index/query.ts";
import {
  attributes as a,
  decodeOrder,
  encodeChanging,
  encodeFixed,
  hexOf,
  type Item,
  newNonce,
  orderPart,
  present,
  settingAll,
  sortBefore,
  textOf,
} from "./item.ts";
import type { Parts } from "./largeFields.ts";
import type { Deliveries } from "./queue/deliveries.ts";
import { delaySecondsMax, retentionSecondsMax } from "./queue/queue.ts";
import type { Topic } from "./queue/topic.ts";
import type { Table } from "./table.ts";
import type { Registry } from "./tableMeta.ts";

export interface OrdersOptions {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly table: Table;
  readonly parts: Parts;
  readonly registry: Registry;
  readonly topic: () => Promise<Topic>;
  readonly deliveries: Deliveries;
  /** How long after its queueing a delivery of a status counts as lost, in seconds. */
  readonly lostSecondsOf: (status: string) => number;
  /** Told of a message that the topic did not take, where the order is stored all the same. */
  readonly onUnpublished: (orderId: string, error: unknown) => void;
}

export type Orders = Pick<Backend, "place" | "get" | "commit"> & {
  /** Its item as stored; undefined where there is no order of that id. */
  readItem(id: string): Promise<Item | undefined>;
  decode(item: Item): Promise<StoredOrder | undefined>;
};

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const readsMost = 5;

export function createOrders(options: OrdersOptions): Orders {
  const { mode, clock, table, parts, registry, topic, deliveries, lostSecondsOf } = options;
  const ids = createIds(0);
  const nonces = new WeakMap<object, string>();

  /** One for each change and placing: a repeat of the write, by the SDK or by the engine, is known as such. */
  const nonceOf = (write: object): string => {
    const known = nonces.get(write) ?? newNonce();
    nonces.set(write, known);
    return known;
  };

  /**
   * Whether a message brings the order then: a standard queue delays for 15 minutes, and a FIFO queue keeps what is in it
   * for 14 days. Past that the sweep brings it, at its time.
   */
  const keepsUntil = ({ entry }: StoredOrder, notBefore: number): boolean =>
    mode === "standard"
      ? notBefore - clock.now() <= delaySecondsMax * 1_000
      : notBefore - entry.at <= retentionSecondsMax * 1_000;

  /** When the sweep looks at an order next. */
  const dueOf = (order: StoredOrder): number | null => {
    if (order.failure !== null || order.kind === "final") return null;
    if (order.kind === "waiting") return order.expiresAt;
    const { notBefore } = order;
    if (notBefore !== null && !keepsUntil(order, notBefore)) return notBefore;
    return Math.max(order.updatedAt, notBefore ?? 0) + lostSecondsOf(order.status) * 1_000;
  };

  const readItem = async (id: string): Promise<Item | undefined> => {
    if (!idPattern.test(id)) return undefined;
    const item = await table.read({ id, part: orderPart });
    return item?.[a.removed] === undefined ? item : undefined;
  };

  const decode = async (item: Item): Promise<StoredOrder | undefined> => {
    const large = await parts.read(item);
    return large === undefined ? undefined : decodeOrder(item, large);
  };

  const get = async (id: string): Promise<StoredOrder | undefined> => {
    for (let reads = 0; reads < readsMost; reads++) {
      const item = await readItem(id);
      if (item === undefined) return undefined;
      const order = await decode(item);
      if (order !== undefined) return order;
      // Its results were replaced between the two reads.
    }
    throw new CauceError("store_unavailable", `order ${id} changed while it was read ${readsMost} times; try again`);
  };

  /**
   * place:   (large data) ─ write ─ publish ─ answer
   *   dies before the write    nothing is stored, nothing was answered
   *   dies before the publish  nothing was answered; the sweep delivers what is stored, a keyed repeat in FIFO publishes
   *   the publish is refused   FIFO: 503, and a keyed repeat publishes again; standard: the sweep delivers
   */
  const queue = async (order: StoredOrder, mayBeLost: boolean, arrived: () => void, suffix = ""): Promise<void> => {
    try {
      const published = (await topic()).publish(order, suffix);
      arrived();
      await published;
    } catch (error) {
      if (!mayBeLost) throw error;
      options.onUnpublished(order.id, error);
    }
  };

  const placeAt = async (newOrder: NewOrder, id: string): Promise<Placed | "removed"> => {
    const order = storedOrder(newOrder, id);
    const nonce = nonceOf(newOrder);
    if (order.kind === "final") await registry.noteFinal(order.status);
    const arrived = order.kind === "handled" ? (await topic()).expect() : () => {};
    try {
      const written = await parts.write(order, nonce, null);
      const marks = { nonce, partition: registry.partitionOf(order), due: dueOf(order), seen: null, ...written };
      const stored = await table.put({
        Item: { ...encodeFixed(order, newOrder.key, written.dataPart), ...present(encodeChanging(order, marks)) },
        ConditionExpression: "attribute_not_exists(id)",
      });
      if (stored) await written.named({});
      else {
        const item = await table.read({ id, part: orderPart });
        if (item === undefined || item[a.removed] !== undefined) return "removed";
        if (textOf(item, a.nonce) !== nonce) {
          if (hexOf(item, a.contentHash) !== newOrder.key?.contentHash) return { outcome: "conflict", orderId: id };
          const earlier = await get(id);
          if (earlier === undefined) return "removed";
          const waits = earlier.kind === "handled" && earlier.version === 1;
          // The same deduplication id: a topic that has it delivers it no second time.
          if (mode === "fifo" && waits) await queue(earlier, false, arrived);
          return { outcome: "repeated", order: earlier };
        }
      }
      if (order.kind === "handled") await queue(order, mode === "standard", arrived);
      return { outcome: "placed", order };
    } finally {
      arrived();
    }
  };

  return {
    readItem,
    decode,
    get,

    async place(newOrder) {
      const { key, createdAt } = newOrder;
      if (key === null) {
        const placed = await placeAt(newOrder, ids.next(createdAt).id);
        if (placed !== "removed") return placed;
        throw new CauceError("internal_error", "an id was given twice; place the order again");
      }
      // An order that was removed leaves its id used, so the next of its key has the next.
      for (let generation = 0; ; generation++) {
        const placed = await placeAt(newOrder, keyedId(key.keyHash, generation));
        if (placed !== "removed") return placed;
      }
    },

    /**
     * commit:  (large results) ─ conditional write ─ publish ─ the old message goes
     *   dies before the write    the delivery comes back when its lease ends
     *   dies before the publish  the delivery of the visit before comes back and publishes this one; else the sweep does
     *   the publish is refused   so is the commit, and a repeat of it knows its own write by its nonce, and publishes
     *   dies before the delete   the delivery of the visit before comes back and is dropped
     */
    async commit(change) {
      const { before, after, delivery } = change;
      if (!idPattern.test(after.id)) return "stale";
      if (after.kind === "final") await registry.noteFinal(after.status);
      const arrived = delivery === "enter" ? (await topic()).expect() : () => {};
      try {
        const nonce = nonceOf(change);
        const written = await parts.write(after, nonce, before);
        const seen = delivery === "again" ? deliveries.seenOf(before.id, before.visit) : null;
        const marks = { nonce, partition: registry.partitionOf(after), due: dueOf(after), seen, ...written };
        const update = settingAll(encodeChanging(after, marks));
        const replaced = await table.update({
          ...update,
          Key: { id: { S: after.id }, part: { S: orderPart } },
          ConditionExpression: `#${a.version} = :before`,
          ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ":before": { N: String(before.version) } },
          ReturnValues: "UPDATED_OLD",
        });
        if (replaced !== undefined) await written.named(replaced);
        else if (!(await isOwn(after.id, nonce))) return "stale";
        if (delivery === "enter") {
          // Started again in the same visit, it is another message.
          const suffix = after.visit === before.visit ? `:v${after.version}` : "";
          await queue(after, false, arrived, suffix);
        }
      } finally {
        arrived();
      }
      if (delivery === "again") await deliveries.postpone(before.id, before.visit, after.notBefore ?? clock.now());
      else if (delivery !== "keep") await deliveries.consume(before.id, before.visit);
      return "committed";
    },
  };

  async function isOwn(id: string, nonce: string): Promise<boolean> {
    const item = await readItem(id);
    return item !== undefined && textOf(item, a.nonce) === nonce;
  }
}

function keyedId(keyHash: string, generation: number): string {
  const bytes = createHash("sha256").update(`${keyHash}:${generation}`).digest();
  // A UUID of version 8 (RFC 9562): its bits are ours to choose, but for these six.
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex", 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

const cursorPattern = /^(\d{1,6}) (\d{15}[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/;

/**
 * note the parts ─ the order's item ─ the parts ─ the notes
 *   dies before the item     the order stands, and the sweep takes the notes off
 *   dies before the parts    the order is gone, and the sweep gives its parts a time to live
 * Of an order with an idempotency key its id stays, and nothing else, since the same key leads to it again.
 */
export function createRemoving(
  table: Table,
  registry: Registry,
  parts: Parts,
  orders: Orders,
): Pick<Backend, "remove"> {
  const removeItem = async (item: Item): Promise<boolean> => {
    const id = item.id as { S: string };
    const ConditionExpression = "#ki = :final AND #ve = :version AND attribute_not_exists(#fa)";
    const condition = {
      ConditionExpression,
      ExpressionAttributeNames: { "#ki": a.kind, "#ve": a.version, "#fa": a.failureAt },
      ExpressionAttributeValues: { ":final": { S: "f" }, ":version": item[a.version] as { N: string } },
    };
    const eraseParts = await parts.release(item);
    const key = { id, part: { S: orderPart } };
    const gone =
      item[a.keyHash] === undefined
        ? await table.erase({ Key: key, ...condition })
        : await table.put({ Item: { ...key, [a.removed]: { BOOL: true } }, ...condition });
    if (gone) await eraseParts();
    return gone;
  };

  const removeOne = async (id: string): Promise<Removal | "not_final"> => {
    for (;;) {
      const item = await orders.readItem(id);
      if (item === undefined) return { removed: 0, nextCursor: null };
      if (item[a.kind]?.S !== "f" || item[a.failureAt] !== undefined) return "not_final";
      if (await removeItem(item)) return { removed: 1, nextCursor: null };
      // It changed or went in between, so it is looked at again.
    }
  };

  return {
    async remove(which) {
      if ("id" in which) return removeOne(which.id);
      const { before, limit, cursor } = which;
      await registry.refresh();
      const partitions = registry.final();
      const [, at = "0", after] =
        cursor === undefined ? [] : readCursor(cursor, "a removal", (text) => cursorPattern.exec(text) ?? undefined);
      const index = Number(at);
      const partition = partitions[index];
      if (partition === undefined) return { removed: 0, nextCursor: null };
      // No order changes before it is placed, and they stand in the order of placing: younger ones need no look.
      const page = await walkIndex(table, { partition, after, through: sortBefore(before), limit });
      const old = page.entries.filter(({ updatedAt }) => updatedAt < before);
      const removed = await Promise.all(
        old.map(async ({ id }) => {
          const item = await orders.readItem(id);
          if (item === undefined || item[a.kind]?.S !== "f" || Number(item[a.updatedAt]?.N) >= before) return false;
          return removeItem(item);
        }),
      );
      const next = page.next === undefined ? `${index + 1} ` : `${index} ${page.next}`;
      const ended = page.next === undefined && index + 1 >= partitions.length;
      return { removed: removed.filter(Boolean).length, nextCursor: ended ? null : writeCursor(next) };
    },
  };
}
