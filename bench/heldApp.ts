import { orders } from "../examples/orders/orders.workflow.ts";
import { implement, RetryError } from "../src/index.ts";
import { heldCustomer } from "./lib/held.ts";

/** The example's workflow with handlers that do nothing, but that one customer's first order is never done with. */
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
