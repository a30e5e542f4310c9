import type { Backend, Removal } from "../../../src/backend/port.ts";
import { type Fault, fifo, standard, withCounts } from "./fault.ts";

const gone: Removal = { removed: 1, nextCursor: null };
const none: Removal = { removed: 0, nextCursor: null };
const isRemoved = (answer: Removal | "not_final"): boolean => answer !== "not_final" && answer.removed > 0;

/** The faults against law 7 of removal and of the depths. */
export const removing: readonly Fault[] = [
  {
    ...standard,
    law: 7,
    name: "the counts have no time of the oldest waiting order",
    wrap: (right) =>
      withCounts(right, ({ depths }) => ({ depths: depths.map((depth) => ({ ...depth, oldestWaitingAt: null })) })),
  },
  {
    ...fifo,
    law: 7,
    name: "the oldest waiting order is looked for among those that no group holds back",
    wrap: (right) =>
      withCounts(right, ({ depths }) => ({
        depths: depths.map((depth) => (depth.inFlight === 0 ? depth : { ...depth, oldestWaitingAt: null })),
      })),
  },
  {
    ...standard,
    law: 7,
    name: "a removed order is still listed",
    wrap: (right) => {
      const gone = new Map<string, NonNullable<Awaited<ReturnType<Backend["get"]>>>>();
      return {
        async remove(which) {
          const order = "id" in which ? await right.get(which.id) : undefined;
          const answer = await right.remove(which);
          if (isRemoved(answer) && order !== undefined) gone.set(order.id, order);
          return answer;
        },
        async list(query) {
          const page = await right.list(query);
          return { ...page, items: [...page.items, ...gone.values()] };
        },
      };
    },
  },
  {
    ...standard,
    law: 7,
    name: "removal removes nothing",
    wrap: () => ({ remove: async (which) => ("id" in which ? gone : none) }),
  },
  {
    ...standard,
    law: 7,
    name: "removal answers for an order that is not final as if there were none",
    wrap: (right) => ({
      async remove(which) {
        const answer = await right.remove(which);
        return answer === "not_final" ? none : answer;
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "removal says that it removed every order that is asked for",
    wrap: (right) => ({
      async remove(which) {
        const answer = await right.remove(which);
        return "id" in which ? gone : answer;
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "a removed order's key is still taken",
    wrap: (right) => ({
      async remove(which) {
        const order = "id" in which ? await right.get(which.id) : undefined;
        return order?.kind === "final" ? gone : right.remove(which);
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "removal counts as a change of the depths",
    wrap: (right) => {
      let count = 0;
      return {
        async remove(which) {
          const answer = await right.remove(which);
          if (isRemoved(answer)) count++;
          return answer;
        },
        ...withCounts(right, ({ depths }) => ({
          depths: depths.map((row) => ({ ...row, waiting: row.waiting + count })),
        })),
      };
    },
  },
  {
    ...standard,
    law: 7,
    name: "a list that goes on from where it was skips one for each that was removed",
    wrap: (right) => {
      let count = 0;
      return {
        async remove(which) {
          count++;
          return right.remove(which);
        },
        async list(query) {
          const page = await right.list(query);
          return query.cursor === undefined ? page : { ...page, items: page.items.slice(count) };
        },
      };
    },
  },
  {
    ...standard,
    law: 7,
    name: "every final order is removed, however young",
    wrap: (right) => ({
      remove: (which) => right.remove("id" in which ? which : { ...which, before: Number.MAX_SAFE_INTEGER }),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "any cursor is taken for the end of a removal",
    wrap: (right) => ({
      remove: (which) => right.remove(which).catch(() => none),
    }),
  },
];
