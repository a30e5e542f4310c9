import type { Backend, Delivery, DeliveryMode, LocatedBackend } from "../../../src/backend/backend.ts";
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
