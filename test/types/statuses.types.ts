import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { final } from "../../src/core/workflow.ts";

const data = z.object({ customerId: z.string() });

// Every option of every kind of status compiles.
export const full = defineWorkflow({
  name: "full",
  data,
  results: z.object({ tracking: z.string() }).partial(),
  group: (order) => (order.customerId === "" ? null : order.customerId),
  initial: "open",
  visitsMax: 10,
  statuses: {
    open: {
      to: ["held", "open"],
      timeoutSeconds: 1,
      concurrency: 2,
      retry: { attempts: 3, baseSeconds: 1, maxSeconds: 2 },
      exhausted: "done",
    },
    held: { to: ["done"], waits: true, expires: { afterSeconds: 1, to: "held" } },
    old: { to: ["done"], retired: true },
    oldHeld: { to: ["done"], waits: true, retired: true },
    done: final,
    gone: { final: true },
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: { open: { to: ["done"] }, done: final },
  // @ts-expect-error an unknown option of the workflow
  visitMax: 3,
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  // @ts-expect-error the data has no such field
  group: (order) => order.customer,
  statuses: { open: { to: ["done"] }, done: final },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  // @ts-expect-error a group key is text
  group: (order) => order.customerId.length,
  statuses: { open: { to: ["done"] }, done: final },
});

// @ts-expect-error data is missing
defineWorkflow({ name: "bad", initial: "open", statuses: { open: { to: ["done"] }, done: final } });

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error to is missing
    open: { timeoutSeconds: 3 },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error to is a list
    open: { to: "done" },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error a waiting status has no handler to time
    open: { to: ["done"], waits: true, timeoutSeconds: 3 },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error a waiting status has no handlers to run at once
    open: { to: ["done"], waits: true, concurrency: 3 },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error a waiting status has nothing to try again
    open: { to: ["done"], waits: true, retry: { attempts: 2 } },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error a waiting status has no attempts to exhaust
    open: { to: ["done"], waits: true, exhausted: "done" },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    open: { to: ["done"] },
    // @ts-expect-error nothing follows a final status
    done: { final: true, to: ["open"] },
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    open: { to: ["done"] },
    // @ts-expect-error a final status is not left, so it cannot be emptied
    done: { final: true, retired: true },
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error an unknown option of retry
    open: { to: ["done"], retry: { tries: 3 } },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error a time is a number
    open: { to: ["done"], timeoutSeconds: "30" },
    done: final,
  },
});

defineWorkflow({
  name: "bad",
  data,
  initial: "open",
  statuses: {
    // @ts-expect-error an expiry says after how long
    open: { to: ["done"], waits: true, expires: { to: "done" } },
    done: final,
  },
});
