/**
 * Crash suspects: orders that were out when the process died. One of them may have ended the process, and nothing on the
 * disk tells which. They are leased in groups of 1, 2, 4, … orders, each group once the one before has shown itself
 * harmless. So the order of a handler that ends its process is soon out alone, and the next death of the process names it
 * (decision 0029).
 */
import type { DatabaseSync } from "node:sqlite";
import { attempting, queueState, redelivery } from "../schema.ts";

/** Most handlers that end their process do so at once. */
const trialMilliseconds = 250;
const doublingsMax = 20;

/**
 * Makes ready what the process before had leased. One process owns the store, so the process before has ended. The rows
 * keep what the next start must know: which orders are suspects, whether one was out alone, and how often this happened
 * in a row.
 */
export function queueCrashSuspects(db: DatabaseSync): void {
  const leased = (columns: string) =>
    `SELECT ${columns} FROM orders INDEXED BY orders_claimed WHERE queue = ${queueState.leased}`;
  db.exec(`BEGIN IMMEDIATE;
    INSERT INTO meta SELECT 'deaths', 1 WHERE EXISTS (${leased("1")}) ON CONFLICT DO UPDATE SET value = value + 1;
    UPDATE orders INDEXED BY orders_claimed SET attempting = ${attempting.diedAlone}
      WHERE queue = ${queueState.leased} AND attempting = ${attempting.yes} AND (${leased("count(*)")}) = 1;
    UPDATE orders INDEXED BY orders_claimed SET queue = ${queueState.ready}, redelivered = ${redelivery.processDied}
      WHERE queue = ${queueState.leased};
    INSERT INTO counts SELECT status, ${queueState.ready}, count FROM counts WHERE bucket = ${queueState.leased} AND count > 0
      ON CONFLICT DO UPDATE SET count = count + excluded.count;
    UPDATE counts SET count = 0 WHERE bucket = ${queueState.leased};
    COMMIT`);
}

export type CrashSuspects = ReturnType<typeof createCrashSuspects>;

/** What the writer knows of suspects between batches. Which orders they are, the rows say. */
export function createCrashSuspects() {
  return {
    /** Whether suspects may be ready. */
    mayBe: false,
    /** The statuses of all suspects that are ready, as the last look found them; undefined where it did not see all. */
    unasked: undefined as readonly string[] | undefined,
    /** How often the process has died with orders out since all suspects were last tried and ended well. */
    deaths: 0,
    /** How many orders the next group may have. */
    groupMax: 1,
    /** The orders of the last group that are still out. */
    group: new Set<number>(),
    /** When the trial of the last group ends, in milliseconds since 1970. A group that lasts longer blocks no others. */
    until: 0,
    /** Every order that was tried and is still out. */
    tried: new Set<number>(),
    /** Nothing but suspects is leased. */
    blockOthers: false,
  };
}

/** Begins with what the store says. After a batch that was rolled back, the groups begin at 1 again too. */
export function loadCrashSuspects(suspects: CrashSuspects, mayBe: boolean, deaths: number, tried: Iterable<number>) {
  suspects.mayBe = mayBe;
  suspects.unasked = undefined;
  suspects.deaths = deaths;
  suspects.groupMax = 1;
  suspects.group.clear();
  suspects.tried = new Set(tried);
  suspects.blockOthers = mayBe && isApart(suspects);
}

/** A suspect was put back before its handler began. */
export function addSuspect(suspects: CrashSuspects): void {
  suspects.mayBe = true;
  suspects.unasked = undefined;
}

/** After one death suspects run beside other orders. A second death in a row may be of either, so they run apart. */
export function isApart({ deaths }: CrashSuspects): boolean {
  return deaths > 1;
}

export function isOnTrial({ group, until }: CrashSuspects, now: number): boolean {
  return group.size > 0 && now < until;
}

/** Begins the trial of a group. The trial is longer after each further death, so that a slow culprit is found as well. */
export function beginTrial(suspects: CrashSuspects, group: readonly number[], now: number): void {
  const doublings = Math.min(Math.max(suspects.deaths - 2, 0), doublingsMax);
  suspects.group = new Set(group);
  for (const seq of group) suspects.tried.add(seq);
  suspects.until = now + trialMilliseconds * 2 ** doublings;
  suspects.groupMax *= 2;
}

/** Whether every suspect has been tried and has ended well, but for those of statuses that `isLeft` says wait anyway. */
export function areCleared(suspects: CrashSuspects, isLeft: (status: string) => boolean): boolean {
  const { deaths, mayBe, unasked, groupMax, tried } = suspects;
  if (deaths === 0 || tried.size > 0) return false;
  return !mayBe || (groupMax > 1 && unasked !== undefined && unasked.every(isLeft));
}

export function endSuspect({ group, tried }: CrashSuspects, seq: number): void {
  if (tried.delete(seq)) group.delete(seq);
}
