import {
  BatchGetItemCommand,
  DeleteItemCommand,
  type DeleteItemCommandInput,
  type DynamoDBClient,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { CauceError } from "../../core/errors.ts";
import { createBatcher, type ItemResult } from "./batcher.ts";
import { call, callMilliseconds, isConditionFailed } from "./clients.ts";
import { type Item, textOf } from "./item.ts";
import { itemReadsMax } from "./quotas.ts";

export interface Key {
  readonly id: string;
  readonly part: string;
}

export interface Page {
  readonly items: readonly Item[];
  /** Where the next page begins; undefined after the last. */
  readonly next: Item | undefined;
}

/** One DynamoDB table: batched, strongly consistent reads, and conditional writes that say whether they took place. */
export interface Table {
  read(key: Key): Promise<Item | undefined>;
  /** False when its condition did not hold. */
  put(input: Omit<PutItemCommandInput, "TableName">): Promise<boolean>;
  /** What `ReturnValues` asks for; undefined when its condition did not hold. */
  update(input: Omit<UpdateItemCommandInput, "TableName">): Promise<Item | undefined>;
  erase(input: Omit<DeleteItemCommandInput, "TableName">): Promise<boolean>;
  query(input: Omit<QueryCommandInput, "TableName">): Promise<Page>;
}

const again = { firstMilliseconds: 25, mostMilliseconds: 1_000 };

export function openTable(dynamo: DynamoDBClient, name: string): Table {
  const where = `table ${name}`;

  /** What the service left out comes with the next try, a little later each time, until the call's time is over. */
  const readAll = async (keys: readonly Key[]): Promise<Map<string, Item>> => {
    const found = new Map<string, Item>();
    let left: Item[] = keys.map(({ id, part }) => ({ id: { S: id }, part: { S: part } }));
    const end = performance.now() + callMilliseconds;
    for (let pause = again.firstMilliseconds; ; pause = Math.min(pause * 2, again.mostMilliseconds)) {
      const { Responses, UnprocessedKeys } = await call(where, (options) =>
        dynamo.send(
          new BatchGetItemCommand({ RequestItems: { [name]: { Keys: left, ConsistentRead: true } } }),
          options,
        ),
      );
      for (const item of Responses?.[name] ?? []) found.set(keyText(textOf(item, "id"), textOf(item, "part")), item);
      left = UnprocessedKeys?.[name]?.Keys ?? [];
      if (left.length === 0) return found;
      if (performance.now() + pause > end) {
        throw new CauceError("store_unavailable", `${where} did not read ${left.length} items in time; try again`);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };

  const reads = createBatcher<Key, Item | undefined>({
    max: itemReadsMax,
    async send(keys) {
      const distinct = new Map(keys.map((key) => [keyText(key.id, key.part), key]));
      const found = await readAll([...distinct.values()]);
      return keys.map((key): ItemResult<Item | undefined> => ({ value: found.get(keyText(key.id, key.part)) }));
    },
  });

  const whether = async (call: Promise<unknown>): Promise<boolean> => {
    try {
      await call;
      return true;
    } catch (error) {
      if (isConditionFailed(error)) return false;
      throw error;
    }
  };

  return {
    read: (key) => reads.add(key),
    put: (input) =>
      whether(call(where, (options) => dynamo.send(new PutItemCommand({ ...input, TableName: name }), options))),
    async update(input) {
      try {
        const { Attributes } = await call(where, (options) =>
          dynamo.send(new UpdateItemCommand({ ...input, TableName: name }), options),
        );
        return Attributes ?? {};
      } catch (error) {
        if (isConditionFailed(error)) return undefined;
        throw error;
      }
    },
    erase: (input) =>
      whether(call(where, (options) => dynamo.send(new DeleteItemCommand({ ...input, TableName: name }), options))),
    async query(input) {
      const { Items = [], LastEvaluatedKey } = await call(where, (options) =>
        dynamo.send(new QueryCommand({ ...input, TableName: name }), options),
      );
      return { items: Items, next: LastEvaluatedKey };
    },
  };
}

function keyText(id: string | null, part: string | null): string {
  return `${id}\n${part}`;
}
