import { hash } from "node:crypto";
import { z } from "zod";
import type { NewOrder } from "../../backend/port.ts";
import type { Outcome } from "../../core/decide.ts";
import { defineWorkflow } from "../../core/defineWorkflow.ts";
import type { Actor, StatusKind } from "../../core/order.ts";
import { final, kindOf, statusOf } from "../../core/workflow.ts";

/**
 * The workflow of the contract suite. When an order's attempts are used up, `received` marks it failed and `priced`
 * moves it to `dropped`. An order in `parked` expires. An order in `held` waits for ever.
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

/** A failed attempt. The next attempt may begin `delaySeconds` later. */
export const failedAttempt = (message: string, delaySeconds: number): Outcome => ({
  kind: "failed",
  code: "handler_failed",
  message,
  delaySeconds,
});

/** A failed attempt without a next attempt. */
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

export interface OrderOptions {
  /** Default `received`. */
  readonly status?: string;
  /** Default: the kind in the contract's workflow. A status that it does not know is handled. */
  readonly kind?: StatusKind;
  /** Default `{"n":1}`. */
  readonly dataJson?: string;
  readonly group?: string | null;
  /** An idempotency key. The hash of the content is the hash of `dataJson`. */
  readonly key?: string;
  readonly expiresAt?: number | null;
  readonly extrasJson?: string | null;
}

export const contractActor: Actor = { runtime: "node", name: "contract", requestId: "request-1", messageId: null };

/** Makes an order to place at `now`, in milliseconds since 1970. */
export function newOrder(now: number, options: OrderOptions = {}): NewOrder {
  const { status = "received", kind, dataJson = '{"n":1}', group = null, key } = options;
  const { expiresAt = null, extrasJson = null } = options;
  const definition = statusOf(contractWorkflow, status);
  return {
    status,
    kind: kind ?? (definition === undefined ? "handled" : kindOf(definition)),
    dataJson,
    group,
    createdAt: now,
    expiresAt,
    by: contractActor,
    extrasJson,
    key: key === undefined ? null : { keyHash: hash("sha256", key), contentHash: hash("sha256", dataJson) },
  };
}
