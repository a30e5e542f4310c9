import type { Backend } from "../../../src/backend/backend.ts";
import { type Fault, standard, withCounts } from "./fault.ts";

/** Against law 7, of removal and of the depths. */
export const removing: readonly Fault[] = [
  {
    ...standard,
    law: 7,
    name: "nobody knows how long the next in the queue has waited",
    wrap: (right) =>
      withCounts(right, ({ depths }) => ({ depths: depths.map((depth) => ({ ...depth, oldestWaitingAt: null })) })),
  },
  {
    ...standard,
    law: 7,
    name: "a removed order is still listed",
    wrap: (right) => {
      const gone = new Map<string, NonNullable<Awaited<ReturnType<Backend["get"]>>>>();
      return {
        async remove(id) {
          const order = await right.get(id);
          const answer = await right.remove(id);
          if (answer === "removed" && order !== undefined) gone.set(id, order);
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
    wrap: () => ({ remove: async () => "removed", removeFinal: async () => ({ removed: 0, nextCursor: null }) }),
  },
  {
    ...standard,
    law: 7,
    name: "removal says that what is not final is not there",
    wrap: (right) => ({
      async remove(id) {
        const answer = await right.remove(id);
        return answer === "not_final" ? "not_found" : answer;
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "whatever is asked for is said to be removed",
    wrap: (right) => ({
      async remove(id) {
        await right.remove(id);
        return "removed";
      },
    }),
  },
  {
    ...standard,
    law: 7,
    name: "a removed order's key is still taken",
    wrap: (right) => ({
      remove: async (id) => ((await right.get(id))?.kind === "final" ? "removed" : right.remove(id)),
    }),
  },
  {
    ...standard,
    law: 7,
    name: "removal counts as a change of the depths",
    wrap: (right) => {
      let count = 0;
      return {
        async remove(id) {
          const answer = await right.remove(id);
          if (answer === "removed") count++;
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
        async remove(id) {
          count++;
          return right.remove(id);
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
    name: "all that is final is removed, however young",
    wrap: (right) => ({ removeFinal: (query) => right.removeFinal({ ...query, before: Number.MAX_SAFE_INTEGER }) }),
  },
  {
    ...standard,
    law: 7,
    name: "any cursor is taken for the end of a removal",
    wrap: (right) => ({
      removeFinal: (query) => right.removeFinal(query).catch(() => ({ removed: 0, nextCursor: null })),
    }),
  },
];
