import type { StoredOrder } from "../../../src/core/order.ts";
import { deliveryOf, type Fault, mapPlaced, standard, withExtra } from "./fault.ts";

/** The faults against laws 1 and 2. */
export const placing: readonly Fault[] = [
  {
    ...standard,
    law: 1,
    name: "place answers before it stores",
    wrap: (right) => {
      const lost = new Set<string>();
      return {
        async place(order) {
          const placed = await right.place(order);
          if (placed.outcome === "placed") lost.add(placed.order.id);
          return placed;
        },
        get: async (id) => (lost.delete(id) ? undefined : right.get(id)),
      };
    },
  },
  {
    ...standard,
    law: 1,
    name: "data is parsed and written again",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, dataJson: JSON.stringify(JSON.parse(order.dataJson)) }),
    }),
  },
  {
    ...standard,
    law: 1,
    name: "text goes through Latin-1",
    wrap: (right) => ({
      async get(id) {
        const order = await right.get(id);
        const narrow = (text: string) => Buffer.from(text, "latin1").toString("latin1");
        return order && { ...order, dataJson: narrow(order.dataJson), resultsJson: narrow(order.resultsJson) };
      },
    }),
  },
  {
    ...standard,
    law: 1,
    name: "an expiry is forgotten",
    wrap: (right) => ({ place: (order) => right.place({ ...order, expiresAt: null }) }),
  },
  {
    ...standard,
    law: 1,
    name: "any id finds something",
    wrap: (right) => ({
      get: async (id) => (await right.get(id)) ?? (await right.list({ limit: 1 })).items[0],
    }),
  },
  {
    ...standard,
    law: 1,
    name: "ids are given twice",
    wrap: (right) => ({ place: mapPlaced(right, (order) => ({ ...order, id: order.id.slice(0, 13) })) }),
  },
  {
    ...standard,
    law: 1,
    name: "commit loses the results",
    wrap: (right) => ({
      commit: (change) => right.commit({ ...change, after: { ...change.after, resultsJson: "{}" } }),
    }),
  },
  {
    ...standard,
    law: 2,
    name: "place ignores the key",
    wrap: (right) => ({ place: (order) => right.place({ ...order, key: null }) }),
  },
  {
    ...standard,
    law: 2,
    name: "place ignores the content",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, key: order.key && { ...order.key, contentHash: "same" } }),
    }),
  },
  {
    ...standard,
    law: 2,
    name: "every placing has one key",
    wrap: (right) => ({ place: (order) => right.place({ ...order, key: { keyHash: "a", contentHash: "b" } }) }),
  },
  {
    ...standard,
    law: 2,
    name: "a repeat shows the order as it was placed",
    wrap: (right) => {
      const first = new Map<string, StoredOrder>();
      return {
        place: mapPlaced(right, (order) => {
          if (!first.has(order.id)) first.set(order.id, order);
          return first.get(order.id) ?? order;
        }),
      };
    },
  },
  {
    ...standard,
    law: 2,
    name: "a repeat is delivered again",
    wrap: (right) => {
      const { extra, receive } = withExtra(right);
      return {
        receive,
        async place(order) {
          const placed = await right.place(order);
          if (placed.outcome === "repeated") extra.push({ ...deliveryOf(placed.order), status: "received" });
          return placed;
        },
      };
    },
  },
  {
    ...standard,
    law: 2,
    name: "the key is looked up, and then stored",
    wrap: (right) => {
      const keys = new Map<string, StoredOrder>();
      return {
        async place(order) {
          const earlier = keys.get(order.key?.keyHash ?? "");
          await new Promise(setImmediate);
          if (earlier !== undefined) return { outcome: "repeated", order: earlier };
          const placed = await right.place({ ...order, key: null });
          if (order.key !== null && placed.outcome === "placed") keys.set(order.key.keyHash, placed.order);
          return placed;
        },
      };
    },
  },
];
