import { jsonOf, readCursor, writeCursor } from "../../../core/cursor.ts";
import type { StoredOrder } from "../../../core/order.ts";
import type { Swept } from "../../port.ts";
import { attributes as a, type IndexEntry, type Item, newNonce, numberOf, settingAll, textOf } from "../item.ts";
import { orderOf, readItem, readOrder, sweepLargeFields } from "../largeFields.ts";
import type { AwsContext } from "../queue/queue.ts";
import { inValuesMax } from "../quotas.ts";
import { lostSecondsOf, orderKey } from "../table.ts";
import { countInto, type DepthRow, type Depths, decodeRows, encodeRows } from "./depths.ts";
import { type IndexFilter, type IndexPage, queryIndex } from "./query.ts";

/** How many entries of each shard one step looks at: about half of what one call of DynamoDB reads. */
export const stepEntries = 2_000;
/** How many steps one call makes before it answers, so that a sweep that is stopped goes on from its last cursor. */
const stepsMax = 50;
/** How often the time between two messages for an order doubles: after that it is about a day at a lease of 180 s. */
const doublingsMax = 9;

/** Where a sweep goes on. */
interface SweepCursor {
  /** The sort key behind which each shard's step begins: empty at the start, null where the shard is through. */
  readonly behind: readonly (string | null)[];
  /** When the last order was due that the step has given, and its id; null at the start of a step. */
  readonly given: readonly [due: number, id: string] | null;
  /** What was counted before the step. */
  readonly rows: readonly DepthRow[];
}

/**
 * Looks through the open entries of the index, all shards side by side in the order of placing, for those that are due:
 * every write of an order sets `due` to when its delivery would be lost, or its wait is over. The sweep counts the
 * entries as well, since it reads each of them. It queues again what was lost, and leaves what expired to the caller.
 */
export async function sweep(
  context: AwsContext,
  depths: Depths,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Swept> {
  await context.meta.refresh();
  const shards = context.meta.open();
  let position = cursor === undefined ? startOf(shards) : readCursor(cursor, "a sweep", parseCursor);
  if (cursor === undefined) await sweepLargeFields(context);
  for (let steps = 0; steps < stepsMax; steps++) {
    const now = context.clock.now();
    const full = position.rows.filter(depths.isFull);
    const pages = await readStep(context, shards, position, dueOrOther(full, now));
    const entries = pages.flatMap((page) => page.entries);
    const behind = pages.map(({ next }) => next ?? null);
    const due = entries.filter((entry) => isDue(entry, now) && isAfter(entry, position.given)).sort(byDue);
    const given = due.slice(0, limit);
    const last = given.at(-1);
    if (last !== undefined && due.length > limit) {
      // The next call looks at this step again, and counts it when it leaves the step.
      const rest = { ...position, given: [last.due as number, last.id] as const };
      return { ...(await seeTo(context, given)), nextCursor: formatCursor(rest), nextAt: null };
    }
    const rows = countInto(position.rows, entries, now);
    const ended = behind.every((each) => each === null);
    if (ended) await depths.keep(rows);
    position = { behind, given: null, rows };
    if (given.length > 0 || ended) {
      return { ...(await seeTo(context, given)), nextCursor: ended ? null : formatCursor(position), nextAt: null };
    }
  }
  return { expired: [], redelivered: 0, failed: [], nextCursor: formatCursor(position), nextAt: null };
}

/**
 * Queues an order's delivery again, unless a sweep has or the delivery is leased here.
 *
 *   mark ─ send
 *   another sweep was first     the mark's condition fails, and nothing is sent
 *   the mark's answer is lost   the SDK asks again, and the mark's own name tells that the mark was written
 *   dies after the mark         the next message is sent after twice the time
 *   the send is refused         `kept`: the mark stays, and a queue that is gone is not tried at every sweep.
 *                               `taken back`: the mark goes, so that a repeat of this call sends the message
 */
export async function redeliver(
  context: AwsContext,
  { id, visit }: Pick<StoredOrder, "id" | "visit">,
  unsent: "kept" | "taken back",
): Promise<void> {
  const { clock, table, leases } = context;
  const item = await readItem(context, id);
  const order = item === undefined ? undefined : await orderOf(context, item);
  if (item === undefined || order === undefined || order.visit !== visit) return;
  if (order.kind !== "handled" || order.failure !== null) return;
  const now = clock.now();
  if ((order.notBefore ?? 0) > now || leases.ofVisit({ id, visit }).length > 0) return;
  const swept = numberOf(item, a.swept) ?? 0;
  if (swept > 0 && (numberOf(item, a.due) as number) > now) return;
  const seconds = secondsAfter(swept + 1, lostSecondsOf(context, order.status));
  const nonce = newNonce();
  const marked = await table.update(orderKey(id), {
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
  if (marked === undefined && textOf((await readItem(context, id)) ?? {}, a.sweptBy) !== nonce) return;
  try {
    const queue = await context.queueOf(order.status);
    await queue.send(order, 0, `:s${order.version}.${swept + 1}`);
  } catch (error) {
    // Where the mark cannot be taken back, the order is as if the process had died after the mark.
    if (unsent === "taken back") await Promise.allSettled([takeBack(context, item, nonce)]);
    throw error;
  }
}

/** Sets the sweep's mark back to what it was in `before`, unless another mark was written since. */
async function takeBack({ table }: AwsContext, before: Item, nonce: string): Promise<void> {
  const update = settingAll(Object.fromEntries([a.swept, a.due, a.sweptBy].map((name) => [name, before[name]])));
  await table.update(orderKey(textOf(before, "id") as string), {
    ...update,
    ConditionExpression: `#${a.sweptBy} = :nonce`,
    ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ":nonce": { S: nonce } },
  });
}

/** Queues again what was lost, each order by itself, and gives what expired. */
async function seeTo(
  context: AwsContext,
  entries: readonly IndexEntry[],
): Promise<Pick<Swept, "expired" | "redelivered" | "failed">> {
  const due = await readDue(context, entries);
  const isForCaller = ({ kind, unreadable }: StoredOrder) => kind === "waiting" || unreadable !== undefined;
  const lost = due.filter((order) => !isForCaller(order));
  const settled = await Promise.allSettled(lost.map((order) => redeliver(context, order, "kept")));
  const failed = settled.filter((each) => each.status === "rejected");
  return {
    expired: due.filter(isForCaller),
    redelivered: lost.length - failed.length,
    failed: failed.map(({ reason }) => reason as unknown),
  };
}

/** Reads the orders of these entries, and leaves out those that are no longer due: the index may be behind the table. */
async function readDue(context: AwsContext, entries: readonly IndexEntry[]): Promise<StoredOrder[]> {
  const now = context.clock.now();
  const due = await Promise.all(
    entries.map(async ({ id }) => {
      try {
        const item = await readItem(context, id);
        if (item === undefined || (numberOf(item, a.due) ?? Number.POSITIVE_INFINITY) > now) return undefined;
        return await readOrder(context, id);
      } catch (error) {
        // One order that cannot be read must not keep back the others.
        const fields = { orderId: id, error: String(error) };
        context.warn(fields, "overdue order not read; the next sweep looks at it again");
        return undefined;
      }
    }),
  );
  return due.filter((order) => order !== undefined);
}

function readStep(
  { table }: AwsContext,
  shards: readonly string[],
  { behind }: SweepCursor,
  filter: IndexFilter | undefined,
): Promise<IndexPage[]> {
  return Promise.all(
    shards.map(async (partition, shard) => {
      const after = behind[shard];
      if (after === null) return { entries: [], next: undefined };
      return queryIndex(table, { partition, after: after === "" ? undefined : after, filter, limit: stepEntries });
    }),
  );
}

/** After how many seconds the sweep looks at an order again, once it has sent that many messages for it. */
export function secondsAfter(messages: number, lostSeconds: number): number {
  return lostSeconds * 2 ** Math.min(messages, doublingsMax);
}

function startOf(shards: readonly string[]): SweepCursor {
  return { behind: shards.map(() => ""), given: null, rows: [] };
}

/** A filter for entries that are due, or of a row that is not full: entries of a full row need not leave DynamoDB. */
function dueOrOther(full: readonly DepthRow[], now: number): IndexFilter | undefined {
  if (full.length === 0) return undefined;
  const left = full.slice(0, inValuesMax);
  const names = left.map((_, n) => `:st${n}`);
  return {
    FilterExpression: `#du <= :now OR NOT #st IN (${names.join(", ")})`,
    ExpressionAttributeNames: { "#du": a.due, "#st": a.status },
    ExpressionAttributeValues: {
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

function formatCursor({ behind, given, rows }: SweepCursor): string {
  return writeCursor(JSON.stringify([behind, given, encodeRows(rows)]));
}

function parseCursor(text: string): SweepCursor | undefined {
  const parsed = jsonOf(text);
  if (!Array.isArray(parsed)) return undefined;
  const [behind, given, counted] = parsed as [SweepCursor["behind"], SweepCursor["given"], unknown];
  const rows = decodeRows(counted);
  if (rows === undefined || !Array.isArray(behind)) return undefined;
  return behind.every((each) => each === null || typeof each === "string") ? { behind, given, rows } : undefined;
}
