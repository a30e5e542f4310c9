import { readCursor, writeCursor } from "../../../core/cursor.ts";
import { matches } from "../../../core/filter.ts";
import type { StoredOrder } from "../../../core/order.ts";
import type { ListQuery, OrderPage } from "../../port.ts";
import { attributes as a, type IndexEntry, sortPattern } from "../item.ts";
import { readOrder } from "../largeFields.ts";
import type { TableContext, TableMeta } from "../table.ts";
import { type IndexFilter, indexPages } from "./query.ts";

const cursorPattern = new RegExp(`^l(${sortPattern})$`);
/** How many entries of one partition one list looks at. Where a filter leaves out most of them, the page is short. */
const entriesMax = 5_000;
const filteredPageMin = 500;

/** Lists orders, newest first. Each partition of the index is in the order of placing, so the partitions are merged. */
export async function list(context: TableContext, query: ListQuery): Promise<OrderPage> {
  const { table, meta } = context;
  const { limit, cursor } = query;
  const parse = (text: string) => cursorPattern.exec(text)?.[1];
  const from = cursor === undefined ? undefined : readCursor(cursor, "a list", parse);
  await meta.refresh();
  const filter = filterOf(query);
  const pageLimit = filter === undefined ? limit + 1 : Math.max(limit + 1, filteredPageMin);
  let horizon: string | undefined;
  const found = await Promise.all(
    partitionsOf(meta, query).map(async (partition) => {
      const entries: IndexEntry[] = [];
      let looked = 0;
      const pages = indexPages(table, { partition, backward: true, after: from, filter, limit: pageLimit });
      for await (const page of pages) {
        entries.push(...page.entries);
        looked += pageLimit;
        if (page.next !== undefined && looked >= entriesMax) {
          // Other partitions may hold older entries, which must wait until this partition was looked through as far.
          if (horizon === undefined || page.next > horizon) horizon = page.next;
          break;
        }
        if (entries.length > limit) break;
      }
      return entries;
    }),
  );
  // An order that moves between partitions meanwhile may be found in both.
  const idBySort = new Map(found.flat().map(({ sort, id }) => [sort, id]));
  const sorts = [...idBySort.keys()].filter((sort) => horizon === undefined || sort >= horizon);
  sorts.sort((x, y) => (x < y ? 1 : -1));
  const page = sorts.slice(0, limit);
  const next = sorts.length > limit ? page.at(-1) : horizon;
  const orders = await Promise.all(page.map((sort) => readOrder(context, idBySort.get(sort) as string)));
  return {
    // The index may be a little behind the table: an order that no longer fits is left out.
    items: orders.filter((order): order is StoredOrder => order !== undefined && matches(order, query)),
    nextCursor: next === undefined ? null : writeCursor(`l${next}`),
  };
}

function partitionsOf(meta: TableMeta, { status, failed, fingerprint }: ListQuery): readonly string[] {
  if (failed === true || fingerprint !== undefined) return failed === false ? [] : meta.failed();
  const others = [...meta.open(), ...meta.final(status)];
  return failed === false ? others : [...others, ...meta.failed()];
}

function filterOf({ status, fingerprint, group }: ListQuery): IndexFilter | undefined {
  const wanted = [
    [a.status, status],
    [a.failureFingerprint, fingerprint],
    [a.group, group],
  ].filter((pair): pair is [string, string] => pair[1] !== undefined);
  if (wanted.length === 0) return undefined;
  return {
    FilterExpression: wanted.map(([name]) => `#${name} = :${name}`).join(" AND "),
    ExpressionAttributeNames: Object.fromEntries(wanted.map(([name]) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(wanted.map(([name, value]) => [`:${name}`, { S: value }])),
  };
}
