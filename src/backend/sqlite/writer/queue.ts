import { createEncoder } from "../batch/codec.ts";
import { type BatchResult, dropped, fromRows } from "../batch/protocol.ts";
import { encodeRow, type Row, rowLength } from "../batch/row.ts";
import { bucket, kindNumber, queueState } from "../schema.ts";
import { createSlotMap } from "../slotMap.ts";
import type { Statements } from "./statements.ts";

/** A delivery that is out: what the writer must know to take its order further without reading it again. */
export interface Lease {
  readonly status: string;
  readonly group: string | null;
  readonly visit: number;
  readonly position: number;
  version: number;
  /** Its place among this batch's deliveries, if it was leased in this batch. */
  delivered?: { readonly batch: number; readonly place: number };
  /** Its row has no delay, failure, expiry, attempt or group: the next transition need not take any back. */
  plain: boolean;
}

/** An operation's place in the batch, or the row. */
type Delivered = number | Row;

/** Where an order stands in the queue, as columns. */
export interface QueueSlot {
  readonly queue: number | null;
  readonly position: number | null;
  readonly group: string | null;
  /** When it may be leased, while it is delayed. */
  readonly due: number | null;
}

export const unqueued: QueueSlot = { queue: null, position: null, group: null, due: null };
const buckets = 8;

export type Queues = ReturnType<typeof createQueues>;

/**
 * The queues of the statuses, over the rows of `orders`. A row that is due is `ready`, or `leased` at once when
 * somebody has asked for it (`grant`) and nobody is before it: on an idle or flowing queue an order is written once per
 * transition, already leased, and never read back. In FIFO delivery only the head of a group is ready; the others are
 * `parked`, out of the index that leasing reads, so a held group costs the others nothing.
 */
export function createQueues(statements: Statements) {
  const demand = new Map<string, number>();
  const leases = createSlotMap<number, Lease>();
  const counts = new Map<string, number[]>();
  // For each status a bit for each bucket whose count changed in this batch.
  const dirty = new Map<string, number>();
  const crashSuspects = createCrashSuspects(statements);
  let position = 0;
  const paused = new Set<string>();
  let delayedChanged = false;
  let deliveries: number[] = [];
  let batch = 0;
  const rows = createEncoder();

  const countsOf = (status: string): number[] => {
    let row = counts.get(status);
    if (row === undefined) {
      row = new Array<number>(buckets).fill(0);
      counts.set(status, row);
    }
    return row;
  };

  const count = (status: string, of: number, by: number): void => {
    const row = countsOf(status);
    row[of] = (row[of] as number) + by;
    dirty.set(status, (dirty.get(status) ?? 0) | (1 << of));
    if (of === queueState.delayed) delayedChanged = true;
  };

  /** Whether the next row of this status that becomes due may be leased at once. */
  const wanted = (status: string): boolean =>
    !crashSuspects.blockOthers() && isAsked(status) && countsOf(status)[queueState.ready] === 0;

  const leaseRow = (status: string, row: QueuedRow): void => {
    const seq = row[18];
    statements.setState.run(queueState.leased, seq);
    count(status, queueState.ready, -1);
    count(status, queueState.leased, 1);
    const by = { status, group: row[22], visit: row[3], version: row[4], position: row[21], plain: false };
    lease(seq, by, row.slice(0, rowLength) as Row);
  };

  const isAsked = (status: string) => (demand.get(status) ?? 0) > 0 && !paused.has(status);

  const lease = (seq: number, by: Lease, delivered: Delivered): void => {
    demand.set(by.status, (demand.get(by.status) as number) - 1);
    leases.set(seq, by);
    by.delivered = { batch, place: deliveries.length };
    if (typeof delivered === "number") deliveries.push(delivered);
    else {
      deliveries.push(fromRows);
      encodeRow(rows, delivered);
    }
  };

  /** Makes a row that is on the disk ready, or leased. */
  const surface = (seq: number, by: Lease, redelivered: number): void => {
    const now = wanted(by.status);
    const queue = now ? queueState.leased : queueState.ready;
    statements.setQueue.run(queue, by.position, by.group, null, redelivered, seq);
    count(by.status, queue, 1);
    if (now) lease(seq, { ...by, plain: false }, statements.row.get(seq) as unknown as Row);
  };

  const queues = {
    leases,

    /** Reads where things stand; `grant`ed demand outlives it. */
    load(): void {
      leases.clear();
      crashSuspects.load();
      paused.clear();
      for (const [status] of statements.paused.all() as unknown as [string][]) paused.add(status);
      counts.clear();
      dirty.clear();
      for (const [status, of, n] of statements.counts.all() as unknown as [string, number, number][])
        countsOf(status)[of] = n;
      for (const [seq, status, group, visit, version, at] of statements.leasedRows.all() as unknown as [
        number,
        string,
        string | null,
        number,
        number,
        number,
      ][]) {
        leases.set(seq, { status, group, visit, version, position: at, plain: false });
        position = Math.max(position, at);
      }
      for (const status of counts.keys()) {
        for (const state of [queueState.ready, queueState.delayed, queueState.parked]) {
          const [last] = statements.lastPosition.get(state, status) as unknown as [number | null];
          position = Math.max(position, last ?? 0);
        }
      }
    },

    grant(status: string, more: number): void {
      demand.set(status, (demand.get(status) ?? 0) + more);
    },

    snapshotDemand: (): ReadonlyMap<string, number> => new Map(demand),
    restoreDemand(snapshot: ReadonlyMap<string, number>): void {
      demand.clear();
      for (const [status, n] of snapshot) demand.set(status, n);
    },

    count,

    /**
     * The end of the queue of `status`, for a row that the caller writes. `delivered` is what goes out if it is leased
     * at once; undefined leaves leasing to `leaseReady`.
     */
    join(
      seq: number,
      status: string,
      group: string | null,
      visit: number,
      version: number,
      delivered?: number,
    ): QueueSlot {
      position++;
      let queue: number = queueState.ready;
      if (group !== null && statements.groupBusy.get(status, group, seq) !== undefined) queue = queueState.parked;
      else if (delivered !== undefined && wanted(status)) {
        queue = queueState.leased;
        lease(seq, { status, group, visit, version, position, plain: group === null }, delivered);
      }
      count(status, queue, 1);
      return { queue, position, group, due: null };
    },

    /** The place of a row that stays at the head of its group until `due`, or is ready when that is past. */
    putBack(status: string, at: number, group: string | null, due: number, now: number): QueueSlot {
      const delayed = due > now;
      const queue = delayed ? queueState.delayed : queueState.ready;
      count(status, queue, 1);
      return { queue, position: at, group, due: delayed ? due : null };
    },

    surface,

    /** The head of a group has left it: the next one is due, unless it is delayed or out already. */
    surfaceNext(status: string, group: string | null, now: number): void {
      if (group === null) return;
      const head = statements.groupHead.get(status, group) as unknown as
        | [number, number, number | null, number, number, number, number]
        | undefined;
      if (head === undefined || head[1] !== queueState.parked) return;
      const [seq, , due, at, visit, version, redelivered] = head;
      count(status, queueState.parked, -1);
      if (due !== null && due > now) {
        statements.setState.run(queueState.delayed, seq);
        count(status, queueState.delayed, 1);
      } else surface(seq, { status, group, visit, version, position: at, plain: false }, redelivered);
    },

    /** Delayed rows whose time has come. */
    promote(now: number): void {
      // Also when nothing was due yet: whoever asked has no timer any longer and must hear of the next.
      delayedChanged = true;
      const rows = statements.due.all(now) as unknown as [
        number,
        string,
        number,
        string | null,
        number,
        number,
        number,
      ][];
      for (const [seq, status, at, group, visit, version, redelivered] of rows) {
        count(status, queueState.delayed, -1);
        surface(seq, { status, group, visit, version, position: at, plain: false }, redelivered);
      }
    },

    /** Whether anything is ready for somebody who asked. */
    hasLeasable(): boolean {
      for (const status of demand.keys()) {
        if (isAsked(status) && (countsOf(status)[queueState.ready] as number) > 0) return true;
      }
      return false;
    },

    /** Leases ready rows, oldest first, for everybody who asked. */
    leaseReady(now: number): void {
      const isTried = crashSuspects.leaseNext(now, isAsked, (row) => leaseRow(row[1], row));
      if (isTried) delayedChanged = true;
      if (crashSuspects.blockOthers()) return;
      for (const [status, asked] of demand) {
        if (asked <= 0 || paused.has(status) || countsOf(status)[queueState.ready] === 0) continue;
        for (const row of statements.ready.all(status, asked) as unknown as QueuedRow[]) {
          leaseRow(status, row);
        }
      }
    },

    /** From here on nothing of this status is leased, until it is resumed. What is in hand stays there. */
    pause(status: string): void {
      statements.pause.run(status);
      paused.add(status);
    },
    resume(status: string): void {
      statements.resume.run(status);
      paused.delete(status);
    },

    /** Ends a batch: writes the counts that changed, and hands out what was leased. */
    flush(): Pick<BatchResult, "deliveries" | "rows" | "nextDelayed"> {
      for (const [status, changed] of dirty) {
        for (const [of, n] of countsOf(status).entries())
          if (changed & (1 << of)) statements.setCount.run(status, of, n);
      }
      dirty.clear();
      const out = deliveries;
      deliveries = [];
      batch++;
      const changed = delayedChanged;
      delayedChanged = false;
      return { deliveries: out, rows: rows.take(), nextDelayed: changed ? queues.nextDelayed() : undefined };
    },

    discard(): void {
      deliveries = [];
      batch++;
      rows.take();
      delayedChanged = true;
    },

    /** When the writer should be woken next: something is due, or the suspect that is on trial has shown itself harmless. */
    nextDelayed(): number | null {
      const [due] = statements.nextDue.get() as unknown as [number | null];
      const harmlessAt = crashSuspects.harmlessAt();
      return harmlessAt === undefined ? due : Math.min(due ?? Number.POSITIVE_INFINITY, harmlessAt);
    },

    /** A lease has ended. If it began in this batch too, nobody is to hear of it: what it would hand out is past. */
    endLease(seq: number): void {
      const ended = leases.get(seq);
      if (ended?.delivered?.batch === batch) {
        const { place } = ended.delivered;
        deliveries[place] = deliveries[place] === fromRows ? dropped.row : dropped.operation;
        demand.set(ended.status, (demand.get(ended.status) ?? 0) + 1);
      }
      leases.delete(seq);
      crashSuspects.ended(seq);
    },
  };
  return queues;
}

/** The bucket of an order that is not queued; undefined for a final one, which nobody counts. */
export function bucketOf(kind: number, failed: boolean): number | undefined {
  if (failed) return kind === kindNumber.waiting ? bucket.failedWaiting : bucket.failedHandled;
  return kind === kindNumber.waiting ? bucket.waiting : undefined;
}

/** A row of the queue: the order, its position and its group. */
export type QueuedRow = [...Row, number, string | null];

// Handlers that end their process mostly do so at once; one that lasts longer no longer keeps the others waiting.
const trialMilliseconds = 250;

/**
 * Orders that were in hand when the process died, which one of them may have caused. They are leased alone, one after
 * another: the next death then names its culprit, and costs the others no attempt. Which they are the rows say; here is
 * only whether there may be any, and which one is on trial.
 */
export function createCrashSuspects(statements: Statements) {
  let mayBe = false;
  let onTrial: { readonly seq: number; readonly at: number } | undefined;
  let blocksOthers = false;

  return {
    load(): void {
      onTrial = undefined;
      mayBe = (statements.suspectCount.get() as unknown as [number])[0] > 0;
      blocksOthers = mayBe;
    },

    /** While one is on trial nobody else is leased. */
    blockOthers: (): boolean => blocksOthers,

    /**
     * Leases the next suspect whose status is asked for, unless the one before is still on trial. One that nobody asks
     * for holds up nobody: its status may be paused, busy, or gone.
     */
    leaseNext(now: number, isAsked: (status: string) => boolean, lease: (row: QueuedRow) => void): boolean {
      blocksOthers = false;
      if (!mayBe) return false;
      if (onTrial !== undefined && now < onTrial.at + trialMilliseconds) {
        blocksOthers = true;
        return false;
      }
      onTrial = undefined;
      mayBe = false;
      for (const row of statements.crashSuspects.iterate() as Iterable<unknown> as Iterable<QueuedRow>) {
        mayBe = true;
        if (!isAsked(row[1])) continue;
        onTrial = { seq: row[18], at: now };
        blocksOthers = true;
        lease(row);
        return true;
      }
      return false;
    },

    ended(seq: number): void {
      if (onTrial?.seq === seq) onTrial = undefined;
    },

    /** When the one that is on trial will have shown itself harmless. */
    harmlessAt: (): number | undefined => onTrial && onTrial.at + trialMilliseconds,
  };
}
