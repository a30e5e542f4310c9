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
import type { Clock } from "../../core/clock.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { BackendFactoryOptions, DeliveryMode } from "../port.ts";
import {
  type Clients,
  call,
  callMilliseconds,
  createBatcher,
  destroyClients,
  isConditionFailed,
  openClients,
  type SendOptions,
} from "./clients.ts";
import { type Item, orderPart, shardOf, textOf } from "./item.ts";
import { type ResourceNames, resourceNames } from "./names.ts";
import { itemReadsMax } from "./quotas.ts";

export interface AwsOptions {
  /** Part of every resource's name: `orders-table-dev`. Default `dev`. */
  readonly stage?: string | undefined;
  /** Default: made of the topic's name, and of the account and Region of a queue. */
  readonly topicArn?: string | undefined;
  /** Default: SQS is asked for the URL of the queue's name. */
  readonly queueUrl?: ((status: string) => string | undefined) | undefined;
  /** How many partitions the index has for open orders, for failed ones and for each final status. The number only grows. Default 8. */
  readonly shards?: number | undefined;
  /** How often a sweep runs, in seconds: how late a time may be that no message keeps. Default 60. */
  readonly sweepSeconds?: number | undefined;
  /** How long one call waits for messages, in whole seconds from 1 to 20. A process takes as long to close. Default 5. */
  readonly pollSeconds?: number | undefined;
  /** Told of what is repaired later: a message that the topic did not take, or one that Cauce did not write. */
  readonly onWarning?: ((fields: Record<string, unknown>, message: string) => void) | undefined;
}

/** What the files over the table work with. `AwsContext` adds the queues. */
export interface TableContext {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly clients: Clients;
  readonly names: ResourceNames;
  readonly table: Table;
  readonly meta: TableMeta;
  /** Each handled status, and for how long its deliveries are leased, in seconds. */
  readonly leaseSeconds: Readonly<Record<string, number>>;
  readonly warn: NonNullable<AwsOptions["onWarning"]>;
}

/** Opens the clients and the table. Rejects with `store_missing`, `store_denied`, `store_unavailable`. */
export async function openTableContext(
  { stage = "dev", shards = 8, onWarning: warn = () => {} }: AwsOptions,
  { workflow, delivery: mode, clock, leaseSeconds = {} }: BackendFactoryOptions,
): Promise<TableContext> {
  const clients = openClients();
  const names = resourceNames(workflow, stage, mode);
  const table = openTable(clients.dynamo, names.table);
  try {
    const meta = await openTableMeta(table, clock, shards);
    return { mode, clock, clients, names, table, meta, leaseSeconds, warn };
  } catch (error) {
    destroyClients(clients);
    throw error;
  }
}

const leaseSecondsDefault = 180;
const lostAfterLeaseSeconds = 30;

/** For how long a delivery of a status is leased, in seconds; 180 for a status that the definition no longer handles. */
export function leaseSecondsOf({ leaseSeconds }: TableContext, status: string): number {
  return leaseSeconds[status] ?? leaseSecondsDefault;
}

/** How long after its queueing a delivery counts as lost, in seconds: 30 s after its lease would have ended. */
export function lostSecondsOf(context: TableContext, status: string): number {
  return leaseSecondsOf(context, status) + lostAfterLeaseSeconds;
}

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

const delayMilliseconds = { first: 25, max: 1_000 };

/** One DynamoDB table: batched, strongly consistent reads, and conditional writes that say whether they took place. */
export function openTable(dynamo: DynamoDBClient, TableName: string) {
  const where = `table ${TableName}`;

  /** Reads keys that are distinct, and asks again for those that the service left out until the call's time is over. */
  const readAll = async (keys: readonly ItemKey[]): Promise<Map<string, Item>> => {
    const found = new Map<string, Item>();
    let left = keys.map(keyItem);
    const end = performance.now() + callMilliseconds;
    for (let delay = delayMilliseconds.first; ; delay = Math.min(delay * 2, delayMilliseconds.max)) {
      const RequestItems = { [TableName]: { Keys: left, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await call(where, (options) =>
        dynamo.send(new BatchGetItemCommand({ RequestItems }), options),
      );
      for (const item of Responses?.[TableName] ?? []) {
        found.set(keyText({ id: textOf(item, "id") as string, part: textOf(item, "part") as string }), item);
      }
      left = UnprocessedKeys?.[TableName]?.Keys ?? [];
      if (left.length === 0) return found;
      if (performance.now() + delay > end) {
        throw new CauceError("store_unavailable", `${where} did not read ${left.length} items in time; try again`);
      }
      await new Promise((resolve) => setTimeout(resolve, delay));
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

const freshMilliseconds = 5_000;

/** The key of an item in which the table keeps something of itself. */
export function metaKey(part: "index" | "pauses" | "counts" | "probe"): ItemKey {
  return { id: "#meta", part };
}

export type TableMeta = Awaited<ReturnType<typeof openTableMeta>>;

/**
 * Opens what the table keeps of itself, in small items: how many shards the index has, which final statuses have orders,
 * and which statuses are paused. Other processes change the items, too: they are read again once they are 5 s old.
 */
export async function openTableMeta(table: Table, clock: Clock, shardsMin: number) {
  let shards = shardsMin;
  let finals = new Set<string>();
  let paused = new Set<string>();
  let changes = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const read = async (): Promise<void> => {
    const at = clock.monotonic();
    const changesBefore = changes;
    const [index, pauses] = await Promise.all([table.read(metaKey("index")), table.read(metaKey("pauses"))]);
    shards = Math.max(shards, Number(index?.shards?.N ?? 0));
    finals = new Set([...finals, ...(index?.finals?.SS ?? [])]);
    // A read that began before a change of this process must not undo the change.
    if (changes === changesBefore) paused = new Set(pauses?.paused?.SS ?? []);
    readAt = at;
  };
  const refresh = (): Promise<void> => {
    if (clock.monotonic() - readAt < freshMilliseconds) return Promise.resolve();
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  await read();
  // The number of shards only grows: a shard that is no longer written to may hold orders.
  await table.update(metaKey("index"), {
    UpdateExpression: "SET shards = :shards",
    ConditionExpression: "attribute_not_exists(shards) OR shards < :shards",
    ExpressionAttributeValues: { ":shards": { N: String(shards) } },
  });

  const partitions = (prefix: string) => Array.from({ length: shards }, (_, shard) => `${prefix}#${shard}`);

  return {
    /** The index's partition of an order. */
    partitionOf({ id, kind, status, failure }: Pick<StoredOrder, "id" | "kind" | "status" | "failure">): string {
      const shard = shardOf(id, shards);
      if (failure !== null) return `f#${shard}`;
      return kind === "final" ? `e#${status}#${shard}` : `o#${shard}`;
    },
    /** The partitions of open orders, one for each shard. */
    open: () => partitions("o"),
    /** The partitions of failed orders. */
    failed: () => partitions("f"),
    /** The partitions of one final status, or of every final status. */
    final: (status?: string) =>
      [...finals]
        .sort()
        .filter((each) => status === undefined || each === status)
        .flatMap((each) => partitions(`e#${each}`)),
    /** Notes a final status before its first order enters it: lists and removals look through noted statuses alone. */
    async noteFinal(status: string): Promise<void> {
      if (finals.has(status)) return;
      await table.update(metaKey("index"), {
        UpdateExpression: "ADD finals :status",
        ExpressionAttributeValues: { ":status": { SS: [status] } },
      });
      finals.add(status);
    },
    /** Reads again what other processes may have changed, unless that was less than 5 s ago. */
    refresh,
    /** The paused statuses, as they were at most 5 s ago. */
    async paused(): Promise<ReadonlySet<string>> {
      await refresh();
      return paused;
    },
    async setPaused(status: string, isPaused: boolean): Promise<void> {
      await table.update(metaKey("pauses"), {
        UpdateExpression: isPaused ? "ADD paused :status" : "DELETE paused :status",
        ExpressionAttributeValues: { ":status": { SS: [status] } },
      });
      const others = [...paused].filter((each) => each !== status);
      paused = new Set(isPaused ? [...others, status] : others);
      changes++;
    },
    /** Writes an item that nothing reads: it shows that the table takes writes. */
    async probe(): Promise<void> {
      const { id, part } = metaKey("probe");
      await table.put({ id: { S: id }, part: { S: part }, at: { N: String(clock.now()) } });
    },
  };
}
