import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Clock } from "../../../core/clock.ts";
import { jsonOf, readCursor, writeCursor } from "../../../core/cursor.ts";
import type { StoredOrder } from "../../../core/order.ts";
import type { Backend, Swept } from "../../port.ts";
import {
  attributes as a,
  type IndexEntry,
  type Item,
  newNonce,
  numberOf,
  orderPart,
  settingAll,
  textOf,
} from "../item.ts";
import type { LargeFields } from "../largeFields.ts";
import type { Orders } from "../orders.ts";
import type { Leases } from "../queue/inFlight.ts";
import type { Queue } from "../queue/queue.ts";
import { inValuesMax } from "../quotas.ts";
import type { Table } from "../table.ts";
import type { TableMeta } from "../tableMeta.ts";
import { countedMax, countInto, type DepthRow, decodeRows, encodeRows, isFull } from "./depths.ts";
import { type IndexFilter, queryIndex } from "./query.ts";

export interface SweepOptions {
  readonly clock: Clock;
  readonly table: Table;
  readonly meta: TableMeta;
  readonly parts: LargeFields;
  readonly orders: Orders;
  readonly leases: Leases;
  readonly queueOf: (status: string) => Promise<Queue>;
  readonly lostSecondsOf: (status: string) => number;
  /** Told of an order that is due and cannot be read; the next sweep looks at it again. */
  readonly onUnread: (orderId: string, error: unknown) => void;
  /** Told at the end of each pass over all open orders how many of them stand where. */
  readonly keepCounts: (rows: readonly DepthRow[]) => Promise<void>;
  /** Past so many, no more orders of a status are counted. Default 10,000. */
  readonly countMax?: number | undefined;
}

/** How many entries of each shard one step looks at: about half of what one call of DynamoDB reads. */
export const stepLooks = 2_000;
/** How many steps one call makes before it answers, so that a sweep that is ended goes on where it stood. */
const stepsMax = 50;
/** After so many doublings of the time between two messages it grows no more: about a day for the usual lease. */
const doublingsMax = 9;

/**
 * Where a sweep stands: behind which entry each shard's step begins, what of the step was given before, and how many
 * orders were counted before the step.
 */
interface SweepCursor {
  readonly behind: readonly (string | null)[];
  readonly given: readonly [number, string] | null;
  readonly rows: readonly DepthRow[];
}

export interface Sweep extends Pick<Backend, "sweep"> {
  /**
   * Queues the order's delivery again, unless a sweeper does or it is in hand here. Where it rejects, the caller
   * repeats the call, and keeps the delivery that waits for it until then.
   */
  redeliver(order: StoredOrder): Promise<void>;
}

/**
 * Looks through the entries of the index that are open, all shards side by side in the order of placing, for those whose
 * time has come: `due`, which every write of an order sets to when its delivery would be lost or its wait is over. It
 * counts them by the way, since each of them is read anyhow.
 */
export function createSweep(options: SweepOptions): Sweep {
  const { clock, table, meta, parts, orders, leases, queueOf, lostSecondsOf, onUnread, keepCounts } = options;
  const { countMax = countedMax } = options;

  return {
    redeliver: (order) => redeliver(order, "taken back"),

    async sweep({ limit, cursor }) {
      await meta.refresh();
      const shards = meta.open();
      let position = cursor === undefined ? start(shards.length) : readCursor(cursor, "a sweep", parseCursor);
      if (cursor === undefined) await parts.sweep();
      for (let steps = 0; steps < stepsMax; steps++) {
        const now = clock.now();
        const { entries, behind } = await step(position, shards, now);
        const due = entries.filter((entry) => isDue(entry, now) && isAfter(entry, position.given)).sort(byDue);
        const given = due.slice(0, limit);
        const last = given.at(-1);
        const ended = behind.every((each) => each === null);
        const again = last !== undefined && due.length > limit;
        // A step that is looked at again is counted once, when it is left.
        const rows = again ? position.rows : countInto(position.rows, entries, now);
        const rest: SweepCursor | undefined = again
          ? { behind: position.behind, given: [last.due as number, last.id], rows }
          : ended
            ? undefined
            : { behind, given: null, rows };
        if (rest === undefined) await keepCounts(rows);
        if (given.length > 0 || rest === undefined) {
          return {
            ...(await seenTo(await stillDue(given))),
            nextCursor: rest === undefined ? null : writeSweepCursor(rest),
            nextAt: null,
          };
        }
        position = rest;
      }
      return { expired: [], redelivered: 0, failed: [], nextCursor: writeSweepCursor(position), nextAt: null };
    },
  };

  /**
   * mark ─ send
   *   another sweeper was first       the mark's condition fails, and nothing is sent
   *   the mark's answer is lost       the SDK asks again, and the mark's own name tells that it took position
   *   dies after the mark             the next message comes after twice the time
   *   the send is refused             so it does for a sweep, which must not try a queue that is gone over and over;
   *                                   else the mark is taken back, since a repeat would take it for a message
   */
  async function redeliver({ id, visit }: StoredOrder, unsent: "kept" | "taken back"): Promise<void> {
    const item = await orders.readItem(id);
    const order = item === undefined ? undefined : await orders.decode(item);
    if (item === undefined || order === undefined || order.visit !== visit) return;
    if (order.kind !== "handled" || order.failure !== null) return;
    const now = clock.now();
    if ((order.notBefore ?? 0) > now || leases.of(id, visit).length > 0) return;
    const swept = numberOf(item, a.swept) ?? 0;
    if (swept > 0 && (numberOf(item, a.due) as number) > now) return;
    const seconds = secondsAfter(swept + 1, lostSecondsOf(order.status));
    const nonce = newNonce();
    const marked = await table.update({
      Key: { id: { S: id }, part: { S: orderPart } },
      UpdateExpression: "SET #sc = :next, #du = :due, #sb = :nonce",
      ConditionExpression: `#ve = :version AND ${swept === 0 ? "attribute_not_exists(#sc)" : "#sc = :swept"}`,
      ExpressionAttributeNames: { "#sc": a.swept, "#du": a.due, "#sb": a.sweptBy, "#ve": a.version },
      ExpressionAttributeValues: {
        ":next": { N: String(swept + 1) },
        ":due": { N: String(now + seconds * 1_000) },
        ":nonce": { S: nonce },
        ":version": { N: String(order.version) },
        ...(swept === 0 ? {} : { ":swept": { N: String(swept) } }),
      },
    });
    if (marked === undefined && textOf((await orders.readItem(id)) ?? {}, a.sweptBy) !== nonce) return;
    try {
      const queue = await queueOf(order.status);
      await queue.send(order, { delaySeconds: 0, suffix: `:s${order.version}.${swept + 1}` });
    } catch (error) {
      // Where that fails, too, it is as if the process had died after the mark.
      if (unsent === "taken back") await Promise.allSettled([takeBack(item, nonce)]);
      throw error;
    }
  }

  /** Puts the sweep's marks back to what they were in `before`, unless another mark was set since. */
  async function takeBack(before: Item, nonce: string): Promise<void> {
    const names = [a.swept, a.due, a.sweptBy];
    const { id, part } = before as Item & { id: AttributeValue; part: AttributeValue };
    const update = settingAll(Object.fromEntries(names.map((name) => [name, before[name]])));
    await table.update({
      ...update,
      Key: { id, part },
      ConditionExpression: `#${a.sweptBy} = :nonce`,
      ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ":nonce": { S: nonce } },
    });
  }

  /** Queues again what was lost, each order by itself, and leaves what expired to the caller. */
  async function seenTo(due: readonly StoredOrder[]): Promise<Pick<Swept, "expired" | "redelivered" | "failed">> {
    const lost = due.filter(({ kind }) => kind !== "waiting");
    const failed = (await Promise.allSettled(lost.map((order) => redeliver(order, "kept")))).filter(
      (each) => each.status === "rejected",
    );
    return {
      expired: due.filter(({ kind }) => kind === "waiting"),
      redelivered: lost.length - failed.length,
      failed: failed.map(({ reason }) => reason as unknown),
    };
  }

  async function step(position: SweepCursor, shards: readonly string[], now: number) {
    const filter = dueOrOther(
      position.rows.filter((row) => isFull(row, countMax)),
      now,
    );
    const pages = await Promise.all(
      shards.map((partition, shard) => {
        const after = position.behind[shard];
        if (after === null) return { entries: [], next: undefined };
        return queryIndex(table, { partition, after: after === "" ? undefined : after, filter, limit: stepLooks });
      }),
    );
    return { entries: pages.flatMap(({ entries }) => entries), behind: pages.map(({ next }) => next ?? null) };
  }

  /** The index may be a little behind what the orders are. */
  async function stillDue(entries: readonly IndexEntry[]): Promise<StoredOrder[]> {
    const now = clock.now();
    const found = await Promise.allSettled(
      entries.map(async ({ id }) => {
        const item = await orders.readItem(id);
        if (item === undefined || (numberOf(item, a.due) ?? Number.POSITIVE_INFINITY) > now) return undefined;
        return orders.get(id);
      }),
    );
    return found.flatMap((each, n) => {
      if (each.status === "fulfilled") return each.value ?? [];
      // One that cannot be read keeps back none of the others.
      onUnread((entries[n] as IndexEntry).id, each.reason);
      return [];
    });
  }
}

/** How long after so many messages the sweep looks again, where a delivery counts as lost after `lostSeconds`. */
export function secondsAfter(messages: number, lostSeconds: number): number {
  return lostSeconds * 2 ** Math.min(messages, doublingsMax);
}

function start(shards: number): SweepCursor {
  return { behind: Array.from({ length: shards }, () => ""), given: null, rows: [] };
}

/** What is due, and what is still to be counted: entries of a row that is full need not come over the network. */
function dueOrOther(full: readonly DepthRow[], now: number): IndexFilter | undefined {
  if (full.length === 0) return undefined;
  const left = full.slice(0, inValuesMax);
  const names = left.map((_, n) => `:st${n}`);
  return {
    expression: `#du <= :now OR NOT #st IN (${names.join(", ")})`,
    names: { "#du": a.due, "#st": a.status },
    values: {
      ":now": { N: String(now) },
      ...Object.fromEntries(left.map(({ status }, n) => [`:st${n}`, { S: status }])),
    },
  };
}

function isDue({ due }: IndexEntry, now: number): boolean {
  return due !== null && due <= now;
}

function byDue(x: IndexEntry, y: IndexEntry): number {
  return (x.due as number) - (y.due as number) || (x.id < y.id ? -1 : 1);
}

function isAfter({ due, id }: IndexEntry, given: SweepCursor["given"]): boolean {
  if (given === null) return true;
  const [at, last] = given;
  return (due as number) > at || (due === at && id > last);
}

function writeSweepCursor(position: SweepCursor): string {
  return writeCursor(JSON.stringify([position.behind, position.given, encodeRows(position.rows)]));
}

function parseCursor(text: string): SweepCursor | undefined {
  const parsed = jsonOf(text);
  if (!Array.isArray(parsed)) return undefined;
  const [behind, given, counted] = parsed as [SweepCursor["behind"], SweepCursor["given"], unknown];
  const rows = decodeRows(counted);
  if (rows === undefined || !Array.isArray(behind)) return undefined;
  return behind.every((each) => each === null || typeof each === "string") ? { behind, given, rows } : undefined;
}
