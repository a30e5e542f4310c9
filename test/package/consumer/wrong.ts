import { createCauce, defineWorkflow, final, implement } from "cauce";
import { sqlite } from "cauce/sqlite";
import { fakeClock, given, memory } from "cauce/testing";
import { z } from "zod";
import app, { type Claim, claims } from "./claims.app.ts";

// Each line after a directive is wrong and must not compile. If a type of the package were missing and everything
// fitted, the directives themselves would be errors.

defineWorkflow({
  name: "wrong",
  data: z.object({}),
  initial: "open",
  // @ts-expect-error: there is no status "closed"
  statuses: { open: { to: ["closed"] }, done: final },
});

implement(claims, {
  handlers: {
    // @ts-expect-error: a claim that was received is not paid at once
    received: () => "paid",
    approved: () => ({ to: "paid" }),
  },
});

implement(claims, {
  // @ts-expect-error: "approved" has no handler
  handlers: { received: () => "approved" },
});

implement(claims, {
  handlers: {
    received: () => "approved",
    // @ts-expect-error: what was paid is a number
    approved: () => ({ to: "paid", results: { paid: "all of it" } }),
  },
});

// @ts-expect-error: a claim has an amount
export const claim: Claim = { policy: "p-1" };

// @ts-expect-error: the directory is missing
sqlite({});

// @ts-expect-error: there is no such delivery
void createCauce({ apps: app, backend: memory, delivery: "random" });

// @ts-expect-error: a number of seconds
fakeClock().advance("60");

// @ts-expect-error: a claim may not stand in a number
given(claims, { status: 7 });
