import type { Backend } from "../../../src/backend/backend.ts";
import { type Fault, standard } from "./fault.ts";

/** Against law 7. */
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
    wrap: (right) => ({
      failures: async () => (await right.failures()).map((group) => ({ ...group, status: "received" })),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "the smallest group of failures comes first",
    wrap: (right) => ({ failures: async () => (await right.failures()).toReversed() }),
  },
  {
    ...standard,
    law: 7,
    name: "failures are counted and never uncounted",
    wrap: (right) => {
      let most: Awaited<ReturnType<Backend["failures"]>> = [];
      return {
        async failures() {
          const found = await right.failures();
          if (found.length >= most.length && (found[0]?.count ?? 0) >= (most[0]?.count ?? 0)) most = found;
          return most;
        },
      };
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
      overdue: async (query) => ({ ...(await right.overdue(query)), orders: [], nextCursor: null }),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "the newest expired wait comes first",
    wrap: (right) => ({
      async overdue(query) {
        const all = await right.overdue({ limit: 1_000 });
        const from = Number(query.cursor ?? 0);
        const to = from + query.limit;
        const nextCursor = to < all.orders.length ? String(to) : null;
        return { ...all, orders: all.orders.toReversed().slice(from, to), nextCursor };
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "every wait is overdue at once",
    wrap: (right) => ({
      async overdue() {
        const { items } = await right.list({ limit: 1_000 });
        return { orders: items.filter((order) => order.kind === "waiting"), nextCursor: null, nextAt: null };
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "the counts leave out what is in flight",
    wrap: (right) => ({ depths: async () => (await right.depths()).map((row) => ({ ...row, inFlight: 0 })) }),
  },
];
