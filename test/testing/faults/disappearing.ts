import type { FailureGroup } from "../../../src/backend/port.ts";
import { type Fault, standard, withCounts } from "./fault.ts";

/** The faults against law 7. */
export const disappearing: readonly Fault[] = [
  {
    ...standard,
    law: 7,
    name: "failed orders vanish from the list",
    wrap: (right) => ({
      async list(query) {
        const page = await right.list(query);
        return { ...page, items: page.items.filter((order) => order.failure === null) };
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "a failure marks nothing",
    wrap: (right) => ({
      commit: (change) => right.commit({ ...change, after: { ...change.after, failure: null } }),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "failures are not grouped by status",
    wrap: (right) =>
      withCounts(right, ({ failures }) => ({ failures: failures.map((group) => ({ ...group, status: "received" })) })),
  },
  {
    ...standard,
    law: 7,
    name: "the smallest group of failures comes first",
    wrap: (right) => withCounts(right, ({ failures }) => ({ failures: failures.toReversed() })),
  },
  {
    ...standard,
    law: 7,
    name: "failures are counted and never uncounted",
    wrap: (right) => {
      let largest: FailureGroup[] = [];
      return withCounts(right, ({ failures: found }) => {
        if (found.length >= largest.length && (found[0]?.count ?? 0) >= (largest[0]?.count ?? 0)) largest = found;
        return { failures: largest };
      });
    },
  },
  {
    ...standard,
    law: 7,
    name: "final orders are removed",
    wrap: (right) => ({
      async get(id) {
        const order = await right.get(id);
        return order?.kind === "final" ? undefined : order;
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "unknown statuses are not queued",
    wrap: (right) => ({
      receive: async (options) => (options.status === "forgotten" ? [] : right.receive(options)),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "expired waits are not found",
    wrap: (right) => ({
      sweep: async (query) => ({ ...(await right.sweep(query)), expired: [], nextCursor: null }),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "the newest expired wait comes first",
    wrap: (right) => ({
      async sweep(query) {
        const all = await right.sweep({ limit: 1_000 });
        const from = Number(query.cursor ?? 0);
        const to = from + query.limit;
        const nextCursor = to < all.expired.length ? String(to) : null;
        return { ...all, expired: all.expired.toReversed().slice(from, to), nextCursor };
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "every wait is over at once",
    wrap: (right) => ({
      async sweep(query) {
        const { items } = await right.list({ limit: 1_000 });
        const expired = items.filter((order) => order.kind === "waiting");
        return { ...(await right.sweep(query)), expired, nextCursor: null, nextAt: null };
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "the counts leave out what is in flight",
    wrap: (right) => withCounts(right, ({ depths }) => ({ depths: depths.map((row) => ({ ...row, inFlight: 0 })) })),
  },
];
