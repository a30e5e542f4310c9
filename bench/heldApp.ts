import { orders } from "../examples/orders/orders.workflow.ts";
import { implement, RetryError } from "../src/index.ts";
import { heldCustomer } from "./lib/held.ts";

/** The example's workflow with handlers that do nothing, and one customer whose first order never ends. */
export default implement(orders, {
  handlers: {
    received: ({ data }) => {
      if (data.customerId === heldCustomer) throw new RetryError({ delaySeconds: 86_400 });
      return "approved";
    },
    approved: () => "paid",
    paid: () => "shipped",
  },
});
