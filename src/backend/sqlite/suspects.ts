import type { Row } from "./rows.ts";
import type { Statements } from "./statements.ts";

/** A row of the queue: the order, its position and its lane. */
export type QueuedRow = [...Row, number, string | null];

// Handlers that end their process mostly do so at once; one that lasts longer no longer keeps the others waiting.
const trialMilliseconds = 250;

/**
 * Orders that were in hand when the process died, which one of them may have caused. They are claimed alone, one after
 * another: the next death then names its culprit, and costs the others no attempt. Which they are the rows say; here is
 * only whether there may be any, and which one is being tried.
 */
export function createSuspects(statements: Statements) {
  let mayBe = false;
  let tried: { readonly seq: number; readonly at: number } | undefined;
  let held = false;

  return {
    load(): void {
      tried = undefined;
      mayBe = (statements.suspectCount.get() as unknown as [number])[0] > 0;
      held = mayBe;
    },

    /** While one is tried nobody else is claimed. */
    hold: (): boolean => held,

    /**
     * Claims the next suspect whose status is asked for, unless the one before is still being tried. One that nobody asks
     * for holds up nobody: its status may be paused, busy, or gone.
     */
    claimNext(now: number, isAsked: (status: string) => boolean, claim: (row: QueuedRow) => void): boolean {
      held = false;
      if (!mayBe) return false;
      if (tried !== undefined && now < tried.at + trialMilliseconds) {
        held = true;
        return false;
      }
      tried = undefined;
      mayBe = false;
      for (const row of statements.suspects.iterate() as Iterable<unknown> as Iterable<QueuedRow>) {
        mayBe = true;
        if (!isAsked(row[1])) continue;
        tried = { seq: row[18], at: now };
        held = true;
        claim(row);
        return true;
      }
      return false;
    },

    ended(seq: number): void {
      if (tried?.seq === seq) tried = undefined;
    },

    /** When the one that is tried will have shown itself harmless. */
    harmlessAt: (): number | undefined => tried && tried.at + trialMilliseconds,
  };
}
