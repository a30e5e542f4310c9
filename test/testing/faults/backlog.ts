import { deliveryOf, type Fault, standard, withExtra } from "./fault.ts";

/** Against law 9. */
export const backlog: readonly Fault[] = [
  {
    ...standard,
    law: 9,
    name: "each redeliver is a delivery",
    wrap: (right) => {
      const { extra, receive } = withExtra(right);
      return {
        receive,
        async redeliver(order) {
          extra.push(deliveryOf(order));
        },
      };
    },
  },
  {
    ...standard,
    law: 9,
    name: "redeliver lets go of what is in flight",
    wrap: (right) => ({
      async redeliver(order) {
        const before = await right.get(order.id);
        if (before)
          await right.commit({ before, after: { ...before, notBefore: null }, ended: null, delivery: "enter" });
      },
    }),
  },
  {
    ...standard,
    law: 9,
    name: "whatever stands in a handled status is overdue",
    wrap: (right) => ({
      async overdue() {
        const { items } = await right.list({ limit: 1_000 });
        return { orders: items.filter((order) => order.kind === "handled"), nextCursor: null, nextAt: null };
      },
    }),
  },
];
