import { createHash } from "node:crypto";
import { readCursor, writeCursor } from "../../core/cursor.ts";
import type { Change } from "../../core/decide.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { createIds, refuseContent, storedOrder } from "../newOrder.ts";
import type { Backend, Limits, NewOrder, OldOrders, Placed, Removal } from "../port.ts";
import { queryIndex } from "./index/query.ts";
import {
  attributes as a,
  encodeChanging,
  encodeFixed,
  hexOf,
  type Item,
  idPattern,
  newNonce,
  numberOf,
  orderPart,
  present,
  type Seen,
  settingAll,
  sortBefore,
  sortOf,
  sortPattern,
  textOf,
  uuidOf,
} from "./item.ts";
import { readItem, readOrder, releaseLargeFields, type Written, writeLargeFields } from "./largeFields.ts";
import { consumeVisit, putOffVisit, seenOf } from "./queue/deliveries.ts";
import type { AwsContext } from "./queue/queue.ts";
import { delaySecondsMax, retentionSecondsMax } from "./quotas.ts";
import { lostSecondsOf, orderKey, type TableContext } from "./table.ts";

/** The writes of orders that join table and queues. */
export function createOrders(
  context: AwsContext,
  limits: Pick<Limits, "dataBytesMax" | "groupBytesMax">,
): Pick<Backend, "place" | "commit"> {
  const ids = createIds(0);
  const nonces = new WeakMap<object, string>();

  /** Names the write of a placing or a change, so that a repeat of it, by the SDK or by the engine, is known as such. */
  const nonceOf = (write: object): string => {
    const nonce = nonces.get(write) ?? newNonce();
    nonces.set(write, nonce);
    return nonce;
  };

  return {
    async place(newOrder) {
      const refused = refuseContent(newOrder, limits);
      if (refused !== undefined) throw refused;
      const { key, createdAt } = newOrder;
      if (key === null) {
        const placed = await placeAt(context, newOrder, ids.next(createdAt).id, nonceOf(newOrder));
        if (placed !== "removed") return placed;
        throw new CauceError("internal_error", "an id was given twice; place the order again");
      }
      // A removed order's id is never given again, so the next order of its key takes the key's next id.
      for (let generation = 0; ; generation++) {
        const placed = await placeAt(context, newOrder, keyedId(key.keyHash, generation), nonceOf(newOrder));
        if (placed !== "removed") return placed;
      }
    },
    commit: (change) => commit(context, change, nonceOf(change)),
  };
}

/**
 * Places an order under an id; `removed` where the id is that of a removed order.
 *
 *   (large data) ─ write ─ publish ─ answer
 *   dies before the write     nothing is stored, and nothing was answered
 *   dies before the publish   nothing was answered; the sweep delivers the order; in FIFO delivery a keyed repeat publishes
 *   the publish is refused    FIFO: the caller gets a 503, and a keyed repeat publishes again. Standard: the sweep delivers
 */
async function placeAt(
  context: AwsContext,
  newOrder: NewOrder,
  id: string,
  nonce: string,
): Promise<Placed | "removed"> {
  const { mode, table, meta, topic } = context;
  const order = storedOrder(newOrder, id);
  if (order.kind === "final") await meta.noteFinal(order.status);
  const announced = order.kind === "handled" ? await topic.expect() : undefined;
  try {
    const written = await writeLargeFields(context, order, nonce, null);
    const changing = encodeChanging(order, marksOf(context, order, nonce, null, written));
    const item = { ...encodeFixed(order, newOrder.key, written.dataPart), ...present(changing) };
    if (await table.put(item, { ConditionExpression: "attribute_not_exists(id)" })) await written.named({});
    else {
      const earlier = await readEarlier(context, newOrder, id, nonce);
      if (earlier === "removed" || (earlier !== "own" && earlier.outcome === "conflict")) return earlier;
      if (earlier !== "own") {
        const { kind, version } = earlier.order;
        // The message has the same deduplication id: a topic that has the first one does not deliver the second.
        if (mode === "fifo" && kind === "handled" && version === 1) {
          await (announced ?? (await topic.expect())).publish(earlier.order);
        }
        return earlier;
      }
    }
    await announced?.publish(order).catch((error: unknown) => {
      if (mode === "fifo") throw error;
      const fields = { orderId: id, error: String(error) };
      context.warn(fields, "message not published; the sweep delivers the order");
    });
    return { outcome: "placed", order };
  } finally {
    announced?.end();
  }
}

/** What stands under an id that is used; `own` where the write of this name made it. */
async function readEarlier(
  context: AwsContext,
  { key }: NewOrder,
  id: string,
  nonce: string,
): Promise<Exclude<Placed, { outcome: "placed" }> | "own" | "removed"> {
  const item = await readItem(context, id);
  if (item === undefined) return "removed";
  if (textOf(item, a.nonce) === nonce) return "own";
  if (hexOf(item, a.contentHash) !== key?.contentHash) return { outcome: "conflict", orderId: id };
  const order = await readOrder(context, id);
  return order === undefined ? "removed" : { outcome: "repeated", order };
}

/**
 * Commits a change.
 *
 *   (large results) ─ conditional write ─ publish ─ the old message is deleted
 *   dies before the write     the delivery comes back when its lease ends
 *   dies before the publish   the delivery of the visit before comes back and publishes this one; else the sweep does
 *   the publish is refused    the commit is refused, too; a repeat knows its own write by its nonce, and publishes
 *   dies before the delete    the delivery of the visit before comes back and is dropped
 */
async function commit(context: AwsContext, change: Change, nonce: string): Promise<"committed" | "stale"> {
  const { clock, table, meta, topic } = context;
  const { before, after, delivery } = change;
  if (!idPattern.test(after.id)) return "stale";
  if (after.unreadable !== undefined) return markUnreadable(context, after);
  if (after.kind === "final") await meta.noteFinal(after.status);
  const announced = delivery === "enter" ? await topic.expect() : undefined;
  try {
    const written = await writeLargeFields(context, after, nonce, before);
    const seen = delivery === "again" ? seenOf(context, before) : null;
    const update = settingAll(encodeChanging(after, marksOf(context, after, nonce, seen, written)));
    const replaced = await table.update(orderKey(after.id), {
      ...update,
      ConditionExpression: `#${a.version} = :before`,
      ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ":before": { N: String(before.version) } },
      ReturnValues: "UPDATED_OLD",
    });
    if (replaced !== undefined) await written.named(replaced);
    else if (textOf((await readItem(context, after.id)) ?? {}, a.nonce) !== nonce) return "stale";
    // A retry by an operator stays in its visit, whose first message has the same deduplication id without the suffix.
    await announced?.publish(after, after.visit === before.visit ? `:v${after.version}` : "");
  } finally {
    announced?.end();
  }
  if (delivery === "again") await putOffVisit(context, before, after.notBefore ?? clock.now());
  else if (delivery !== "keep") await consumeVisit(context, before);
  return "committed";
}

/**
 * Marks an order failed whose item cannot be read, and sets no other attribute of it. `stale` where the item can be read
 * now, has changed since it was read, or is marked.
 */
async function markUnreadable(context: AwsContext, { id, failure }: StoredOrder): Promise<"committed" | "stale"> {
  const { table, meta } = context;
  const item = await readItem(context, id);
  const order = await readOrder(context, id);
  if (item === undefined || failure === null || order?.unreadable === undefined || order.failure !== null)
    return "stale";
  const same = sameWrite(item);
  const update = settingAll({
    ix: { S: meta.partitionOf({ ...order, failure }) },
    // Lists find an order by its sort key, which may be missing.
    so: item.so ?? { S: sortOf(order) },
    [a.failureFingerprint]: { S: failure.fingerprint },
    [a.failureMessage]: { S: failure.message },
    [a.failureAt]: { N: String(failure.at) },
    [a.failureCode]: { S: failure.code },
    ...{ [a.due]: undefined, [a.swept]: undefined, [a.sweptBy]: undefined },
  });
  const marked = await table.update(orderKey(id), {
    ...update,
    ConditionExpression: `${same.ConditionExpression} AND attribute_not_exists(#${a.failureAt})`,
    ExpressionAttributeNames: { ...update.ExpressionAttributeNames, ...same.ExpressionAttributeNames },
    ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ...same.ExpressionAttributeValues },
  });
  // Where the answer was lost, the SDK has asked again, and found the mark.
  if (marked === undefined && numberOf((await readItem(context, id)) ?? {}, a.failureAt) !== failure.at) return "stale";
  await consumeVisit(context, order);
  return "committed";
}

/** A condition that holds while the item is as its last write left it. Every write but marks names itself. */
function sameWrite(item: Item) {
  const nonce = item[a.nonce];
  return {
    ConditionExpression: nonce === undefined ? "attribute_not_exists(#no)" : "#no = :no",
    ExpressionAttributeNames: { "#no": a.nonce },
    ...(nonce === undefined ? {} : { ExpressionAttributeValues: { ":no": nonce } }),
  };
}

function marksOf(context: TableContext, order: StoredOrder, nonce: string, seen: Seen | null, written: Written) {
  return { nonce, partition: context.meta.partitionOf(order), due: dueOf(context, order), seen, ...written };
}

/** When the sweep looks at an order next, in milliseconds since 1970; null for never. */
function dueOf(context: TableContext, order: StoredOrder): number | null {
  const { kind, notBefore, updatedAt } = order;
  if (order.failure !== null || kind === "final") return null;
  if (kind === "waiting") return order.expiresAt;
  if (notBefore !== null && !keepsUntil(context, order, notBefore)) return notBefore;
  return Math.max(updatedAt, notBefore ?? 0) + lostSecondsOf(context, order.status) * 1_000;
}

/**
 * Whether a message brings the order then: a standard queue delays by at most 15 minutes, and a FIFO queue keeps a
 * message for at most 14 days. For a later time the sweep brings the delivery.
 */
function keepsUntil({ mode, clock }: TableContext, { entry }: StoredOrder, notBefore: number): boolean {
  return mode === "standard"
    ? notBefore - clock.now() <= delaySecondsMax * 1_000
    : notBefore - entry.at <= retentionSecondsMax * 1_000;
}

/** The id of the order that a key leads to; each removed order of the key makes one more generation. */
function keyedId(keyHash: string, generation: number): string {
  const bytes = createHash("sha256").update(`${keyHash}:${generation}`).digest();
  // A UUID of version 8 (RFC 9562) leaves all bits but these six to its maker.
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidOf(bytes);
}

const removalPattern = new RegExp(`^(\\d{1,6}) (${sortPattern})?$`);

export async function remove(
  context: TableContext,
  which: { readonly id: string } | OldOrders,
): Promise<Removal | "not_final"> {
  if ("id" in which) return removeOne(context, which.id);
  const { table, meta } = context;
  const { before, limit, cursor } = which;
  await meta.refresh();
  const partitions = meta.final();
  const parse = (text: string) => removalPattern.exec(text) ?? undefined;
  const [, at = "0", after] = cursor === undefined ? [] : readCursor(cursor, "a removal", parse);
  const index = Number(at);
  const partition = partitions[index];
  if (partition === undefined) return { removed: 0, nextCursor: null };
  // Entries are in the order of placing, and no order changes before it is placed: younger entries are not looked at.
  const page = await queryIndex(table, { partition, after, through: sortBefore(before), limit });
  const old = page.entries.filter(({ updatedAt }) => updatedAt < before);
  const removed = await Promise.all(
    old.map(async ({ id }) => {
      const item = await readItem(context, id);
      const isOld = item?.[a.kind]?.S === "f" && (numberOf(item, a.updatedAt) ?? before) < before;
      return isOld && removeItem(context, item);
    }),
  );
  const ended = page.next === undefined && index + 1 >= partitions.length;
  const next = page.next === undefined ? `${index + 1} ` : `${index} ${page.next}`;
  return { removed: removed.filter(Boolean).length, nextCursor: ended ? null : writeCursor(next) };
}

async function removeOne(context: TableContext, id: string): Promise<Removal | "not_final"> {
  for (;;) {
    const item = await readItem(context, id);
    if (item === undefined) return { removed: 0, nextCursor: null };
    const isFinal = item[a.kind]?.S === "f" && item[a.failureAt] === undefined;
    if (!isFinal && (await readOrder(context, id))?.unreadable === undefined) return "not_final";
    if (await removeItem(context, item)) return { removed: 1, nextCursor: null };
    // The order changed or was removed since it was read: look again.
  }
}

/**
 * Removes an order; false where it has changed since `item` was read.
 *
 *   note the large fields ─ the order's item ─ the large fields ─ the notes
 *   dies before the item           the order stands, and the sweep erases the notes
 *   dies before the large fields   the order is gone, and the sweep gives its large fields a time to live
 * An order with an idempotency key leaves its id, and nothing else, since the same key leads to the id again.
 */
async function removeItem(context: TableContext, item: Item): Promise<boolean> {
  const { table } = context;
  const id = textOf(item, "id") as string;
  const condition = sameWrite(item);
  const eraseLargeFields = await releaseLargeFields(context, item);
  const gone =
    item[a.keyHash] === undefined
      ? await table.erase(orderKey(id), condition)
      : await table.put({ id: { S: id }, part: { S: orderPart }, [a.removed]: { BOOL: true } }, condition);
  if (gone) await eraseLargeFields();
  return gone;
}
