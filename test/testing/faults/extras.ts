import type { StoredOrder } from "../../../src/core/order.ts";
import { type Fault, mapPlaced, standard, withReceived } from "./fault.ts";

const without = (order: StoredOrder): StoredOrder => ({ ...order, extrasJson: null });

/** The faults against law 1 of an order's extras. */
export const extras: readonly Fault[] = [
  {
    ...standard,
    law: 1,
    name: "place loses the extras",
    wrap: (right) => ({ place: (order) => right.place({ ...order, extrasJson: null }) }),
  },
  {
    ...standard,
    law: 1,
    name: "a commit loses the extras",
    wrap: (right) => ({ commit: (change) => right.commit({ ...change, after: without(change.after) }) }),
  },
  {
    ...standard,
    law: 1,
    name: "a commit within the visit loses the extras",
    wrap: (right) => ({
      commit: (change) => right.commit(change.ended === null ? { ...change, after: without(change.after) } : change),
    }),
  },
  {
    ...standard,
    law: 1,
    name: "a commit keeps the extras that were placed",
    wrap: (right) => ({
      commit: (change) => right.commit({ ...change, after: { ...change.after, extrasJson: change.before.extrasJson } }),
    }),
  },
  {
    ...standard,
    law: 1,
    name: "a commit takes no extras away",
    wrap: (right) => ({
      commit: (change) => {
        const extrasJson = change.after.extrasJson ?? change.before.extrasJson;
        return right.commit({ ...change, after: { ...change.after, extrasJson } });
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "the extras are written before the version is compared",
    wrap: (right) => {
      const written = new Map<string, string | null>();
      return {
        commit: (change) => {
          written.set(change.before.id, change.after.extrasJson);
          return right.commit(change);
        },
        async get(id) {
          const order = await right.get(id);
          return order && { ...order, extrasJson: written.has(id) ? (written.get(id) ?? null) : order.extrasJson };
        },
      };
    },
  },
  {
    ...standard,
    law: 1,
    name: "a list leaves the extras out",
    wrap: (right) => ({
      async list(query) {
        const page = await right.list(query);
        return { ...page, items: page.items.map(without) };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "an order in a worker's hand has no extras",
    wrap: (right) => {
      const leased = new Set<string>();
      return {
        ...withReceived(right, (deliveries) => {
          for (const { orderId } of deliveries) leased.add(orderId);
        }),
        commit: (change) => {
          leased.delete(change.before.id);
          return right.commit(change);
        },
        async get(id) {
          const order = await right.get(id);
          return order && leased.has(id) ? without(order) : order;
        },
      };
    },
  },
  {
    ...standard,
    law: 1,
    name: "a repeat of the key brings its own extras",
    wrap: (right) => ({
      async place(order) {
        const placed = await right.place(order);
        if (placed.outcome !== "repeated") return placed;
        return { ...placed, order: { ...placed.order, extrasJson: order.extrasJson } };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "what a sweep gives has no extras",
    wrap: (right) => ({
      async sweep(query) {
        const found = await right.sweep(query);
        return { ...found, expired: found.expired.map(without) };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "extras are parsed and written again",
    wrap: (right) => ({
      async get(id) {
        const order = await right.get(id);
        if (order === undefined || order.extrasJson === null || !/^\{.*\}$/.test(order.extrasJson)) return order;
        return { ...order, extrasJson: JSON.stringify(JSON.parse(order.extrasJson)) };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "extras past 600 bytes are lost",
    wrap: (right) => ({
      place: (order) =>
        right.place(Buffer.byteLength(order.extrasJson ?? "") > 600 ? { ...order, extrasJson: null } : order),
    }),
  },
  {
    ...standard,
    law: 1,
    name: "every order has extras",
    wrap: (right) => ({
      async get(id) {
        const order = await right.get(id);
        return order && { ...order, extrasJson: order.extrasJson ?? "{}" };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "the extras of a removed order are left to the next with its key",
    wrap: (right) => {
      const left = new Map<string, string | null>();
      return {
        place: (order) => {
          const key = order.key?.keyHash ?? "";
          if (left.has(key)) return right.place({ ...order, extrasJson: left.get(key) ?? null });
          left.set(key, order.extrasJson);
          return right.place(order);
        },
      };
    },
  },
  {
    ...standard,
    law: 1,
    name: "an order gets the extras of the one before",
    wrap: (right) => {
      let last: string | null = null;
      return {
        place: mapPlaced(right, (order) => {
          const extrasJson = last;
          last = order.extrasJson;
          return { ...order, extrasJson };
        }),
      };
    },
  },
];
