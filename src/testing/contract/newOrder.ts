import { hash } from "node:crypto";
import type { NewOrder } from "../../backend/backend.ts";
import type { Actor, StatusKind } from "../../core/order.ts";
import { kindOf, statusOf } from "../../core/workflow.ts";
import { contractWorkflow } from "./workflow.ts";

export interface OrderOptions {
  /** Default `received`. */
  readonly status?: string;
  /** Default: as the contract's workflow says, and handled for a status that it does not know. */
  readonly kind?: StatusKind;
  /** Default `{"n":1}`. */
  readonly dataJson?: string;
  readonly group?: string | null;
  /** An idempotency key; the content's hash is that of `dataJson`. */
  readonly key?: string;
  readonly expiresAt?: number | null;
  readonly extrasJson?: string | null;
}

export const contractActor: Actor = { runtime: "node", name: "contract", requestId: "request-1", messageId: null };

/** An order to place now, in milliseconds since 1970. */
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
