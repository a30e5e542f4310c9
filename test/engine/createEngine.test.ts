import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Limits, LocatedBackend } from "../../src/backend/port.ts";
import { CauceError } from "../../src/core/errors.ts";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { final, type StatusDefinition } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import {
  actor,
  appOf,
  cauceError,
  controlled,
  engineOf,
  isFailed,
  isIn,
  keptLog,
  openStore,
  quiet,
  workflowOf,
} from "./support.ts";

const workflow = workflowOf({
  received: { to: ["done"], timeoutSeconds: 10, retry: { attempts: 2, baseSeconds: 4 } },
  done: final,
});

describe("a definition and the backend's limits", () => {
  const limits: Partial<Limits> = {
    longestDelaySeconds: 900,
    concurrency: { least: 2, most: 1_000, default: 10 },
  };
  const engineWith = (status: StatusDefinition) => {
    const clock = fakeClock();
    const inner = memory({ clock });
    const backend = { ...inner, limits: { ...inner.limits, ...limits } };
    const app = appOf(workflowOf({ checked: status, done: final }), status.waits ? {} : { checked: () => "done" });
    return createEngine({ app, backend, clock, random: Math.random, log: keptLog().log, actor });
  };

  test("a definition that asks for more than the backend's limits is refused at wiring, with the status and the limit", () => {
    const to = ["done"];
    const cases: [StatusDefinition, RegExp][] = [
      [{ to, waits: true, expires: { afterSeconds: 901, to: "done" } }, /expires.afterSeconds is 901 .* at most 900 s/],
      [{ to, retry: { maxSeconds: 901 } }, /retry.maxSeconds is 901 .* at most 900 s/],
      [{ to, concurrency: 1 }, /concurrency is 1 .* 2 to 1000/],
      [{ to, concurrency: 1_001 }, /concurrency is 1001 .* 2 to 1000/],
    ];
    for (const [status, message] of cases) {
      assert.throws(
        () => engineWith(status),
        cauceError("limit_exceeded", new RegExp(`^workflow "orders", status "checked": ${message.source}$`)),
      );
    }
  });

  test("a definition may ask for all that the backend's limits allow", () => {
    const to = ["done"];
    const cases: StatusDefinition[] = [
      { to, waits: true, expires: { afterSeconds: 900, to: "done" } },
      { to, waits: true },
      { to, retry: { maxSeconds: 900 }, concurrency: 2 },
      { to, concurrency: 1_000 },
    ];
    for (const status of cases) assert.doesNotThrow(() => engineWith(status));
  });

  test("without `concurrency`, a status gets the backend's default", async (t) => {
    const received = controlled();
    const leases: number[] = [];
    const { engine, place } = engineOf(t, appOf(workflow, { received: received.handler }), {
      around: (backend) => ({
        ...backend,
        limits: { ...backend.limits, ...limits },
        receive: (options) => {
          leases.push(options.leaseSeconds);
          return backend.receive(options);
        },
      }),
    });
    await engine.start();
    for (let n = 0; n < 12; n++) await place();
    await received.call(10);
    await quiet();
    assert.equal(received.calls.length, 10);
    for (const call of received.calls) call.answer("done");
    for (const number of [11, 12]) (await received.call(number)).answer("done");
    assert.deepEqual([...new Set(leases)], [60], "a lease is six times the attempt's time");
  });
});

describe("an outcome that the store does not take", () => {
  /** Makes each commit fail with the next of the faults, while there are any. */
  const faulty =
    (faults: unknown[]) =>
    (backend: LocatedBackend): LocatedBackend => ({
      ...backend,
      commit: async (change, delivery) => {
        if (faults.length > 0) throw faults.shift();
        return backend.commit(change, delivery);
      },
    });

  test("is kept and tried again each second, without another run of the handler", async (t) => {
    const full = new CauceError("store_full", "the disk is full");
    const busy = new CauceError("store_unavailable", "locked");
    const faults: unknown[] = [full, busy, full];
    let runs = 0;
    const received = () => {
      runs++;
      return { to: "done", results: { run: runs } };
    };
    const { engine, place, until, clock, of, logged, changes } = engineOf(t, appOf(workflow, { received }), {
      around: faulty(faults),
    });
    await engine.start();
    const { id } = await place();
    await logged("the store takes no writes; trying again");
    for (const left of [2, 1, 0]) {
      await quiet();
      assert.equal(faults.length, left);
      clock.advance(0.999);
      await quiet();
      assert.equal(faults.length, left, "it waits a whole second");
      clock.advance(0.001);
    }
    const order = await until(id, isIn("done"));
    assert.deepEqual([order.resultsJson, order.past[0]?.attempts, runs, changes.length], ['{"run":1}', 1, 1, 1]);
    const lines = of("the store takes no writes; trying again");
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields]),
      [["warn", { orderId: id, code: "store_full" }]],
    );
  });

  test("is given up where the store never will: the delivery comes back, and the attempt counts", async (t) => {
    const received = controlled();
    const { engine, place, until, clock, logged } = engineOf(t, appOf(workflow, { received: received.handler }), {
      around: faulty([new CauceError("store_corrupt", "damaged")]),
    });
    await engine.start();
    const { id } = await place();
    (await received.call(1)).answer("done");
    const line = await logged("change not committed; the delivery comes back");
    assert.deepEqual([line.level, line.fields], ["error", { orderId: id, error: "CauceError: damaged" }]);
    clock.advance(60);
    const again = await received.call(2);
    assert.equal(again.context.attempt, 2);
    again.answer("done");
    await until(id, isIn("done"));
  });

  test("is tried once more and then given up when the engine stops, so that the stop ends", async (t) => {
    const faults = Array.from({ length: 100 }, () => new CauceError("store_full", "the disk is full"));
    const { clock, backend } = await openStore(t);
    const first = engineOf(t, appOf(workflow, { received: () => "done" }), { clock, backend, around: faulty(faults) });
    await first.engine.start();
    const { id } = await first.place();
    await first.logged("the store takes no writes; trying again");
    await quiet();
    await first.engine.stop();
    assert.equal(faults.length, 98);
    assert.equal(first.of("change not committed; the delivery comes back").length, 1);
    // Nothing acknowledged is lost: the order stays in its status, and the next engine that starts handles it.
    const second = engineOf(t, appOf(workflow, { received: () => "done" }), { clock, backend });
    await second.engine.start();
    clock.advance(60);
    await second.until(id, isIn("done"));
  });

  test("may be the record of a redelivered attempt, and its handler does not run before the record is stored", async (t) => {
    const faults: unknown[] = [new CauceError("store_full", "the disk is full")];
    const received = controlled();
    const { engine, backend, place, until, clock, logged } = engineOf(
      t,
      appOf(workflow, { received: received.handler }),
      {
        around: faulty(faults),
      },
    );
    const { id } = await place();
    await backend.receive({ status: "received", max: 1, leaseSeconds: 60, waitSeconds: 0 });
    await engine.start();
    clock.advance(60);
    await logged("the store takes no writes; trying again");
    await quiet();
    assert.equal(received.calls.length, 0);
    clock.advance(1);
    (await received.call(1)).answer("done");
    assert.equal((await until(id, isIn("done"))).past[0]?.attempts, 2);
  });
});

describe("starting and stopping", () => {
  test("nothing is handled before the start, and what was placed is handled after it", async (t) => {
    const { engine, place, until, get } = engineOf(t, appOf(workflow, { received: () => "done" }));
    const { id } = await place();
    await quiet();
    assert.equal((await get(id)).visit, 0);
    await engine.start();
    await until(id, isIn("done"));
  });

  test("starting twice opens the resources once and leaves the concurrency as it is", async (t) => {
    let opened = 0;
    const received = controlled();
    const single = workflowOf({ received: { to: ["done"], concurrency: 1 }, done: final });
    const app = appOf(single, { received: received.handler }, { resources: async () => ({ n: ++opened }) });
    const { engine, place, until } = engineOf(t, app);
    await Promise.all([engine.start(), engine.start()]);
    await engine.start();
    const [one, two] = [await place(), await place()];
    await received.call(1);
    await quiet();
    assert.deepEqual([opened, received.calls.length], [1, 1]);
    for (const [number, { id }] of [one, two].entries()) {
      (await received.call(number + 1)).answer("done");
      await until(id, isIn("done"));
    }
  });

  test("a start that fails leaves nothing open, and the next one may succeed", async (t) => {
    const events: string[] = [];
    let works = false;
    const app = appOf(
      workflow,
      { received: () => "done" },
      {
        resources: () => {
          events.push("open");
          if (!works) throw new Error("no database");
          return {};
        },
        release: () => void events.push("close"),
      },
    );
    const { engine, place, until, clock } = engineOf(t, app);
    const { id } = await place();
    await assert.rejects(engine.start(), /no database/);
    await assert.rejects(engine.start(), /no database/);
    assert.deepEqual([events, clock.timers], [["open", "open"], 0]);
    works = true;
    await engine.start();
    await until(id, isIn("done"));
    await engine.stop();
    assert.deepEqual(events, ["open", "open", "open", "close"]);
  });

  test("a start that fails once the resources are open closes them", async (t) => {
    const events: string[] = [];
    const { clock, backend } = await openStore(t);
    const older = workflowOf({ parked: { to: ["done"], waits: true }, done: final });
    await engineOf(t, appOf(older), { clock, backend }).place();
    const app = appOf(
      workflow,
      { received: () => "done" },
      { resources: () => ({ db: { close: () => events.push("close") } }) },
    );
    let full = true;
    const { engine, get } = engineOf(t, app, {
      clock,
      backend,
      unknownStatuses: "fail",
      around: (inner) => ({
        ...inner,
        commit: (change, delivery) =>
          full ? Promise.reject(new CauceError("store_full", "the disk is full")) : inner.commit(change, delivery),
      }),
    });
    await assert.rejects(engine.start(), cauceError("store_full"));
    assert.deepEqual(events, ["close"]);
    full = false;
    await engine.start();
    const [order] = (await engine.list({ limit: 1 })).items;
    assert.equal((await get(order?.id ?? "")).failure?.code, "unknown_status");
  });

  test("stopping waits for the handlers under way, then closes the resources, and receives nothing more", async (t) => {
    const events: string[] = [];
    const received = controlled();
    const app = appOf(
      workflowOf({ received: { to: ["priced"], concurrency: 1 }, priced: { to: ["done"] }, done: final }),
      { received: received.handler, priced: () => assert.fail("it was received after the stop") },
      { resources: () => ({ db: { close: () => void events.push("closed") } }) },
    );
    const { engine, place, get } = engineOf(t, app);
    await engine.start();
    const [one, two] = [await place(), await place()];
    const call = await received.call(1);
    const stopping = engine.stop().then(() => events.push("stopped"));
    await quiet();
    assert.deepEqual([events, call.context.signal.aborted], [[], false], "it may still finish");
    call.answer("priced");
    await stopping;
    await quiet();
    assert.deepEqual(events, ["closed", "stopped"]);
    assert.deepEqual(
      [(await get(one.id)).status, (await get(two.id)).attempts, received.calls.length],
      ["priced", 0, 1],
    );
  });

  test("a handler under way keeps its time while the engine stops, and no more", async (t) => {
    const received = controlled();
    const { engine, place, get, clock } = engineOf(t, appOf(workflow, { received: received.handler }));
    await engine.start();
    const { id } = await place();
    const { signal } = (await received.call(1)).context;
    clock.advance(5);
    const stopping = engine.stop();
    clock.advance(4.999);
    await quiet();
    assert.equal(signal.aborted, false);
    clock.advance(0.001);
    assert.equal(signal.aborted, true);
    await stopping;
    assert.equal((await get(id)).attempts, 1);
  });

  test("stopping twice closes the resources once, and both calls end when the engine has stopped", async (t) => {
    const events: string[] = [];
    const received = controlled();
    const app = appOf(
      workflow,
      { received: received.handler },
      { resources: () => ({ db: { close: () => void events.push("closed") } }) },
    );
    const { engine, place } = engineOf(t, app);
    await engine.start();
    await place();
    const call = await received.call(1);
    const both = ["first stop", "second stop"].map((which) => engine.stop().then(() => events.push(which)));
    await quiet();
    assert.deepEqual(events, [], "a handler still runs");
    call.answer("done");
    await Promise.all(both);
    await engine.stop();
    assert.deepEqual(events, ["closed", "first stop", "second stop"]);
  });

  test("stopping during the start closes what the start has opened, and no handler runs", async (t) => {
    const opening = Promise.withResolvers<void>();
    let closed = 0;
    const app = appOf(
      workflow,
      { received: () => assert.fail("it was stopped") },
      {
        resources: async () => {
          await opening.promise;
          return { db: { close: () => closed++ } };
        },
      },
    );
    const { engine, place, get } = engineOf(t, app);
    const { id } = await place();
    const starting = engine.start();
    await quiet();
    const stopping = engine.stop();
    opening.resolve();
    await Promise.all([starting, stopping]);
    await quiet();
    assert.deepEqual([closed, (await get(id)).attempts], [1, 0]);
  });

  test("resources that do not close are an error in the log, and the stop goes on", async (t) => {
    const app = appOf(
      workflow,
      { received: () => "done" },
      { resources: () => ({ db: { close: () => Promise.reject(new Error("socket hung up")) } }) },
    );
    const { engine, of } = engineOf(t, app);
    await engine.start();
    await engine.stop();
    const [line] = of("resources not closed");
    assert.deepEqual([line?.level, line?.fields.workflow], ["error", "orders"]);
    assert.match(String(line?.fields.error), /socket hung up/);
  });

  test("stopping without a start ends, and an engine can be started after each stop", async (t) => {
    const handled: string[] = [];
    const received: AnyHandler = ({ id }) => {
      handled.push(id);
      return "done";
    };
    const { engine, place, until } = engineOf(t, appOf(workflow, { received }));
    await engine.stop();
    const placed: string[] = [];
    for (let time = 0; time < 2; time++) {
      await engine.start();
      const { id } = await place();
      placed.push(id);
      await until(id, isIn("done"));
      await engine.stop();
    }
    await place();
    await quiet();
    assert.deepEqual(handled, placed, "the order that was placed after the last stop is not handled");
  });
});

test("queues have a row for each status that is not final, in the definition's order, then rows for unknown statuses", async (t) => {
  const { clock, backend } = await openStore(t);
  const older = workflowOf({ gone: { to: ["done"], waits: true }, done: final });
  await engineOf(t, appOf(older), { clock, backend }).place();

  const next = workflowOf({
    received: { to: ["review", "packed"], retry: { attempts: 2, baseSeconds: 4 }, concurrency: 1 },
    review: { to: ["done"], waits: true },
    packed: { to: ["done"] },
    done: final,
  });
  const received = controlled();
  const app = appOf(next, { received: received.handler, packed: () => "done" });
  const { engine, place, until } = engineOf(t, app, { clock, backend, unknownStatuses: "fail" });
  await engine.start();
  const [waits, fails, retries] = [await place(), await place(), await place(), await place(), await place()];
  (await received.call(1)).answer("review");
  (await received.call(2)).answer("nowhere");
  (await received.call(3)).fail(new Error("down"));
  await until(waits.id, isIn("review"));
  await until(fails.id, isFailed);
  await until(retries?.id ?? "", (order) => order.attempts === 1);
  const last = await received.call(4);
  const empty = {
    waiting: 0,
    inFlight: 0,
    delayed: 0,
    failed: 0,
    oldestWaitingAt: null,
    paused: false,
    atLeast: false,
  };
  assert.deepEqual(await engine.queues(), [
    {
      ...empty,
      oldestWaitingAt: clock.now(),
      status: "received",
      kind: "handled",
      waiting: 1,
      inFlight: 1,
      delayed: 1,
      failed: 1,
    },
    { ...empty, status: "review", kind: "waiting", waiting: 1 },
    { ...empty, status: "packed", kind: "handled" },
    { ...empty, status: "gone", kind: "waiting", failed: 1 },
  ]);
  last.answer("review");
  (await received.call(5)).answer("review");
});

for (const store of ["memory", "sqlite"] as const) {
  test(`in FIFO delivery a retrying order holds back its own group, and no other (${store})`, async (t) => {
    const { clock, backend } = await openStore(t, store, "fifo");
    const grouped = workflowOf(
      { received: { to: ["done"], retry: { attempts: 3, baseSeconds: 60 } }, done: final },
      { group: (data) => (data as { customer: string }).customer },
    );
    const handled: string[] = [];
    const received: AnyHandler = ({ data }, { attempt }) => {
      const { name } = data as { name: string };
      handled.push(`${name} ${attempt}`);
      if (name === "a1" && attempt === 1) throw new Error("down");
      return "done";
    };
    const { engine, place, until, get } = engineOf(t, appOf(grouped, { received }), { clock, backend });
    const orders: Record<string, string> = {};
    for (const name of ["a1", "a2", "b1", "a3", "b2"]) {
      orders[name] = (await place({ name, customer: name[0] })).id;
    }
    const idOf = (name: string) => orders[name] ?? assert.fail(name);
    await engine.start();
    await until(idOf("a1"), (order) => order.attempts === 1);
    for (const name of ["b1", "b2"]) await until(idOf(name), isIn("done"));
    for (const name of ["a2", "a3"]) assert.equal((await get(idOf(name))).attempts, 0);
    clock.advance(30);
    for (const name of ["a1", "a2", "a3"]) await until(idOf(name), isIn("done"));
    assert.deepEqual(
      handled.filter((each) => each.startsWith("a")),
      ["a1 1", "a1 2", "a2 1", "a3 1"],
    );
    assert.deepEqual(
      handled.filter((each) => each.startsWith("b")),
      ["b1 1", "b2 1"],
    );
    await engine.stop();
  });
}
