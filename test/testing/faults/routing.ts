import { type Fault, standard, withExtraOnCommit } from "./fault.ts";

/** The faults against law 3. */
export const routing: readonly Fault[] = [
  {
    ...standard,
    law: 3,
    name: "a commit forgets to queue",
    wrap: (right) => ({
      commit: (change) => right.commit(change.delivery === "enter" ? { ...change, delivery: "end" } : change),
    }),
  },
  {
    ...standard,
    law: 3,
    name: "place forgets to queue",
    wrap: (right) => ({
      async place(order) {
        const placed = await right.place(order);
        const [taken] = await right.receive({ status: order.status, max: 1, leaseSeconds: 1, waitSeconds: 0 });
        if (taken !== undefined) await right.settle(taken, { verdict: "done" });
        return placed;
      },
    }),
  },
  {
    ...standard,
    law: 3,
    name: "a commit queues twice",
    wrap: (right) =>
      withExtraOnCommit(right, ({ after, delivery }, committed) =>
        committed === "committed" && delivery === "enter" ? after : undefined,
      ),
  },
  {
    ...standard,
    law: 3,
    name: "nothing is queued for a delivery that is superseded",
    wrap: (right) => ({
      settle: (delivery, verdict) =>
        right.settle(delivery, verdict.verdict === "superseded" ? { verdict: "done" } : verdict),
    }),
  },
  {
    ...standard,
    law: 3,
    name: "a receive does not wait",
    wrap: (right) => ({ receive: (options) => right.receive({ ...options, waitSeconds: 0 }) }),
  },
  {
    ...standard,
    law: 3,
    name: "a receive waits for ever",
    wrap: (right) => ({
      receive: (options) =>
        right.receive({ ...options, waitSeconds: options.waitSeconds > 0 ? Number.POSITIVE_INFINITY : 0 }),
    }),
  },
];
