import { type Fault, standard } from "./fault.ts";

/** The faults against law 6. */
export const leases: readonly Fault[] = [
  {
    ...standard,
    law: 6,
    name: "a lease never runs out",
    wrap: (right) => ({ receive: (options) => right.receive({ ...options, leaseSeconds: 1e9 }) }),
  },
  {
    ...standard,
    law: 6,
    name: "a lease runs out early",
    wrap: (right) => ({ receive: (options) => right.receive({ ...options, leaseSeconds: options.leaseSeconds / 2 }) }),
  },
  {
    ...standard,
    law: 6,
    name: "a delivery that comes back does not say so",
    wrap: (right) => ({
      receive: async (options) => (await right.receive(options)).map((each) => ({ ...each, redelivered: false })),
    }),
  },
  {
    ...standard,
    law: 6,
    name: "a delivery told `again` says that its worker died",
    wrap: (right) => {
      const seen = new Set<string>();
      return {
        receive: async (options) =>
          (await right.receive(options)).map((each) => {
            const redelivered = seen.has(each.orderId);
            seen.add(each.orderId);
            return { ...each, redelivered };
          }),
      };
    },
  },
  {
    ...standard,
    law: 6,
    name: "settle loses what is told `again`",
    wrap: (right) => ({ settle: (delivery) => right.settle(delivery, { verdict: "done" }) }),
  },
  {
    ...standard,
    law: 6,
    name: "`again` is at once",
    wrap: (right) => ({
      settle: (delivery, verdict) =>
        right.settle(delivery, verdict.verdict === "done" ? verdict : { verdict: "again", notBefore: 0 }),
    }),
  },
  {
    ...standard,
    law: 6,
    name: "delays are clamped to nothing",
    wrap: (right) => ({
      async commit(change) {
        const committed = await right.commit(change);
        if (committed === "committed" && change.delivery === "again") {
          const delayed = { ...change.after, notBefore: null };
          await right.commit({ before: change.after, after: delayed, ended: null, delivery: "again" });
        }
        return committed;
      },
    }),
  },
  {
    ...standard,
    law: 6,
    name: "delays overflow",
    wrap: (right) => ({
      async commit(change) {
        const { notBefore, updatedAt } = change.after;
        if (notBefore === null || notBefore - updatedAt < 2 ** 31) return right.commit(change);
        return right.commit({ ...change, after: { ...change.after, notBefore: 0 } });
      },
    }),
  },
  {
    ...standard,
    law: 6,
    name: "a failed attempt is not counted",
    wrap: (right) => ({
      commit: (change) =>
        right.commit(change.delivery === "again" ? { ...change, after: { ...change.after, attempts: 0 } } : change),
    }),
  },
];
