import { defineWorkflow, final, implement, RetryError } from "cauce";
import * as z from "zod";

const data = z.object({ text: z.string() });

export const before = implement(
  defineWorkflow({
    name: "tickets",
    data,
    initial: "open",
    statuses: { open: { to: ["sorting"] }, sorting: { to: ["triaged"] }, triaged: final },
  }),
  {
    handlers: {
      open: () => "sorting",
      sorting: () => {
        throw new RetryError({ delaySeconds: 3_600, message: "no one is here to sort" });
      },
    },
  },
);

// #region retired
const tickets = defineWorkflow({
  name: "tickets",
  data,
  initial: "open",
  statuses: {
    open: { to: ["triaged"] },
    sorting: { to: ["triaged"], retired: true },
    triaged: final,
  },
});

export const retiring = implement(tickets, { handlers: { open: () => "triaged", sorting: () => "triaged" } });
// #endregion

export const after = implement(
  defineWorkflow({ name: "tickets", data, initial: "open", statuses: { open: { to: ["triaged"] }, triaged: final } }),
  { handlers: { open: () => "triaged" } },
);
