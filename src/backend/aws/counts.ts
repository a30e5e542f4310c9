import type { Clock } from "../../core/clock.ts";
import type { Backend, DeliveryMode, Depth, FailureGroup } from "../backend.ts";
import type { Standing } from "./item.ts";
import { walkIndex } from "./lists.ts";
import type { Counts, Queue } from "./queue.ts";
import type { Registry } from "./registry.ts";
import type { Table } from "./table.ts";

export interface CountingOptions {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly table: Table;
  readonly registry: Registry;
  /** The handled statuses that have a queue. */
  readonly handled: readonly string[];
  readonly queueOf: (status: string) => Promise<Queue>;
}

const freshSeconds = 5;
/** So many entries of the index are counted; past that the counts are lower bounds. */
const countedMost = 10_000;
const countedPerCall = 1_000;

/** Depths and failures: from the queues' attributes and the index, asked for once in 5 s at most. */
export function createCounting(options: CountingOptions): Pick<Backend, "depths" | "failures"> & { forget(): void } {
  const { mode, clock, table, registry, handled, queueOf } = options;
  let known: { readonly at: number; readonly depths: Promise<Depth[]> } | undefined;

  /** Every entry of these partitions, up to a number. */
  const entriesOf = async (partitions: readonly string[]): Promise<{ entries: Standing[]; all: boolean }> => {
    const most = Math.ceil(countedMost / partitions.length);
    const found = await Promise.all(
      partitions.map(async (partition) => {
        const entries: Standing[] = [];
        let after: string | undefined;
        do {
          const page = await walkIndex(table, { partition, after, limit: Math.min(most, countedPerCall) });
          entries.push(...page.entries);
          after = page.next;
        } while (after !== undefined && entries.length < most);
        return { entries, all: after === undefined };
      }),
    );
    return { entries: found.flatMap(({ entries }) => entries), all: found.every(({ all }) => all) };
  };

  const count = async (): Promise<Depth[]> => {
    await registry.refresh();
    const [open, failed, paused, ...queued] = await Promise.all([
      entriesOf(registry.open()),
      entriesOf(registry.failed()),
      registry.paused(),
      ...handled.map(async (status) => [status, await (await queueOf(status)).counts()] as const),
    ]);
    return depthsOf({ open, failed, paused, queued: new Map(queued), now: clock.now(), mode });
  };

  return {
    depths() {
      if (known === undefined || clock.now() - known.at >= freshSeconds * 1_000) {
        const depths = count();
        known = { at: clock.now(), depths };
        // A count that failed is no answer for the next five seconds.
        depths.catch(() => {
          known = undefined;
        });
      }
      return known.depths;
    },
    forget() {
      known = undefined;
    },
    async failures() {
      await registry.refresh();
      return failureGroups((await entriesOf(registry.failed())).entries);
    },
  };
}

export interface Counted {
  readonly open: { readonly entries: readonly Standing[]; readonly all: boolean };
  readonly failed: { readonly entries: readonly Standing[]; readonly all: boolean };
  readonly paused: ReadonlySet<string>;
  readonly queued: ReadonlyMap<string, Counts>;
  readonly now: number;
  readonly mode: DeliveryMode;
}

export function depthsOf({ open, failed, paused, queued, now, mode }: Counted): Depth[] {
  const rows = new Map<string, { -readonly [Field in keyof Depth]: Depth[Field] }>();
  const atLeast = !open.all || !failed.all;
  const rowOf = (status: string, kind: Depth["kind"]) => {
    const key = `${kind} ${status}`;
    const row = rows.get(key) ?? {
      status,
      kind,
      ...{ waiting: 0, inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null },
      paused: kind === "handled" && paused.has(status),
      atLeast,
    };
    rows.set(key, row);
    return row;
  };
  for (const status of paused) rowOf(status, "handled");
  for (const { status, kind, notBefore, updatedAt } of open.entries) {
    if (kind === "waiting") rowOf(status, "waiting").waiting++;
    else {
      const row = rowOf(status, "handled");
      if ((notBefore ?? 0) > now) row.delayed++;
      else row.oldestWaitingAt = Math.min(row.oldestWaitingAt ?? updatedAt, updatedAt);
    }
  }
  for (const { status, kind } of failed.entries) rowOf(status, kind === "waiting" ? "waiting" : "handled").failed++;
  for (const [status, { waiting, inFlight }] of queued) {
    const row = rows.get(`handled ${status}`);
    if (row === undefined && waiting + inFlight === 0) continue;
    const counted = rowOf(status, "handled");
    counted.waiting = waiting;
    // In FIFO what is put off is a message in flight, with its group behind it.
    counted.inFlight = mode === "fifo" ? Math.max(0, inFlight - counted.delayed) : inFlight;
  }
  for (const row of rows.values()) if (row.kind === "handled" && row.waiting === 0) row.oldestWaitingAt = null;
  return [...rows.values()].sort((x, y) => (x.status < y.status ? -1 : 1));
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
