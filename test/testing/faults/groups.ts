import { memory } from "../../../src/backend/memory/memory.ts";
import type { Delivery } from "../../../src/backend/port.ts";
import { deliveryOf, type Fault, fifo, standard, withExtra, withExtraOnSuperseded } from "./fault.ts";

/** The faults against law 8. */
export const groups: readonly Fault[] = [
  {
    ...fifo,
    law: 8,
    name: "groups are ignored",
    wrap: (right) => ({ place: (order) => right.place({ ...order, group: null }) }),
  },
  {
    ...standard,
    law: 8,
    name: "standard delivery holds groups back",
    wrap: (_, clock) => memory({ clock, delivery: "fifo" }),
  },
  {
    ...fifo,
    law: 8,
    name: "everything is one group",
    wrap: (right) => ({ place: (order) => right.place({ ...order, group: "g" }) }),
  },
  {
    ...fifo,
    law: 8,
    name: "group keys are trimmed and their case is lost",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, group: order.group?.trim().toLowerCase() ?? null }),
    }),
  },
  {
    ...fifo,
    law: 8,
    name: "a retry joins the end of its group",
    wrap: (right) => ({
      commit: (change) => right.commit(change.delivery === "again" ? { ...change, delivery: "enter" } : change),
    }),
  },
  {
    ...fifo,
    law: 8,
    name: "a delivery told `again` is lost",
    wrap: (right) => ({ settle: (delivery) => right.settle(delivery, { verdict: "done" }) }),
  },
  {
    ...fifo,
    law: 8,
    name: "a retry holds back every group",
    wrap: (right, clock) => {
      let until = 0;
      return {
        async commit(change) {
          until = Math.max(until, change.after.notBefore ?? 0);
          return right.commit(change);
        },
        receive: async (options) => (clock.now() < until ? [] : right.receive(options)),
      };
    },
  },
  {
    ...fifo,
    law: 8,
    name: "a lease that runs out lets the group go on",
    wrap: (right) => {
      const held: Delivery[] = [];
      return {
        async receive(options) {
          const deliveries = await right.receive(options);
          const back = deliveries.filter((each) => each.redelivered && !held.includes(each));
          held.push(...back);
          for (const each of back) await right.settle(each, { verdict: "done" });
          return deliveries.filter((each) => !each.redelivered);
        },
      };
    },
  },
  {
    ...fifo,
    law: 8,
    name: "a failed order holds back its group",
    wrap: (right) => ({
      commit: (change) => right.commit(change.after.failure === null ? change : { ...change, delivery: "keep" }),
    }),
  },
  {
    ...fifo,
    law: 8,
    name: "the queue is looked through for 100 orders and no more",
    wrap: (right) => ({
      async receive(options) {
        const { items } = await right.list({ status: options.status, limit: 1_000 });
        return items.length > 100 ? [] : right.receive(options);
      },
    }),
  },
  {
    ...fifo,
    law: 8,
    name: "a group is held back across statuses",
    wrap: (right) => {
      const holders = new Set<string>();
      return {
        async receive(options) {
          if (holders.size > 0 && !holders.has(options.status)) return [];
          const deliveries = await right.receive(options);
          if (deliveries.length > 0) holders.add(options.status);
          return deliveries;
        },
      };
    },
  },
  {
    ...fifo,
    law: 8,
    name: "the order of placing counts in every status",
    wrap: (right) => ({
      async receive(options) {
        const deliveries = await right.receive({ ...options, max: 1 });
        const [first] = deliveries;
        if (first === undefined || options.status !== "priced") return deliveries;
        const { items } = await right.list({ status: "priced", failed: false, limit: 1_000 });
        const oldest = items.at(-1);
        return oldest === undefined ? deliveries : [{ ...first, orderId: oldest.id, visit: oldest.visit }];
      },
    }),
  },
  {
    ...fifo,
    law: 8,
    name: "an order that an operator puts back goes before the others",
    wrap: (right) => {
      const { extra, receive } = withExtra(right);
      return {
        receive,
        async commit(change) {
          if (change.before.failure === null || change.delivery !== "enter") return right.commit(change);
          extra.push(deliveryOf(change.after));
          return right.commit({ ...change, delivery: "end" });
        },
      };
    },
  },
  {
    ...fifo,
    law: 8,
    name: "an order that supersedes a delivery goes before the others",
    wrap: (right) => withExtraOnSuperseded(right),
  },
];
