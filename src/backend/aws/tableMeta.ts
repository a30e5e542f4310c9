import type { Clock } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import { shardOf } from "./item.ts";
import type { Table } from "./table.ts";

/**
 * What the table tells of itself, in two small items: how many shards the index has, which final statuses it holds
 * orders of, and which statuses are paused.
 */
export interface TableMeta {
  /** The index's partition for an order. */
  partitionOf(order: Pick<StoredOrder, "id" | "kind" | "status" | "failure">): string;
  open(): readonly string[];
  failed(): readonly string[];
  /** Of one final status, or of all. */
  final(status?: string): readonly string[];
  /** Before an order enters a final status: the lists must know where to look for it. */
  noteFinal(status: string): Promise<void>;
  /** Reads again what other processes may have changed, unless that was a moment ago. */
  refresh(): Promise<void>;
  isPaused(status: string): Promise<boolean>;
  paused(): Promise<ReadonlySet<string>>;
  setPaused(status: string, paused: boolean): Promise<void>;
  probe(): Promise<void>;
}

/** How long what other processes changed may go unseen, in seconds. */
const freshSeconds = 5;
/** Under which the table tells of itself. */
export const metaId = "#meta";

export async function openTableMeta(table: Table, clock: Clock, shardsMin: number): Promise<TableMeta> {
  let shards = shardsMin;
  let finals = new Set<string>();
  let pausedNow = new Set<string>();
  let readAt = 0;
  let reading: Promise<void> | undefined;

  let changesHere = 0;

  const read = async (): Promise<void> => {
    const at = clock.now();
    const changes = changesHere;
    const [index, pauses] = await Promise.all([
      table.read({ id: metaId, part: "index" }),
      table.read({ id: metaId, part: "pauses" }),
    ]);
    shards = Math.max(shards, Number(index?.shards?.N ?? 0));
    finals = new Set([...finals, ...(index?.finals?.SS ?? [])]);
    // What was read before a change of this process's own does not undo it.
    if (changes === changesHere) pausedNow = new Set(pauses?.paused?.SS ?? []);
    readAt = at;
  };
  const refresh = (): Promise<void> => {
    if (clock.now() - readAt < freshSeconds * 1_000) return Promise.resolve();
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  await read();
  // The count only grows: a shard that is no longer written to may hold orders.
  await table.update({
    Key: { id: { S: metaId }, part: { S: "index" } },
    UpdateExpression: "SET shards = :shards",
    ConditionExpression: "attribute_not_exists(shards) OR shards < :shards",
    ExpressionAttributeValues: { ":shards": { N: String(shards) } },
  });

  const of = (prefix: string) => Array.from({ length: shards }, (_, shard) => `${prefix}#${shard}`);

  return {
    partitionOf({ id, kind, status, failure }) {
      const shard = shardOf(id, shards);
      if (failure !== null) return `f#${shard}`;
      return kind === "final" ? `e#${status}#${shard}` : `o#${shard}`;
    },
    open: () => of("o"),
    failed: () => of("f"),
    final: (status) =>
      [...finals]
        .sort()
        .filter((each) => status === undefined || each === status)
        .flatMap((each) => of(`e#${each}`)),
    async noteFinal(status) {
      if (finals.has(status)) return;
      await table.update({
        Key: { id: { S: metaId }, part: { S: "index" } },
        UpdateExpression: "ADD finals :status",
        ExpressionAttributeValues: { ":status": { SS: [status] } },
      });
      finals.add(status);
    },
    refresh,
    async isPaused(status) {
      await refresh();
      return pausedNow.has(status);
    },
    async paused() {
      await refresh();
      return pausedNow;
    },
    async setPaused(status, paused) {
      await table.update({
        Key: { id: { S: metaId }, part: { S: "pauses" } },
        UpdateExpression: paused ? "ADD paused :status" : "DELETE paused :status",
        ExpressionAttributeValues: { ":status": { SS: [status] } },
      });
      const next = new Set(pausedNow);
      if (paused) next.add(status);
      else next.delete(status);
      pausedNow = next;
      changesHere++;
    },
    async probe() {
      await table.put({ Item: { id: { S: metaId }, part: { S: "probe" }, at: { N: String(clock.now()) } } });
    },
  };
}
