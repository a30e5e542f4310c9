import { readCursor, writeCursor } from "../../core/cursor.ts";
import type { Backend, Removal } from "../backend.ts";
import { attributes as a, type Item, orderPart, sortBefore } from "./item.ts";
import type { Orders } from "./orders.ts";
import type { Parts } from "./parts.ts";
import type { Registry } from "./registry.ts";
import type { Table } from "./table.ts";
import { walkIndex } from "./walk.ts";

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
