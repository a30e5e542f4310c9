import { type Fault, standard } from "./fault.ts";

/** The faults against law 4. */
export const fence: readonly Fault[] = [
  {
    ...standard,
    law: 4,
    name: "commit ignores the version",
    wrap: (right) => ({
      async commit(change) {
        const before = (await right.get(change.before.id)) ?? change.before;
        return right.commit({ ...change, before });
      },
    }),
  },
  {
    ...standard,
    law: 4,
    name: "the version is compared, and the change stored later",
    wrap: (right) => ({
      async commit(change) {
        const seen = await right.get(change.before.id);
        await new Promise(setImmediate);
        const before = await right.get(change.before.id);
        if (seen?.version !== change.before.version || before === undefined) return "stale";
        return right.commit({ ...change, before });
      },
    }),
  },
  {
    ...standard,
    law: 4,
    name: "a stale commit takes the delivery away",
    wrap: (right) => ({
      async commit(change) {
        const committed = await right.commit(change);
        const order = await right.get(change.before.id);
        if (committed === "stale" && order) {
          await right.commit({ before: order, after: order, ended: null, delivery: "end" });
        }
        return committed;
      },
    }),
  },
  {
    ...standard,
    law: 4,
    name: "a stale commit is told `committed`",
    wrap: (right) => ({
      async commit(change) {
        await right.commit(change);
        return "committed";
      },
    }),
  },
  {
    ...standard,
    law: 4,
    name: "a newer version passes for an older one",
    wrap: (right) => ({
      async commit(change) {
        const before = await right.get(change.before.id);
        return before && before.version <= change.before.version ? right.commit({ ...change, before }) : "stale";
      },
    }),
  },
  {
    ...standard,
    law: 4,
    name: "the history is cut too short",
    wrap: (right) => ({
      commit: (change) => right.commit({ ...change, after: { ...change.after, past: change.after.past.slice(-10) } }),
    }),
  },
  {
    ...standard,
    law: 4,
    name: "the key of the request that moved an order is not stored",
    wrap: (right) => ({
      async commit(change) {
        const { key: _, ...entry } = change.after.entry;
        return right.commit({ ...change, after: { ...change.after, entry } });
      },
    }),
  },
];
