import { readCursor, writeCursor } from "../../../core/cursor.ts";
import { matches } from "../../../core/filter.ts";
import type { StoredOrder } from "../../../core/order.ts";
import type { Backend, ListQuery } from "../../port.ts";
import { attributes as a, type IndexEntry } from "../item.ts";
import type { Orders } from "../orders.ts";
import type { Table } from "../table.ts";
import type { TableMeta } from "../tableMeta.ts";
import { type IndexFilter, queryIndex } from "./query.ts";

const cursorPattern = /^l(\d{15}[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
/** How many entries one list looks at in one partition, where a filter leaves few: then the page is short. */
const looksMax = 5_000;
const looksPerCall = 500;

/** Newest first: the partitions of the index are each in the order of placing, and are merged. */
export function createList(table: Table, meta: TableMeta, orders: Orders): Backend["list"] {
  return async (query) => {
    const { limit } = query;
    const from =
      query.cursor === undefined
        ? undefined
        : readCursor(query.cursor, "a list", (text) => cursorPattern.exec(text)?.[1]);
    await meta.refresh();
    const filter = filterOf(query);
    const perCall = filter === undefined ? limit + 1 : Math.max(limit + 1, looksPerCall);
    let horizon: string | undefined;
    const found = await Promise.all(
      partitionsOf(meta, query).map(async (partition) => {
        const entries: IndexEntry[] = [];
        for (let after = from, looked = 0; entries.length <= limit; ) {
          const page = await queryIndex(table, { partition, backward: true, after, filter, limit: perCall });
          entries.push(...page.entries);
          after = page.next;
          looked += perCall;
          if (after === undefined) break;
          if (looked >= looksMax) {
            // Older entries of other partitions must wait until this one has been looked through as far.
            if (horizon === undefined || after > horizon) horizon = after;
            break;
          }
        }
        return entries;
      }),
    );
    const seen = new Map(found.flat().map((entry) => [entry.sort, entry]));
    const sorts = [...seen.keys()].filter((sort) => horizon === undefined || sort >= horizon);
    sorts.sort((x, y) => (x < y ? 1 : -1));
    const page = sorts.slice(0, limit);
    const next = sorts.length > limit ? page.at(-1) : horizon;
    const items = await Promise.all(page.map((sort) => orders.get((seen.get(sort) as IndexEntry).id)));
    return {
      // The index may be a little behind: what is answered fits as it stands now.
      items: items.filter((order): order is StoredOrder => order !== undefined && matches(order, query)),
      nextCursor: next === undefined ? null : writeCursor(`l${next}`),
    };
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
    expression: wanted.map(([name]) => `#${name} = :${name}`).join(" AND "),
    names: Object.fromEntries(wanted.map(([name]) => [`#${name}`, name])),
    values: Object.fromEntries(wanted.map(([name, value]) => [`:${name}`, { S: value }])),
  };
}
