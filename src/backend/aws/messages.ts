import { hash } from "node:crypto";
import type { DeliveryMode } from "../backend.ts";

/** What a message carries: which order, and which stay of it. Never data. */
export interface Reference {
  readonly id: string;
  readonly status: string;
  readonly visit: number;
  readonly group: string | null;
  /** Brings the attempt that begins then (milliseconds since 1970), and none before it. */
  readonly notBefore?: number | null | undefined;
}

export function bodyOf({ id, visit, notBefore }: Reference): string {
  return JSON.stringify({ id, visit, notBefore: notBefore ?? undefined });
}

/** The reference in a message's body; undefined for what Cauce did not write. */
export function referenceOf(body: string | undefined): Pick<Reference, "id" | "visit" | "notBefore"> | undefined {
  try {
    const { id, visit, notBefore } = JSON.parse(body ?? "") as { id?: unknown; visit?: unknown; notBefore?: unknown };
    if (typeof id !== "string" || typeof visit !== "number") return undefined;
    return typeof notBefore === "number" ? { id, visit, notBefore } : { id, visit };
  } catch {
    return undefined;
  }
}

/** The attribute on which each queue's subscription filters. */
export function statusAttribute(status: string) {
  return { status: { DataType: "String", StringValue: status } };
}

/**
 * FIFO: the group's name is a hash, so that its key may be of any characters and length; an order without one is a
 * group of its own. `suffix` tells a redelivery from what it repeats: within five minutes an equal one is accepted and
 * not delivered.
 */
export function fifoFields(mode: DeliveryMode, { id, visit, group }: Reference, suffix = "") {
  if (mode === "standard") return {};
  return {
    MessageGroupId: group === null ? id : hash("sha256", group),
    MessageDeduplicationId: `${id}:${visit}${suffix}`,
  };
}
