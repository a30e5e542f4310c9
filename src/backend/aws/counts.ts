import type { Clock } from "../../core/clock.ts";
import type { Backend, DeliveryMode, Depth, FailureGroup } from "../backend.ts";
import type { Standing } from "./item.ts";
import type { Counts, Queue } from "./queue.ts";
import { metaId, type Registry } from "./registry.ts";
import type { Key, Table } from "./table.ts";
import { countedMost, decodeRows, encodeRows, isFull, type Row, tallied } from "./tally.ts";
import { walkIndex } from "./walk.ts";

export interface CountingOptions {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly table: Table;
  readonly registry: Registry;
  /** The handled statuses that have a queue. */
  readonly handled: readonly string[];
  readonly queueOf: (status: string) => Promise<Queue>;
  /** From how many orders on what the sweep kept is taken. Default 1,000. */
  readonly fewMost?: number | undefined;
  /** Past so many, a sweep leaves out the rest of a status. Default 10,000. */
  readonly countMost?: number | undefined;
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
export interface Counting extends Pick<Backend, "counts"> {
  /** What a sweep counted of the open orders in one pass over all of them; adds the failed ones. */
  keep(open: readonly Row[]): Promise<void>;
  forget(): void;
}

export function createCounting(options: CountingOptions): Counting {
  const { mode, clock, table, registry, handled, queueOf, fewMost = page, countMost = countedMost } = options;
  let known: { readonly at: number; readonly depths: Promise<Depth[]> } | undefined;

  /** Every entry of these partitions, up to a number of each. */
  const entriesOf = async (
    partitions: readonly string[],
    mostEach: number,
  ): Promise<{ entries: Standing[]; all: boolean }> => {
    const found = await Promise.all(
      partitions.map(async (partition) => {
        const entries: Standing[] = [];
        let after: string | undefined;
        do {
          const { entries: more, next } = await walkIndex(table, { partition, after, limit: Math.min(mostEach, page) });
          entries.push(...more);
          after = next;
        } while (after !== undefined && entries.length < mostEach);
        return { entries, all: after === undefined };
      }),
    );
    return { entries: found.flatMap(({ entries }) => entries), all: found.every(({ all }) => all) };
  };
  const failedEntries = () => {
    const partitions = registry.failed();
    return entriesOf(partitions, Math.ceil(countedMost / partitions.length));
  };

  const countNow = async (): Promise<Counted> => {
    const [open, failed] = await Promise.all([entriesOf(registry.open(), page), entriesOf(registry.failed(), page)]);
    return { rows: tallied([], [...open.entries, ...failed.entries], clock.now()), all: open.all && failed.all };
  };

  /** What the last full pass kept; undefined where that is few enough to count, or long ago. */
  const keptCount = async (): Promise<Counted | undefined> => {
    const item = await table.read(keptKey);
    const rows = decodeRows(JSON.parse(item?.rows?.S ?? "[]")) ?? [];
    const orders = rows.reduce((sum, { standing, delayed, failed }) => sum + standing + delayed + failed, 0);
    if (orders <= fewMost || Number(item?.at?.N) < clock.now() - keptSeconds * 1_000) return undefined;
    return { rows, all: item?.all?.BOOL === true };
  };

  const count = async (): Promise<Depth[]> => {
    const [, kept, ...queued] = await Promise.all([
      registry.refresh(),
      keptCount(),
      ...handled.map(async (status) => [status, await (await queueOf(status)).counts()] as const),
    ]);
    const counted = kept ?? (await countNow());
    return depthsOf({ counted, paused: await registry.paused(), queued: new Map(queued), mode, countMost });
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
    await registry.refresh();
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
          rows: { S: JSON.stringify(encodeRows(tallied(open, entries, now))) },
          all: { BOOL: all },
          at: { N: String(now) },
        },
      });
    },
  };
}

export interface Counted {
  readonly rows: readonly Row[];
  /** Nothing was left out, but of rows that are full. */
  readonly all: boolean;
}

export interface CountedAndQueued {
  readonly counted: Counted;
  readonly paused: ReadonlySet<string>;
  readonly queued: ReadonlyMap<string, Counts>;
  readonly mode: DeliveryMode;
  readonly countMost: number;
}

export function depthsOf({ counted, paused, queued, mode, countMost }: CountedAndQueued): Depth[] {
  const rowOf = (kind: Depth["kind"], status: string): Row =>
    counted.rows.find((row) => row.kind === kind && row.status === status) ?? emptyRow(kind, status);
  const messages = [...queued].filter(([, { waiting, inFlight }]) => waiting + inFlight > 0).map(([status]) => status);
  const handled = counted.rows.filter(({ kind }) => kind === "handled").map(({ status }) => status);
  const rows = [
    ...counted.rows.filter(({ kind }) => kind === "waiting"),
    ...[...new Set([...handled, ...paused, ...messages])].map((status) => rowOf("handled", status)),
  ];
  return rows
    .map((row): Depth => {
      const { kind, status, standing, delayed, oldestAt, failed } = row;
      // A waiting status has no queue, and one that left the definition none that is known.
      const { waiting, inFlight } = (kind === "handled" ? queued.get(status) : undefined) ?? {
        waiting: standing,
        inFlight: 0,
      };
      return {
        ...{ status, kind, waiting, delayed, failed },
        // In FIFO what is put off is a message in flight, with its group behind it.
        inFlight: mode === "fifo" ? Math.max(0, inFlight - delayed) : inFlight,
        oldestWaitingAt: kind === "handled" && waiting > 0 ? oldestAt : null,
        paused: kind === "handled" && paused.has(status),
        atLeast: !counted.all || isFull(row, countMost),
      };
    })
    .sort((x, y) => (x.status < y.status ? -1 : 1));
}

function emptyRow(kind: Row["kind"], status: string): Row {
  return { kind, status, standing: 0, delayed: 0, oldestAt: null, failed: 0 };
}

export function failureGroups(entries: readonly Standing[]): FailureGroup[] {
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
