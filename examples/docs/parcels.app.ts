import { defineWorkflow, final, implement } from "cauce";
import * as z from "zod";

const parcels = defineWorkflow({
  name: "parcels",
  data: z.object({ address: z.string().min(1), weightKilograms: z.number().positive() }),
  results: z.object({ label: z.string() }).partial(),
  initial: "registered",
  statuses: {
    registered: { to: ["labelled"], timeoutSeconds: 10 },
    labelled: { to: ["delivered", "returned"], waits: true, expires: { afterSeconds: 14 * 86_400, to: "returned" } },
    delivered: final,
    returned: final,
  },
});

export default implement(parcels, {
  handlers: {
    registered: ({ id }) => ({ to: "labelled", results: { label: `LABEL-${id.slice(-12)}` } }),
  },
});
