import type { Clock } from "../../../core/clock.ts";
import type { Backend, DeliveryMode, Depth, FailureGroup } from "../../port.ts";
import { destroyClients, openClients } from "../clients.ts";
import type { IndexEntry } from "../item.ts";
import { resourceNames } from "../names.ts";
import type { Queue, QueueCounts } from "../queue/queue.ts";
import { type Key, openTable, type Table } from "../table.ts";
import { metaId, openTableMeta, type TableMeta } from "../tableMeta.ts";
import { queryIndex } from "./query.ts";

export interface DepthsOptions {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly table: Table;
  readonly meta: TableMeta;
  /** The handled statuses that have a queue. */
  readonly handled: readonly string[];
  readonly queueOf: (status: string) => Promise<Queue>;
  /** From how many orders on what the sweep kept is taken. Default 1,000. */
  readonly fewMax?: number | undefined;
  /** Past so many, a sweep leaves out the rest of a status. Default 10,000. */
  readonly countMax?: number | undefined;
}

const keptKey: Key = { id: metaId, part: "counts" };
const freshSeconds = 5;
/** So many entries of a partition are counted at once, and so many open and failed orders whenever they are asked for. */
const page = 1_000;
/** What a sweep kept is taken for so long, in seconds: one that has stopped says nothing of now. */
const keptSeconds = 3_600;

/**
 * Depths and failures, asked for once in 5 s at most. While there are few orders they are counted in the index; past
 * that the depths are those that the sweep kept in one item, and the queues' attributes (docs/decisions/0015).
 */
export interface Depths extends Pick<Backend, "counts"> {
  /** What a sweep counted of the open orders in one pass over all of them; adds the failed ones. */
  keep(open: readonly DepthRow[]): Promise<void>;
  forget(): void;
}

export function createDepths(options: DepthsOptions): Depths {
  const { mode, clock, table, meta, handled, queueOf, fewMax = page, countMax = countedMax } = options;
  let known: { readonly at: number; readonly depths: Promise<Depth[]> } | undefined;

  /** Every entry of these partitions, up to a number of each. */
  const entriesOf = async (
    partitions: readonly string[],
    maxEach: number,
  ): Promise<{ entries: IndexEntry[]; all: boolean }> => {
    const found = await Promise.all(
      partitions.map(async (partition) => {
        const entries: IndexEntry[] = [];
        let after: string | undefined;
        do {
          const { entries: more, next } = await queryIndex(table, {
            partition,
            after,
            limit: Math.min(maxEach, page),
          });
          entries.push(...more);
          after = next;
        } while (after !== undefined && entries.length < maxEach);
        return { entries, all: after === undefined };
      }),
    );
    return { entries: found.flatMap(({ entries }) => entries), all: found.every(({ all }) => all) };
  };
  const failedEntries = () => {
    const partitions = meta.failed();
    return entriesOf(partitions, Math.ceil(countedMax / partitions.length));
  };

  const countNow = async (): Promise<CountedRows> => {
    const [open, failed] = await Promise.all([entriesOf(meta.open(), page), entriesOf(meta.failed(), page)]);
    return { rows: countInto([], [...open.entries, ...failed.entries], clock.now()), all: open.all && failed.all };
  };

  /** What the last full pass kept; undefined where that is few enough to count, or long ago. */
  const keptCount = async (): Promise<CountedRows | undefined> => {
    const item = await table.read(keptKey);
    const rows = decodeRows(JSON.parse(item?.rows?.S ?? "[]")) ?? [];
    const orders = rows.reduce((sum, { open, delayed, failed }) => sum + open + delayed + failed, 0);
    if (orders <= fewMax || Number(item?.at?.N) < clock.now() - keptSeconds * 1_000) return undefined;
    return { rows, all: item?.all?.BOOL === true };
  };

  const count = async (): Promise<Depth[]> => {
    const [, kept, ...queued] = await Promise.all([
      meta.refresh(),
      keptCount(),
      ...handled.map(async (status) => [status, await (await queueOf(status)).counts()] as const),
    ]);
    const counted = kept ?? (await countNow());
    return depthsOf({ counted, paused: await meta.paused(), queued: new Map(queued), mode, countMax });
  };

  const depthsNow = (): Promise<Depth[]> => {
    if (known === undefined || clock.now() - known.at >= freshSeconds * 1_000) {
      const depths = count();
      known = { at: clock.now(), depths };
      // A count that failed is no answer for the next five seconds.
      depths.catch(() => {
        known = undefined;
      });
    }
    return known.depths;
  };

  const failuresNow = async (): Promise<FailureGroup[]> => {
    await meta.refresh();
    return failureGroups((await failedEntries()).entries);
  };

  return {
    async counts(asked) {
      const [depths, failures] = await Promise.all([
        asked.depths ? depthsNow() : [],
        asked.failures ? failuresNow() : [],
      ]);
      return { depths, failures };
    },
    forget() {
      known = undefined;
    },
    async keep(open) {
      const now = clock.now();
      const { entries, all } = await failedEntries();
      await table.put({
        Item: {
          id: { S: keptKey.id },
          part: { S: keptKey.part },
          rows: { S: JSON.stringify(encodeRows(countInto(open, entries, now))) },
          all: { BOOL: all },
          at: { N: String(now) },
        },
      });
    },
  };
}

export interface CountedRows {
  readonly rows: readonly DepthRow[];
  /** Nothing was left out, but of rows that are full. */
  readonly all: boolean;
}

export interface DepthSources {
  readonly counted: CountedRows;
  readonly paused: ReadonlySet<string>;
  readonly queued: ReadonlyMap<string, QueueCounts>;
  readonly mode: DeliveryMode;
  readonly countMax: number;
}

export function depthsOf({ counted, paused, queued, mode, countMax }: DepthSources): Depth[] {
  const rowOf = (kind: Depth["kind"], status: string): DepthRow =>
    counted.rows.find((row) => row.kind === kind && row.status === status) ?? emptyRow(kind, status);
  const messages = [...queued].filter(([, { waiting, inFlight }]) => waiting + inFlight > 0).map(([status]) => status);
  const handled = counted.rows.filter(({ kind }) => kind === "handled").map(({ status }) => status);
  const rows = [
    ...counted.rows.filter(({ kind }) => kind === "waiting"),
    ...[...new Set([...handled, ...paused, ...messages])].map((status) => rowOf("handled", status)),
  ];
  return rows
    .map((row): Depth => {
      const { kind, status, open, delayed, oldestAt, failed } = row;
      // A waiting status has no queue, and one that left the definition none that is known.
      const { waiting, inFlight } = (kind === "handled" ? queued.get(status) : undefined) ?? {
        waiting: open,
        inFlight: 0,
      };
      return {
        ...{ status, kind, waiting, delayed, failed },
        // In FIFO what is put off is a message in flight, with its group behind it.
        inFlight: mode === "fifo" ? Math.max(0, inFlight - delayed) : inFlight,
        oldestWaitingAt: kind === "handled" && waiting > 0 ? oldestAt : null,
        paused: kind === "handled" && paused.has(status),
        atLeast: !counted.all || isFull(row, countMax),
      };
    })
    .sort((x, y) => (x.status < y.status ? -1 : 1));
}

function emptyRow(kind: DepthRow["kind"], status: string): DepthRow {
  return { kind, status, open: 0, delayed: 0, oldestAt: null, failed: 0 };
}

export function failureGroups(entries: readonly IndexEntry[]): FailureGroup[] {
  const groups = new Map<string, { -readonly [Field in keyof FailureGroup]: FailureGroup[Field] }>();
  for (const { status, failure } of entries) {
    if (failure === null) continue;
    const { fingerprint, message, at } = failure;
    const group = groups.get(`${status} ${fingerprint}`);
    if (group === undefined) {
      groups.set(`${status} ${fingerprint}`, { status, fingerprint, message, count: 1, firstAt: at, lastAt: at });
      continue;
    }
    group.count++;
    group.firstAt = Math.min(group.firstAt, at);
    if (at >= group.lastAt) {
      group.lastAt = at;
      group.message = message;
    }
  }
  return [...groups.values()].sort((x, y) => y.count - x.count || y.lastAt - x.lastAt);
}

/** How many orders stand in one status. A definition may change a status's kind, so both kinds may have a row. */
export interface DepthRow {
  readonly kind: "handled" | "waiting";
  readonly status: string;
  /** Open, and not put off. */
  readonly open: number;
  /** Open, and not before a time. */
  readonly delayed: number;
  /** When the one of `open` changed that did so first, in milliseconds since 1970. */
  readonly oldestAt: number | null;
  readonly failed: number;
}

/** So many of a row are counted; past that its counts are lower bounds. */
export const countedMax = 10_000;

/** The rows with these entries counted too, open or failed ones. */
export function countInto(rows: readonly DepthRow[], entries: readonly IndexEntry[], now: number): DepthRow[] {
  const all = new Map<string, { -readonly [Field in keyof DepthRow]: DepthRow[Field] }>();
  for (const row of rows) all.set(`${row.kind} ${row.status}`, { ...row });
  for (const { status, kind: stood, notBefore, updatedAt, failure } of entries) {
    const kind = stood === "waiting" ? "waiting" : "handled";
    const key = `${kind} ${status}`;
    const row = all.get(key) ?? { kind, status, open: 0, delayed: 0, oldestAt: null, failed: 0 };
    all.set(key, row);
    if (failure !== null) row.failed++;
    else if (kind === "handled" && (notBefore ?? 0) > now) row.delayed++;
    else {
      row.open++;
      row.oldestAt = Math.min(row.oldestAt ?? updatedAt, updatedAt);
    }
  }
  return [...all.values()];
}

/** Whether so many of its open orders are counted that the rest need not be. */
export function isFull({ open, delayed }: DepthRow, max: number): boolean {
  return open + delayed > max;
}

/** As short as it may be: a sweep's cursor and an item of the table hold it. */
export function encodeRows(rows: readonly DepthRow[]): unknown[][] {
  return rows.map(({ kind, status, open, delayed, oldestAt, failed }) => [
    kind,
    status,
    open,
    delayed,
    oldestAt,
    failed,
  ]);
}

/** Undefined for what `encodeRows` did not write. */
export function decodeRows(encoded: unknown): DepthRow[] | undefined {
  if (!Array.isArray(encoded)) return undefined;
  const rows: DepthRow[] = [];
  for (const each of encoded) {
    if (!Array.isArray(each)) return undefined;
    const [kind, status, open, delayed, oldestAt, failed] = each;
    const counts = [open, delayed, failed, oldestAt ?? 0];
    if ((kind !== "handled" && kind !== "waiting") || typeof status !== "string") return undefined;
    if (!counts.every((count) => Number.isSafeInteger(count))) return undefined;
    rows.push({ kind, status, open, delayed, oldestAt, failed });
  }
  return rows;
}

/** How many entries one call looks at. */
const pageEntries = 1_000;

/**
 * How many open orders stand in each status, by looking at each of them: exact where depths may be a sweep's of a while
 * ago. About 82,500 read units for five million orders. Rejects with `store_missing` where there is no table.
 */
export async function countOpenOrders(workflow: string, stage: string, clock: Clock): Promise<readonly DepthRow[]> {
  const clients = openClients();
  try {
    const table = openTable(clients.dynamo, resourceNames(workflow, stage, "standard").table);
    const meta = await openTableMeta(table, clock, 1);
    let rows: readonly DepthRow[] = [];
    const walk = async (partition: string): Promise<void> => {
      let after: string | undefined;
      do {
        const { entries, next } = await queryIndex(table, { partition, after, limit: pageEntries });
        rows = countInto(rows, entries, clock.now());
        after = next;
      } while (after !== undefined);
    };
    await Promise.all(meta.open().map(walk));
    return rows;
  } finally {
    destroyClients(clients);
  }
}
