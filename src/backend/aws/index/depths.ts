import type { Clock } from "../../../core/clock.ts";
import type { Backend, Counts, DeliveryMode, Depth, FailureGroup } from "../../port.ts";
import { destroyClients } from "../clients.ts";
import type { IndexEntry } from "../item.ts";
import type { AwsContext, QueueCounts } from "../queue/queue.ts";
import { metaKey, openTableContext, type TableContext } from "../table.ts";
import { indexPages } from "./query.ts";

/** How many orders of one status there are. A definition may change a status's kind, so a status may have a row of each. */
export interface DepthRow {
  readonly kind: "handled" | "waiting";
  readonly status: string;
  /** Open orders whose next attempt may begin, or that wait. */
  readonly open: number;
  /** Open orders whose next attempt must not begin yet. */
  readonly delayed: number;
  /** The earliest last change of the `open` orders, in milliseconds since 1970; null where none is counted. */
  readonly oldestAt: number | null;
  readonly failed: number;
}

const freshMilliseconds = 5_000;
/** How many entries one call of DynamoDB looks at. */
const pageMax = 1_000;
/** Counting stops at this many orders of a row; `atLeast` says so. */
const countedMax = 10_000;
/** Kept counts older than an hour are not used: no sweep runs any more. */
const keptMilliseconds = 3_600_000;

export type Depths = ReturnType<typeof createDepths>;

/**
 * Counts depths and failures, depths once in 5 s at most. Up to `fewMax` orders are counted in the index. Past that,
 * depths are those that the last sweep kept in an item, joined with the queues' own counts (docs/decisions/0015).
 * Counting stops at `countMax` orders of a row.
 */
export function createDepths(context: AwsContext, { fewMax = pageMax, countMax = countedMax } = {}) {
  const { mode, clock, table, meta, leaseSeconds, queueOf } = context;
  let known: { readonly at: number; readonly depths: Promise<Depth[]> } | undefined;

  const count = async (): Promise<Depth[]> => {
    const [, kept, ...queued] = await Promise.all([
      meta.refresh(),
      readKept(context, fewMax),
      ...Object.keys(leaseSeconds).map(async (status) => [status, await (await queueOf(status)).counts()] as const),
    ]);
    const counted = kept ?? (await countNow(context));
    return depthsOf(counted, await meta.paused(), new Map(queued), mode, countMax);
  };

  const depthsNow = (): Promise<Depth[]> => {
    if (known === undefined || clock.monotonic() - known.at >= freshMilliseconds) {
      const depths = count();
      known = { at: clock.monotonic(), depths };
      // After a count that failed, the next call counts again at once.
      depths.catch(() => {
        known = undefined;
      });
    }
    return known.depths;
  };

  const failuresNow = async (): Promise<FailureGroup[]> => {
    await meta.refresh();
    return failureGroups((await failedEntries(context)).entries);
  };

  return {
    async counts(asked: Parameters<Backend["counts"]>[0]): Promise<Counts> {
      const [depths, failures] = await Promise.all([
        asked.depths ? depthsNow() : [],
        asked.failures ? failuresNow() : [],
      ]);
      return { depths, failures };
    },
    /** Keeps what a full pass of the sweep counted of the open orders, and counts the failed ones. */
    async keep(open: readonly DepthRow[]): Promise<void> {
      const now = clock.now();
      const { entries, all } = await failedEntries(context);
      const { id, part } = metaKey("counts");
      await table.put({
        id: { S: id },
        part: { S: part },
        rows: { S: JSON.stringify(encodeRows(countInto(open, entries, now))) },
        all: { BOOL: all },
        at: { N: String(now) },
      });
    },
    /** Whether so many orders of a row were counted that the sweep leaves the rest out. */
    isFull: (row: DepthRow): boolean => row.open + row.delayed > countMax,
    /** Makes the next call count, though the last count is less than 5 s old. */
    forget(): void {
      known = undefined;
    },
  };
}

/** What was counted. `all`: nothing was left out, except of rows that are full. */
interface CountedRows {
  readonly rows: readonly DepthRow[];
  readonly all: boolean;
}

/** The counts that the last full pass of a sweep kept; undefined where they are few enough to count, or too old. */
async function readKept({ table, clock }: TableContext, fewMax: number): Promise<CountedRows | undefined> {
  const item = await table.read(metaKey("counts"));
  const rows = decodeRows(JSON.parse(item?.rows?.S ?? "[]")) ?? [];
  const orders = rows.reduce((sum, { open, delayed, failed }) => sum + open + delayed + failed, 0);
  if (orders <= fewMax || Number(item?.at?.N) < clock.now() - keptMilliseconds) return undefined;
  return { rows, all: item?.all?.BOOL === true };
}

async function countNow(context: TableContext): Promise<CountedRows> {
  const { meta, clock } = context;
  const [open, failed] = await Promise.all([
    entriesOf(context, meta.open(), pageMax),
    entriesOf(context, meta.failed(), pageMax),
  ]);
  return { rows: countInto([], [...open.entries, ...failed.entries], clock.now()), all: open.all && failed.all };
}

function failedEntries(context: TableContext) {
  const partitions = context.meta.failed();
  return entriesOf(context, partitions, Math.ceil(countedMax / partitions.length));
}

/** Reads the entries of these partitions, up to `max` of each. `all`: no entry was left out. */
async function entriesOf(
  { table }: TableContext,
  partitions: readonly string[],
  max: number,
): Promise<{ readonly entries: readonly IndexEntry[]; readonly all: boolean }> {
  const found = await Promise.all(
    partitions.map(async (partition) => {
      const entries: IndexEntry[] = [];
      for await (const page of indexPages(table, { partition, limit: Math.min(max, pageMax) })) {
        entries.push(...page.entries);
        if (entries.length >= max) return { entries, all: page.next === undefined };
      }
      return { entries, all: true };
    }),
  );
  return { entries: found.flatMap(({ entries }) => entries), all: found.every(({ all }) => all) };
}

/** Joins what was counted with the pauses, and with the queues' own counts by status. */
export function depthsOf(
  counted: CountedRows,
  paused: ReadonlySet<string>,
  queued: ReadonlyMap<string, QueueCounts>,
  mode: DeliveryMode,
  countMax: number,
): Depth[] {
  const rowOf = (status: string): DepthRow =>
    counted.rows.find((row) => row.kind === "handled" && row.status === status) ?? emptyRow("handled", status);
  const messages = [...queued].filter(([, { waiting, inFlight }]) => waiting + inFlight > 0).map(([status]) => status);
  const handled = counted.rows.filter(({ kind }) => kind === "handled").map(({ status }) => status);
  const rows = [
    ...counted.rows.filter(({ kind }) => kind === "waiting"),
    ...[...new Set([...handled, ...paused, ...messages])].map(rowOf),
  ];
  return rows
    .map((row): Depth => {
      const { kind, status, open, delayed, oldestAt, failed } = row;
      const isHandled = kind === "handled";
      // A waiting status has no queue, and the queue of a status that left the definition is not known.
      const { waiting, inFlight } = (isHandled && queued.get(status)) || { waiting: open, inFlight: 0 };
      return {
        ...{ status, kind, waiting, delayed, failed },
        // In FIFO delivery a message that is put off counts as in flight.
        inFlight: mode === "fifo" ? Math.max(0, inFlight - delayed) : inFlight,
        oldestWaitingAt: isHandled && waiting > 0 ? oldestAt : null,
        paused: isHandled && paused.has(status),
        atLeast: !counted.all || open + delayed > countMax,
      };
    })
    .sort((x, y) => (x.status < y.status ? -1 : 1));
}

function emptyRow(kind: DepthRow["kind"], status: string): DepthRow {
  return { kind, status, open: 0, delayed: 0, oldestAt: null, failed: 0 };
}

function failureGroups(entries: readonly IndexEntry[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const { status, failure } of entries) {
    if (failure === null) continue;
    const { fingerprint, message, at } = failure;
    const key = `${status} ${fingerprint}`;
    const { count, firstAt, lastAt, ...group } = groups.get(key) ?? {
      ...{ status, fingerprint, message, count: 0, firstAt: at, lastAt: at },
    };
    groups.set(key, {
      ...group,
      message: at >= lastAt ? message : group.message,
      count: count + 1,
      firstAt: Math.min(firstAt, at),
      lastAt: Math.max(lastAt, at),
    });
  }
  return [...groups.values()].sort((x, y) => y.count - x.count || y.lastAt - x.lastAt);
}

/** Counts entries of open or failed orders, and adds them to copies of the rows. */
export function countInto(rows: readonly DepthRow[], entries: readonly IndexEntry[], now: number): DepthRow[] {
  const all = new Map<string, { -readonly [Field in keyof DepthRow]: DepthRow[Field] }>();
  for (const row of rows) all.set(`${row.kind} ${row.status}`, { ...row });
  for (const entry of entries) {
    const { status, notBefore, updatedAt, failure } = entry;
    const kind = entry.kind === "waiting" ? "waiting" : "handled";
    const key = `${kind} ${status}`;
    const row = all.get(key) ?? { ...emptyRow(kind, status) };
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

/** Encodes rows as short as may be, for a sweep's cursor and for an item of the table. */
export function encodeRows(rows: readonly DepthRow[]): unknown[][] {
  return rows.map(({ kind, status, open, delayed, oldestAt, failed }) => {
    return [kind, status, open, delayed, oldestAt, failed];
  });
}

/** Decodes what `encodeRows` made; undefined for anything else. */
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

/**
 * Counts the open orders of each status by looking at each of them: exact, where `counts` may be as old as a sweep.
 * Five million orders take about 82,500 read units. Rejects with `store_missing` where there is no table.
 */
export async function countOpenOrders(workflow: string, stage: string, clock: Clock): Promise<readonly DepthRow[]> {
  const context = await openTableContext({ stage, shards: 1 }, { workflow, delivery: "standard", clock });
  try {
    let rows: readonly DepthRow[] = [];
    await Promise.all(
      context.meta.open().map(async (partition) => {
        for await (const { entries } of indexPages(context.table, { partition, limit: pageMax })) {
          rows = countInto(rows, entries, clock.now());
        }
      }),
    );
    return rows;
  } finally {
    destroyClients(context.clients);
  }
}
