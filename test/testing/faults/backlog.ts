import { type Fault, standard, withExtraOnSuperseded, withSuperseded } from "./fault.ts";

/** The faults against law 9. */
export const backlog: readonly Fault[] = [
  {
    ...standard,
    law: 9,
    name: "each delivery that is superseded is one more",
    wrap: (right) => withExtraOnSuperseded(right),
  },
  {
    ...standard,
    law: 9,
    name: "a delivery that is superseded lets go of what is in flight",
    wrap: (right) =>
      withSuperseded(right, async ({ id }) => {
        const before = await right.get(id);
        if (before)
          await right.commit({ before, after: { ...before, notBefore: null }, ended: null, delivery: "enter" });
      }),
  },
  {
    ...standard,
    law: 9,
    name: "whatever stands in a handled status is taken for lost",
    wrap: (right) => ({
      async sweep(query) {
        const { items } = await right.list({ limit: 1_000 });
        const redelivered = items.filter((order) => order.kind === "handled").length;
        return { ...(await right.sweep(query)), redelivered };
      },
    }),
  },
];
