import type { Delivery } from "../../../src/backend/port.ts";
import { type Fault, standard, withCounts, withExtra, withExtraOnCommit, withReceived } from "./fault.ts";

/** The faults against law 5. */
export const once: readonly Fault[] = [
  {
    ...standard,
    law: 5,
    name: "a delivery in flight is given to others",
    wrap: (right) =>
      withReceived(right, async (deliveries) => {
        for (const each of deliveries) await right.settle(each, { verdict: "again", notBefore: 0 });
      }),
  },
  {
    ...standard,
    law: 5,
    name: "an ended visit is delivered again",
    wrap: (right) => withExtraOnCommit(right, ({ before, ended }) => (ended === null ? undefined : before)),
  },
  {
    ...standard,
    law: 5,
    name: "the delivery that a change was made for comes again",
    wrap: (right) => {
      const { extra, receive } = withExtra(right);
      return {
        receive,
        async commit(change, delivery) {
          const committed = await right.commit(change, delivery);
          const isConsumed = committed === "committed" && change.delivery === "end";
          if (isConsumed && delivery !== undefined) extra.push({ ...delivery, redelivered: true });
          return committed;
        },
      };
    },
  },
  {
    ...standard,
    law: 5,
    name: "a delivery that a commit consumed counts as in flight",
    wrap: (right) => {
      let consumed = 0;
      return {
        async commit(change, delivery) {
          const committed = await right.commit(change, delivery);
          if (committed === "committed" && delivery !== undefined) consumed++;
          return committed;
        },
        ...withCounts(right, ({ depths }) => ({
          depths: depths.map((depth) => ({ ...depth, inFlight: depth.inFlight + consumed })),
        })),
      };
    },
  },
  {
    ...standard,
    law: 5,
    name: "settle looks at the order and not at the receipt",
    wrap: (right) => {
      const latest = new Map<string, Delivery>();
      return {
        ...withReceived(right, (deliveries) => {
          for (const each of deliveries) latest.set(each.orderId, each);
        }),
        settle: (delivery, verdict) => right.settle(latest.get(delivery.orderId) ?? delivery, verdict),
      };
    },
  },
  {
    ...standard,
    law: 5,
    name: "a receive gives more deliveries than max",
    wrap: (right) => ({ receive: (options) => right.receive({ ...options, max: options.max + 1 }) }),
  },
  {
    ...standard,
    law: 5,
    name: "an aborted receive goes on, and takes a delivery that no caller gets",
    wrap: (right) => ({
      async receive({ signal, ...options }) {
        const aborted = new Promise<Delivery[]>((resolve) => {
          if (signal?.aborted) resolve([]);
          else signal?.addEventListener("abort", () => resolve([]));
        });
        return Promise.race([aborted, right.receive(options)]);
      },
    }),
  },
  {
    ...standard,
    law: 5,
    name: "a receive ignores its abort",
    wrap: (right) => ({ receive: ({ signal: _, ...options }) => right.receive(options) }),
  },
  {
    ...standard,
    law: 5,
    name: "a commit that keeps the delivery ends it",
    wrap: (right) => ({
      commit: (change) => right.commit(change.delivery === "keep" ? { ...change, delivery: "end" } : change),
    }),
  },
];
