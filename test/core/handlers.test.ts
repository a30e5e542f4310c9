import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { type App, implement, lazy } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({}),
  initial: "received",
  statuses: {
    received: { to: ["held"] },
    held: { to: ["paid"], waits: true },
    paid: { to: ["shipped"] },
    shipped: final,
  },
});

/** Is `implement` as plain JavaScript can call it: with any arguments. */
const join = implement as unknown as (workflow: unknown, options: unknown) => App;
const fine = { received: () => "held", paid: () => "shipped" };

describe("implement", () => {
  it("joins a workflow and its handlers, and calls none of them", () => {
    const called: string[] = [];
    const handlers = {
      received: () => {
        called.push("received");
        return "held" as const;
      },
      paid: lazy(async () => {
        called.push("paid");
        return { default: () => "shipped" as const };
      }),
    };
    const resources = () => {
      called.push("resources");
      return { db: 1 };
    };
    const release = () => void called.push("release");
    const app = implement(orders, { resources, release, handlers });
    assert.equal(app.workflow, orders);
    assert.equal(app.handlers.received, handlers.received);
    assert.equal(app.handlers.paid, handlers.paid);
    assert.equal(app.resources, resources);
    assert.equal(app.release, release);
    assert.ok(Object.isFrozen(app));
    assert.deepEqual(called, []);
  });

  it("takes an app without resources and release", () => {
    const app = implement(orders, { handlers: { received: () => "held", paid: () => "shipped" } });
    assert.deepEqual([app.resources, app.release], [undefined, undefined]);
  });

  it("takes a retired status's handler, which its orders still need", () => {
    const retiring = defineWorkflow({
      name: "retiring",
      data: z.object({}),
      initial: "open",
      statuses: { open: { to: ["done"] }, old: { to: ["done"], retired: true }, done: final },
    });
    assert.doesNotThrow(() => implement(retiring, { handlers: { open: () => "done", old: () => "done" } }));
    assert.throws(() => join(retiring, { handlers: { open: () => "done" } }), {
      code: "app_invalid",
      message: /"old"/,
    });
  });

  const refused: readonly (readonly [what: string, make: () => unknown, pattern: RegExp])[] = [
    [
      "no workflow",
      () => join(undefined, { handlers: fine }),
      /the first argument must be what defineWorkflow returned/,
    ],
    ["options in place of a workflow", () => join({ handlers: fine }, {}), /must be what defineWorkflow returned/],
    ["a workflow without statuses", () => join({ name: "orders" }, {}), /must be what defineWorkflow returned/],
    ["an unknown option", () => join(orders, { handlers: fine, resource: {} }), /the unknown option "resource"/],
    [
      "no options",
      () => (implement as unknown as (workflow: unknown) => App)(orders),
      /the second argument must be \{ handlers \}, with one handler for each handled status/,
    ],
    [
      "resources that are no function",
      () => join(orders, { handlers: fine, resources: { db: 1 } }),
      /resources must be a function, so that nothing opens before the start/,
    ],
    ["no handlers", () => join(orders, {}), /status "received" has no handler; add handlers\.received/],
    [
      "a missing handler",
      () => join(orders, { handlers: { received: fine.received } }),
      /status "paid" has no handler; add handlers\.paid, or make it waiting or final/,
    ],
    [
      "a handler that only the prototype has",
      () => join(orders, { handlers: Object.assign(Object.create({ paid: fine.paid }), { received: fine.received }) }),
      /status "paid" has no handler/,
    ],
    ...[undefined, null, "shipped", {}, { lazy: "./paid.ts" }, Promise.resolve(fine.paid)].map(
      (paid) =>
        [
          `a handler that is ${paid instanceof Promise ? "a promise" : JSON.stringify(paid)}`,
          () => join(orders, { handlers: { ...fine, paid } }),
          /status "paid": its handler must be a function or lazy\(\(\) => import\(…\)\)/,
        ] as const,
    ),
    [
      "a handler for a waiting status",
      () => join(orders, { handlers: { ...fine, held: () => "paid" } }),
      /status "held" is waiting and takes no handler; remove handlers\.held/,
    ],
    [
      "a handler for a final status",
      () => join(orders, { handlers: { ...fine, shipped: () => "paid" } }),
      /status "shipped" is final and takes no handler; remove handlers\.shipped/,
    ],
    [
      "a handler for no status",
      () => join(orders, { handlers: { ...fine, payed: () => "shipped" } }),
      /handlers\.payed has no status; remove it, or define the status/,
    ],
    [
      "a handler named as something of every object",
      () => join(orders, { handlers: { ...fine, constructor: () => "shipped" } }),
      /handlers\.constructor has no status/,
    ],
  ];
  for (const [what, make, pattern] of refused) {
    it(`refuses ${what}, naming the place and the fix`, () => {
      assert.throws(make, { name: "CauceError", code: "app_invalid", message: pattern });
      assert.throws(make, { message: /^workflow "[^\n]+$/ });
    });
  }
});

describe("lazy", () => {
  it("loads no module until its status needs the handler", async () => {
    let loads = 0;
    const handler = () => "held" as const;
    const { lazy: load } = lazy(async () => {
      loads++;
      return { default: handler };
    });
    assert.equal(loads, 0);
    assert.equal((await load()).default, handler);
    assert.equal(loads, 1);
  });
});
