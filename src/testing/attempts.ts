import type { Change } from "../core/decide.ts";

/** What one attempt came to. */
export interface Attempt<Status extends string = string> {
  readonly status: Status;
  readonly visit: number;
  /** Which try of the handler it was, from 1. */
  readonly attempt: number;
  /** When it ended, in ISO 8601. */
  readonly at: string;
  /**
   * `moved`: the handler gave the next status. `retried`: it failed and comes again at `notBefore`. `failed`: it failed
   * and was the last; the order went to the status of `exhausted`, or is marked failed.
   */
  readonly outcome: "moved" | "retried" | "failed";
  /** The status that the order went to; null where it stayed. */
  readonly to: Status | null;
  readonly error: string | null;
  /** When the next attempt may begin, in ISO 8601; null where there is none. */
  readonly notBefore: string | null;
}

/** The attempt that a change ended; undefined for the changes of operators and of the sweep. */
export function attemptOf({ before, after, ended, delivery }: Change): Attempt | undefined {
  // Nobody but its attempt moves a handled order that has not failed; `keep` only notes that one begins.
  if (before.kind !== "handled" || before.failure !== null || delivery === "keep") return undefined;
  const facts = {
    status: before.status,
    visit: before.visit,
    attempt: before.attempting ? before.attempts : before.attempts + 1,
    at: new Date(after.updatedAt).toISOString(),
    to: ended === null ? null : after.status,
    notBefore: after.notBefore === null ? null : new Date(after.notBefore).toISOString(),
  };
  if (after.failure !== null) return { ...facts, outcome: "failed", error: after.failure.message };
  if (ended === null) return { ...facts, outcome: "retried", error: after.entry.error };
  // A handler gives no reason; `exhausted` is one.
  if (after.entry.reason !== null) return { ...facts, outcome: "failed", error: ended.error };
  return { ...facts, outcome: "moved", error: null };
}
