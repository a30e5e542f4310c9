import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { BackendFactoryOptions, LocatedBackend } from "../../src/backend/port.ts";
import { CauceError } from "../../src/core/errors.ts";
import { final } from "../../src/core/workflow.ts";
import { noObserver } from "../../src/engine/context.ts";
import { openWorkflows } from "../../src/engine/open.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { appOf, atEnd, cauceError, keptLog, taken, workflowOf } from "./support.ts";

const statuses = { received: { to: ["done"] }, done: final } as const;
const [orders, claims] = ["orders", "claims"].map((name) =>
  appOf(workflowOf(statuses, { name }), { received: () => "done" }),
) as [ReturnType<typeof appOf>, ReturnType<typeof appOf>];

/** A factory that tells of what it opens and closes. */
function noted(around: (backend: LocatedBackend, workflow: string) => LocatedBackend = (backend) => backend) {
  const events: string[] = [];
  const backend = async (options: BackendFactoryOptions) => {
    events.push(`open ${options.workflow}`);
    const inner = around(memory(options), options.workflow);
    const close = async () => {
      events.push(`close ${options.workflow}`);
      await inner.close();
    };
    return { ...inner, close, told: options };
  };
  return { events, backend };
}

const parts = (t: TestContext) => {
  const clock = fakeClock();
  atEnd(t, () => assert.equal(clock.timers, 0));
  return { clock, delivery: "fifo", log: keptLog().log } as const;
};

describe("opening workflows", () => {
  test("gives an engine and the backend that the factory made for each, in the order of the apps", async (t) => {
    const { backend, events } = noted();
    const { workflows, close } = await openWorkflows({ apps: [orders, claims], backend, ...parts(t) });
    assert.deepEqual(
      workflows.map((each) => [each.engine.workflow.name, each.backend.told.workflow, each.backend.told.delivery]),
      [
        ["orders", "orders", "fifo"],
        ["claims", "claims", "fifo"],
      ],
    );
    const [first, second] = workflows;
    const { order } = taken((await first?.engine.place({})) ?? assert.fail());
    assert.deepEqual(await first?.backend.get(order.id), order);
    assert.equal(await second?.backend.get(order.id), undefined);
    await close();
    assert.deepEqual(events, ["open orders", "open claims", "close orders", "close claims"]);
  });

  test("says that a store changed its delivery, and that FIFO does nothing without groups, once for a workflow", async (t) => {
    const { lines, log } = keptLog();
    const grouped = appOf(workflowOf(statuses, { name: "claims", group: () => "g" }), { received: () => "done" });
    const { backend } = noted((inner, workflow) => ({ ...inner, requeued: workflow === "claims" ? 7 : null }));
    const { close } = await openWorkflows({ apps: [orders, grouped], backend, ...parts(t), log });
    await close();
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields]),
      [
        ["warn", { workflow: "orders", delivery: "fifo" }],
        ["warn", { workflow: "claims", delivery: "fifo", before: "standard", orders: 7 }],
      ],
    );
  });

  test("says that other users of the machine may read a store", async (t) => {
    const kept = keptLog();
    const { backend } = noted((inner) => ({ ...inner, openToOthers: "/data/orders.db" }));
    const { close } = await openWorkflows({ apps: orders, backend, ...parts(t), log: kept.log });
    await close();
    assert.deepEqual(
      kept.of("other users of this machine may read the orders; chmod go= the file").map(({ fields }) => fields),
      [{ workflow: "orders", path: "/data/orders.db" }],
    );
  });

  test("takes one app alone, and gives its workflow an observer and a callback for batches", async (t) => {
    const { backend } = noted();
    const placed: string[] = [];
    const { workflows, close } = await openWorkflows({
      ...{ apps: orders, backend, ...parts(t) },
      onBatchOf: (workflow) => () => void placed.push(`batch of ${workflow}`),
      observerOf: async (workflow, store) => {
        assert.deepEqual((await store.counts({ depths: true })).depths, []);
        return { ...noObserver, placed: () => void placed.push(workflow) };
      },
    });
    workflows[0]?.backend.told.onBatch?.(1, 1);
    await workflows[0]?.engine.place({});
    assert.deepEqual(placed, ["batch of orders", "orders"]);
    await close();
  });

  test("closes what it opened where one store does not open, or holds too little", async (t) => {
    const broken = async (options: BackendFactoryOptions) => {
      if (options.workflow === "claims") throw new CauceError("data_in_use", "another process owns it");
      return right.backend(options);
    };
    const right = noted();
    await assert.rejects(
      openWorkflows({ apps: [claims, orders], backend: broken, ...parts(t) }),
      cauceError("data_in_use"),
    );
    assert.deepEqual(right.events, ["open orders", "close orders"]);

    const slow = appOf(workflowOf({ received: { to: ["done"], concurrency: 3 }, done: final }), {
      received: () => "done",
    });
    const small = noted((inner) => ({
      ...inner,
      limits: { ...inner.limits, concurrency: { least: 1, most: 2, default: 1 } },
    }));
    await assert.rejects(
      openWorkflows({ apps: slow, backend: small.backend, ...parts(t) }),
      cauceError("limit_exceeded"),
    );
    assert.deepEqual(small.events, ["open orders", "close orders"]);
  });

  test("refuses no app, what is no app, and two of one name, before anything is opened", async (t) => {
    const { backend, events } = noted();
    for (const [apps, message] of [
      [[], /apps is empty/],
      [[orders, undefined], /what implement returned/],
      [[orders, claims, orders], /two apps .* "orders"/],
    ] as const) {
      await assert.rejects(
        openWorkflows({ apps: apps as never, backend, ...parts(t) }),
        cauceError("app_invalid", message),
      );
    }
    assert.deepEqual(events, []);
  });

  test("that is closed says so when a store does not close, after all have", async (t) => {
    const { backend, events } = noted((inner, workflow) =>
      workflow === "orders" ? { ...inner, close: () => Promise.reject(new Error("it does not close")) } : inner,
    );
    const { close } = await openWorkflows({ apps: [orders, claims], backend, ...parts(t) });
    await assert.rejects(close(), /it does not close/);
    assert.deepEqual(events.slice(2), ["close orders", "close claims"]);
  });
});
