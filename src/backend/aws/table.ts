import {
  BatchGetItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { CauceError } from "../../core/errors.ts";
import { call, callMilliseconds, createBatcher, isConditionFailed, type SendOptions } from "./clients.ts";
import { type Item, orderPart, textOf } from "./item.ts";
import { itemReadsMax } from "./quotas.ts";

export interface ItemKey {
  readonly id: string;
  readonly part: string;
}

export function orderKey(id: string): ItemKey {
  return { id, part: orderPart };
}

export type Table = ReturnType<typeof openTable>;

type Condition = Pick<
  PutItemCommandInput,
  "ConditionExpression" | "ExpressionAttributeNames" | "ExpressionAttributeValues"
>;

const pauseMilliseconds = { first: 25, max: 1_000 };

/** One DynamoDB table: batched, strongly consistent reads, and conditional writes that say whether they took place. */
export function openTable(dynamo: DynamoDBClient, TableName: string) {
  const where = `table ${TableName}`;

  /** Reads keys that are distinct, and asks again for those that the service left out until the call's time is over. */
  const readAll = async (keys: readonly ItemKey[]): Promise<Map<string, Item>> => {
    const found = new Map<string, Item>();
    let left = keys.map(keyItem);
    const end = performance.now() + callMilliseconds;
    for (let pause = pauseMilliseconds.first; ; pause = Math.min(pause * 2, pauseMilliseconds.max)) {
      const RequestItems = { [TableName]: { Keys: left, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await call(where, (options) =>
        dynamo.send(new BatchGetItemCommand({ RequestItems }), options),
      );
      for (const item of Responses?.[TableName] ?? []) {
        found.set(keyText({ id: textOf(item, "id") as string, part: textOf(item, "part") as string }), item);
      }
      left = UnprocessedKeys?.[TableName]?.Keys ?? [];
      if (left.length === 0) return found;
      if (performance.now() + pause > end) {
        throw new CauceError("store_unavailable", `${where} did not read ${left.length} items in time; try again`);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };

  const reads = createBatcher<ItemKey, Item | undefined>(itemReadsMax, async (keys) => {
    const found = await readAll([...new Map(keys.map((key) => [keyText(key), key])).values()]);
    return keys.map((key) => ({ value: found.get(keyText(key)) }));
  });

  /** Makes a conditional write; undefined when its condition did not hold. */
  const write = async <Output>(send: (options: SendOptions) => Promise<Output>): Promise<Output | undefined> => {
    try {
      return await call(where, send);
    } catch (error) {
      if (isConditionFailed(error)) return undefined;
      throw error;
    }
  };

  return {
    read: reads.add,
    /** Resolves to false when its condition did not hold. */
    async put(Item: Item, condition?: Condition): Promise<boolean> {
      const command = new PutItemCommand({ ...condition, TableName, Item });
      return (await write((options) => dynamo.send(command, options))) !== undefined;
    },
    /** Resolves to what `ReturnValues` asks for, undefined when its condition did not hold. */
    async update(key: ItemKey, input: Omit<UpdateItemCommandInput, "TableName" | "Key">): Promise<Item | undefined> {
      const command = new UpdateItemCommand({ ...input, TableName, Key: keyItem(key) });
      const updated = await write((options) => dynamo.send(command, options));
      return updated === undefined ? undefined : (updated.Attributes ?? {});
    },
    /** Resolves to false when its condition did not hold. */
    async erase(key: ItemKey, condition?: Condition): Promise<boolean> {
      const command = new DeleteItemCommand({ ...condition, TableName, Key: keyItem(key) });
      return (await write((options) => dynamo.send(command, options))) !== undefined;
    },
    /** Reads one page. `next` is where the page after it begins, undefined after the last. */
    async query(input: Omit<QueryCommandInput, "TableName">) {
      const command = new QueryCommand({ ...input, TableName });
      const { Items = [], LastEvaluatedKey } = await call(where, (options) => dynamo.send(command, options));
      return { items: Items as readonly Item[], next: LastEvaluatedKey as Item | undefined };
    },
  };
}

function keyItem({ id, part }: ItemKey): Item {
  return { id: { S: id }, part: { S: part } };
}

function keyText({ id, part }: ItemKey): string {
  return `${id}\n${part}`;
}
