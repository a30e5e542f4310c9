import { decodeIndexEntry, type IndexEntry, type Item, indexName } from "../item.ts";
import type { Table } from "../table.ts";

/** Entries of a partition of the index, page by page. */
export interface IndexQuery {
  readonly partition: string;
  readonly backward?: boolean;
  /** Begins behind this entry, in the direction of the walk. */
  readonly after?: string | undefined;
  /** Goes forward as far as here. */
  readonly through?: string | undefined;
  readonly filter?: IndexFilter | undefined;
  /** How many entries one call looks at. */
  readonly limit: number;
}

export interface IndexFilter {
  readonly expression: string;
  readonly names: Record<string, string>;
  readonly values: Item;
}

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  /** The last entry that was looked at, where there are more. */
  readonly next: string | undefined;
}

export async function queryIndex(table: Table, walk: IndexQuery): Promise<IndexPage> {
  const { partition, backward = false, after, through, filter, limit } = walk;
  if (after !== undefined && through !== undefined && after >= through) return { entries: [], next: undefined };
  const values: Item = { ":ix": { S: partition }, ...filter?.values };
  let keys = "ix = :ix";
  if (through !== undefined) {
    keys += " AND so BETWEEN :after AND :through";
    // All entries are of one length, so nothing lies between an entry and the same with more behind it.
    values[":after"] = { S: `${after ?? ""} ` };
    values[":through"] = { S: through };
  } else if (after !== undefined) {
    keys += backward ? " AND so < :after" : " AND so > :after";
    values[":after"] = { S: after };
  }
  const { items, next } = await table.query({
    IndexName: indexName,
    KeyConditionExpression: keys,
    ExpressionAttributeValues: values,
    ...(filter === undefined ? {} : { FilterExpression: filter.expression, ExpressionAttributeNames: filter.names }),
    ScanIndexForward: !backward,
    Limit: limit,
  });
  return { entries: items.map(decodeIndexEntry), next: next?.so?.S };
}
