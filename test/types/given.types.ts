import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { final } from "../../src/core/workflow.ts";
import { given } from "../../src/testing/given.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string() }),
  results: z.object({ tracking: z.string() }).partial(),
  initial: "paid",
  statuses: { paid: { to: ["shipped"] }, shipped: final },
});

// Orders in the workflow's statuses and in others, whole or in part, compile.
given(orders);
given(orders, { status: "paid", data: { customerId: "c" }, results: { tracking: "t" } }, { now: 3, random: () => 0 });
given(orders, { status: "removedLongAgo", failure: { code: "unknown_status" }, entry: { error: "e" } });
const when = given(orders, given(orders).order).when({ kind: "moved", to: "shipped", results: { tracking: "t" } });
when.then({ status: "shipped", delivery: "end", ended: { attempts: 1 }, failure: null }).afterSeconds(3).order.visit;
when.refused("stale", /message/).when({ kind: "retried" });

// @ts-expect-error an order has no such field
given(orders, { stauts: "paid" });

// @ts-expect-error the data must fit the workflow's
given(orders, { data: { customer: "c" } });

// @ts-expect-error the results must fit the workflow's
given(orders, { results: { tracking: 5 } });

// @ts-expect-error the context has no such field
given(orders, {}, { clock: 3 });

// @ts-expect-error no such outcome
given(orders).when({ kind: "vanished" });

// @ts-expect-error an outcome has no such field
given(orders).when({ kind: "retried", to: "paid" });

// @ts-expect-error a change has no such field
when.then({ stauts: "shipped" });

// @ts-expect-error a delivery does not become this
when.then({ delivery: "stay" });

// @ts-expect-error a visit has no such field
when.then({ ended: { attempt: 1 } });

// @ts-expect-error the results must fit the workflow's
when.then({ results: { tracking: 5 } });

// @ts-expect-error no such code
when.refused("not_allowed");
