import type { Backend, Counts, Delivery, DeliveryMode, LocatedBackend } from "../../../src/backend/port.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { StoredOrder } from "../../../src/core/order.ts";

/** A way in which a backend breaks one law: what it does otherwise than the right backend under it. */
export interface Fault {
  readonly name: string;
  readonly law: number;
  /** In which mode it shows. */
  readonly delivery: DeliveryMode;
  wrap(right: LocatedBackend, clock: Clock): Partial<LocatedBackend>;
}

export const standard = { delivery: "standard" } as const;
export const fifo = { delivery: "fifo" } as const;

/** Hands out deliveries of its own besides the right ones. */
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

/** A backend that gives other counts than the right one. */
export function withCounts(right: Backend, change: (counts: Counts) => Partial<Counts>): Pick<Backend, "counts"> {
  return {
    async counts(asked) {
      const counts = await right.counts(asked);
      return { ...counts, ...change(counts) };
    },
  };
}

/** What else a backend does with the order by which a delivery is superseded than to queue it. */
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
