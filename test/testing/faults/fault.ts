import type { Backend, Counts, Delivery, DeliveryMode, LocatedBackend } from "../../../src/backend/port.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { Change } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";

/** A way in which a backend breaks one law: the methods that differ from those of the right backend under it. */
export interface Fault {
  readonly name: string;
  readonly law: number;
  /** The delivery in which the fault shows. */
  readonly delivery: DeliveryMode;
  wrap(right: LocatedBackend, clock: Clock): Partial<LocatedBackend>;
}

export const standard = { delivery: "standard" } as const;
export const fifo = { delivery: "fifo" } as const;

/** Delivers `extra` besides the right deliveries. */
export function withExtra(right: Backend): { extra: Delivery[]; receive: Backend["receive"] } {
  const extra: Delivery[] = [];
  return {
    extra,
    async receive(options) {
      const index = extra.findIndex((delivery) => delivery.status === options.status);
      return index < 0 ? right.receive(options) : extra.splice(index, 1);
    },
  };
}

/** Delivers, besides the right deliveries, the order that `orderOf` gives for a committed or stale change. */
export function withExtraOnCommit(
  right: Backend,
  orderOf: (change: Change, committed: "committed" | "stale") => StoredOrder | undefined,
): Pick<Backend, "receive" | "commit"> {
  const { extra, receive } = withExtra(right);
  return {
    receive,
    async commit(change) {
      const committed = await right.commit(change);
      const order = orderOf(change, committed);
      if (order !== undefined) extra.push(deliveryOf(order));
      return committed;
    },
  };
}

/** Delivers the order that supersedes a delivery at once, in place of queueing it, where `isExtra` is true of it. */
export function withExtraOnSuperseded(
  right: Backend,
  isExtra: (by: StoredOrder) => boolean = () => true,
): Pick<Backend, "receive" | "settle"> {
  const { extra, receive } = withExtra(right);
  return { receive, ...withSuperseded(right, async (by) => isExtra(by) && extra.push(deliveryOf(by))) };
}

/** Shows `onReceive` the deliveries of each receive before they are given. */
export function withReceived(
  right: Backend,
  onReceive: (deliveries: readonly Delivery[]) => unknown,
): Pick<Backend, "receive"> {
  return {
    async receive(options) {
      const deliveries = await right.receive(options);
      await onReceive(deliveries);
      return deliveries;
    },
  };
}

/** Changes the counts of the right backend. */
export function withCounts(right: Backend, change: (counts: Counts) => Partial<Counts>): Pick<Backend, "counts"> {
  return {
    async counts(asked) {
      const counts = await right.counts(asked);
      return { ...counts, ...change(counts) };
    },
  };
}

/** Does `instead` with the order that supersedes a delivery, in place of queueing the order. */
export function withSuperseded(
  right: Backend,
  instead: (by: StoredOrder) => Promise<unknown>,
): Pick<Backend, "settle"> {
  return {
    async settle(delivery, verdict) {
      if (verdict.verdict === "superseded") await instead(verdict.by);
      else await right.settle(delivery, verdict);
    },
  };
}

export function deliveryOf(order: StoredOrder): Delivery {
  const { id, status, visit } = order;
  return { orderId: id, status, visit, receipt: "forged", redelivered: false, messageId: null };
}

export const mapPlaced =
  (right: Backend, change: (order: StoredOrder) => StoredOrder): Backend["place"] =>
  async (order) => {
    const placed = await right.place(order);
    return placed.outcome === "conflict" ? placed : { ...placed, order: change(placed.order) };
  };
