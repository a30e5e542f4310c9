import type { QueryCommandInput } from "@aws-sdk/client-dynamodb";
import { decodeIndexEntry, type IndexEntry, type Item, indexName } from "../item.ts";
import type { Table } from "../table.ts";

/** Asks for entries of one partition of the index. */
interface IndexQuery {
  readonly partition: string;
  /** Newest first. */
  readonly backward?: boolean;
  /** Begins behind this sort key, in the direction of the query. */
  readonly after?: string | undefined;
  /** Ends at this sort key. Only of a query that goes forward. */
  readonly through?: string | undefined;
  readonly filter?: IndexFilter | undefined;
  /** How many entries one call looks at, those that the filter leaves out included. */
  readonly limit: number;
}

export type IndexFilter = Pick<
  QueryCommandInput,
  "FilterExpression" | "ExpressionAttributeNames" | "ExpressionAttributeValues"
>;

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  /** The sort key of the last entry that was looked at, undefined where no entry follows. */
  readonly next: string | undefined;
}

/** Reads one page of the index. */
export async function queryIndex(table: Table, query: IndexQuery): Promise<IndexPage> {
  const { partition, backward = false, after, through, filter, limit } = query;
  if (after !== undefined && through !== undefined && after >= through) return { entries: [], next: undefined };
  const values: Item = { ":ix": { S: partition }, ...filter?.ExpressionAttributeValues };
  let keys = "ix = :ix";
  if (through !== undefined) {
    keys += " AND so BETWEEN :after AND :through";
    // All sort keys are of one length, so a key with a blank behind it sorts between that key and the next.
    values[":after"] = { S: `${after ?? ""} ` };
    values[":through"] = { S: through };
  } else if (after !== undefined) {
    keys += backward ? " AND so < :after" : " AND so > :after";
    values[":after"] = { S: after };
  }
  const { items, next } = await table.query({
    IndexName: indexName,
    KeyConditionExpression: keys,
    ...filter,
    ExpressionAttributeValues: values,
    ScanIndexForward: !backward,
    Limit: limit,
  });
  return { entries: items.map(decodeIndexEntry), next: next?.so?.S };
}

/** Reads page after page, as long as the caller goes on. */
export async function* indexPages(table: Table, query: IndexQuery): AsyncGenerator<IndexPage> {
  let { after } = query;
  do {
    const page = await queryIndex(table, { ...query, after });
    yield page;
    after = page.next;
  } while (after !== undefined);
}
