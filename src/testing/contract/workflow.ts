import { z } from "zod";
import type { Outcome } from "../../core/decide.ts";
import { defineWorkflow } from "../../core/defineWorkflow.ts";
import { final } from "../../core/workflow.ts";

/**
 * The workflow of the contract suite. `received` marks an order failed when its attempts are used up, `priced` moves
 * it to `dropped`; `parked` expires, `held` waits for ever.
 */
export const contractWorkflow = defineWorkflow({
  name: "contract",
  data: z.unknown(),
  initial: "received",
  statuses: {
    received: { to: ["priced", "parked", "held", "done"], retry: { attempts: 3, baseSeconds: 1 } },
    priced: { to: ["received", "done"], retry: { attempts: 2, baseSeconds: 1 }, exhausted: "dropped" },
    parked: { to: ["priced", "done"], waits: true, expires: { afterSeconds: 2, to: "dropped" } },
    held: { to: ["priced", "done"], waits: true },
    done: final,
    dropped: final,
  },
});

export type ContractStatus = keyof typeof contractWorkflow.statuses;

export const movedTo = (to: ContractStatus, results?: object): Outcome => ({ kind: "moved", to, results });

/** A failed attempt, with another one `delaySeconds` later. */
export const failedAttempt = (message: string, delaySeconds: number): Outcome => ({
  kind: "failed",
  code: "handler_failed",
  message,
  delaySeconds,
});

/** A failed attempt after which no other can help. */
export const failedForGood = (message: string): Outcome => ({
  kind: "failed",
  code: "handler_failed",
  message,
  permanent: true,
});

export const redelivered: Outcome = { kind: "redelivered" };
export const retried: Outcome = { kind: "retried" };
export const expired: Outcome = { kind: "expired" };
export const requested = (to: ContractStatus, key?: string): Outcome =>
  key === undefined ? { kind: "requested", to } : { kind: "requested", to, reason: "an operator's word", key };
