import { readFileSync, writeFileSync } from "node:fs";
import { type AttributeValue, BatchWriteItemCommand, type DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";

type Item = Record<string, AttributeValue>;

/** The largest number of items in one BatchWriteItem. */
const writesMax = 25;

/** Reads every item of a table, in the order of their keys. */
export async function scan(dynamo: DynamoDBClient, table: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: Item | undefined; ; ) {
    const page = await dynamo.send(
      new ScanCommand({ TableName: table, ConsistentRead: true, ...(next ? { ExclusiveStartKey: next } : {}) }),
    );
    items.push(...(page.Items ?? []));
    next = page.LastEvaluatedKey;
    if (next === undefined) break;
  }
  const keyOf = ({ id, part }: Item) => `${id?.S} ${part?.S}`;
  return items.sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1));
}

export async function load(dynamo: DynamoDBClient, table: string, items: readonly Item[]): Promise<void> {
  for (let at = 0; at < items.length; at += writesMax) {
    const requests = items.slice(at, at + writesMax).map((Item) => ({ PutRequest: { Item } }));
    await dynamo.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
  }
}

/** Writes DynamoDB's own JSON, one item a line, with bytes as base64. */
export function writeItems(file: string, items: readonly Item[]): void {
  const lines = items.map((item) =>
    JSON.stringify(item, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value)),
  );
  writeFileSync(file, `[\n${lines.join(",\n")}\n]\n`, { flag: "wx" });
}

export function readItems(file: string): Item[] {
  return JSON.parse(readFileSync(file, "utf8"), (name, value) =>
    name === "B" && typeof value === "string" ? Buffer.from(value, "base64") : value,
  ) as Item[];
}
