import { defineWorkflow, final, implement, PermanentError } from "cauce";
import { z } from "zod";

// A workflow of a project that installed the package, in plain JavaScript.
const shop = defineWorkflow({
  name: "shop",
  data: z.object({ sku: z.string(), quantity: z.int().min(1) }),
  results: z.object({ parcel: z.string() }).partial(),
  initial: "received",
  statuses: {
    received: { to: ["packed"] },
    packed: { to: ["shipped"], exhausted: "refused" },
    shipped: final,
    refused: final,
  },
});

export default implement(shop, {
  resources: () => ({ parcels: new Map() }),
  handlers: {
    received: () => "packed",
    packed: async ({ id, data }, { parcels, idempotencyKey }) => {
      if (data.sku === "NONE") throw new PermanentError("there is none left");
      parcels.set(idempotencyKey, id);
      return { to: "shipped", results: { parcel: `PARCEL-${id.slice(-6)}` } };
    },
  },
});
