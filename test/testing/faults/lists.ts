import type { ListQuery } from "../../../src/backend/port.ts";
import { CauceError } from "../../../src/core/errors.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import {
  deliveryOf,
  type Fault,
  mapPlaced,
  standard,
  withExtraOnCommit,
  withExtraOnSuperseded,
  withReceived,
} from "./fault.ts";

/** The faults against law 10. */
export const lists: readonly Fault[] = [
  {
    ...standard,
    law: 10,
    name: "pausing does nothing",
    wrap: (right) => ({ keep: async (note) => (note.is === "paused" && note.paused ? undefined : right.keep(note)) }),
  },
  {
    ...standard,
    law: 10,
    name: "a pause takes away the deliveries in flight",
    wrap: (right) => {
      let isPaused = false;
      return {
        async keep(note) {
          isPaused = true;
          await right.keep(note);
        },
        commit: async (change) => (isPaused ? "stale" : right.commit(change)),
      };
    },
  },
  {
    ...standard,
    law: 10,
    name: "orders in a worker's hand are left out of lists by status",
    wrap: (right) => {
      const taken = new Set<string>();
      return {
        ...withReceived(right, (deliveries) => {
          for (const { orderId } of deliveries) taken.add(orderId);
        }),
        async list(query) {
          const page = await right.list(query);
          if (query.status === undefined) return page;
          return { ...page, items: page.items.filter(({ id, visit }) => visit > 0 || !taken.has(id)) };
        },
      };
    },
  },
  {
    ...standard,
    law: 10,
    name: "final and waiting orders are delivered",
    wrap: (right) => withExtraOnCommit(right, ({ after }) => (after.kind === "handled" ? undefined : after)),
  },
  {
    ...standard,
    law: 10,
    name: "waits are delivered when they expire",
    wrap: (right) => ({
      async receive(options) {
        const { expired } = await right.sweep({ limit: 1_000 });
        const due = expired.filter((order) => order.status === options.status);
        return due.length > 0 ? due.map(deliveryOf) : right.receive(options);
      },
    }),
  },
  {
    ...standard,
    law: 10,
    name: "failed orders are queued when a delivery is superseded by them",
    wrap: (right) => withExtraOnSuperseded(right, (by) => by.failure !== null),
  },
  {
    ...standard,
    law: 10,
    name: "a cursor is an offset",
    wrap: (right) => ({
      async list(query) {
        const all = await right.list({ ...query, cursor: undefined, limit: 1_000 });
        const from = Number(query.cursor ?? 0);
        if (!Number.isInteger(from)) throw new CauceError("invalid_cursor", "not an offset");
        const to = from + query.limit;
        return { items: all.items.slice(from, to), nextCursor: to < all.items.length ? `${to}` : null };
      },
    }),
  },
  {
    ...standard,
    law: 10,
    name: "a cursor is a time, and orders of one moment are skipped",
    wrap: (right) => ({
      async list(query) {
        const all = await right.list({ ...query, cursor: undefined, limit: 1_000 });
        const before = Number(query.cursor ?? Number.POSITIVE_INFINITY);
        const left = all.items.filter((order) => order.createdAt < before);
        const items = left.slice(0, query.limit);
        const last = items.at(-1);
        return { items, nextCursor: last && left.length > items.length ? `${last.createdAt}` : null };
      },
    }),
  },
  {
    ...standard,
    law: 10,
    name: "the oldest order comes first",
    wrap: (right) => ({
      async list(query: ListQuery) {
        const page = await right.list(query);
        return { ...page, items: page.items.toReversed() };
      },
    }),
  },
  {
    ...standard,
    law: 10,
    name: "filters are forgotten on the second page",
    wrap: (right) => ({
      list: ({ limit, cursor, ...filters }) =>
        right.list(cursor === undefined ? { ...filters, limit } : { limit, cursor }),
    }),
  },
  {
    ...standard,
    law: 10,
    name: "an order is listed as it was placed",
    wrap: (right) => {
      const first = new Map<string, StoredOrder>();
      return {
        place: mapPlaced(right, (order) => {
          first.set(order.id, order);
          return order;
        }),
        async list(query) {
          const page = await right.list({ ...query, status: undefined });
          return { ...page, items: page.items.map((order) => first.get(order.id) ?? order) };
        },
      };
    },
  },
  {
    ...standard,
    law: 10,
    name: "a bad cursor starts at the first page",
    wrap: (right) => ({
      list: (query) => right.list(query).catch(() => right.list({ ...query, cursor: undefined })),
    }),
  },
];
