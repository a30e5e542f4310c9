import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import { memory } from "../src/backend/memory/memory.ts";
import type { BackendFactory, LocatedBackend } from "../src/backend/port.ts";
import { sqlite } from "../src/backend/sqlite/index.ts";
import { type Cauce, type CauceOptions, createCauce } from "../src/cauce.ts";
import { CauceError, PermanentError } from "../src/core/errors.ts";
import type { AnyHandler, App } from "../src/core/handlers.ts";
import type { Order } from "../src/core/order.ts";
import { final } from "../src/core/workflow.ts";
import { fakeClock } from "../src/testing/fakeClock.ts";
import { temporaryDirectory } from "./backend/sqlite/support.ts";
import { type AppParts, appOf, atEnd, cauceError, controlled, keptLog, quiet, workflowOf } from "./engine/support.ts";

const ordersWorkflow = workflowOf(
  {
    received: { to: ["review", "done"], retry: { attempts: 1 } },
    review: { to: ["done"], waits: true, expires: { afterSeconds: 60, to: "done" } },
    done: final,
  },
  {
    data: z.object({ to: z.string().optional(), customer: z.string().optional() }),
    results: z.object({ reviewer: z.string() }).partial(),
    group: (data) => (data as { customer?: string }).customer,
  },
);
const claimsWorkflow = workflowOf({ filed: { to: ["paid"] }, paid: final }, { name: "claims" });

const received: AnyHandler = ({ data }) => {
  const { to = "done" } = data as { to?: string };
  if (to === "fail") throw new PermanentError("card 12 declined");
  return to;
};
const orders = appOf(ordersWorkflow, { received });
const claims = appOf(claimsWorkflow, { filed: () => "paid" });

/** Opens a Cauce over memory backends, and closes it when the test ends, with no timer left on its clock. */
async function opened(t: TestContext, options: Partial<CauceOptions> = {}) {
  const clock = fakeClock();
  const kept = keptLog();
  const commits = new Set<() => void>();
  const { backend: factory = memory, ...others } = options;
  const backend: BackendFactory = async (wired) => {
    const inner = await factory(wired);
    return {
      ...inner,
      async commit(change) {
        const committed = await inner.commit(change);
        for (const look of commits) look();
        return committed;
      },
    };
  };
  const cauce = await createCauce({
    apps: [orders, claims],
    clock,
    log: kept.log,
    random: () => 0.5,
    ...others,
    backend,
  });
  atEnd(t, async () => {
    await cauce.close();
    assert.equal(clock.timers, 0, "timers left on the clock");
  });
  return {
    ...kept,
    cauce,
    clock,
    /** Resolves with the order as soon as `isSo` is true of it. */
    async until(workflow: string, id: string, isSo: (order: Order) => boolean): Promise<Order> {
      for (;;) {
        const changed = new Promise<void>((resolve) => {
          const look = () => {
            commits.delete(look);
            resolve();
          };
          commits.add(look);
        });
        const order = await cauce.get(workflow, id);
        assert.ok(order, `order ${id} is not there`);
        if (isSo(order)) return order;
        await changed;
      }
    },
  };
}

const isIn = (status: string) => (order: Order) => order.status === status;
const isFailed = (order: Order) => order.failure !== null;

describe("the library", () => {
  test("takes orders of several workflows, each with its own", async (t) => {
    const { cauce, until } = await opened(t);
    await cauce.start();
    const order = await cauce.place("orders", { customer: "c-1" }, { requestId: "r-1" });
    const claim = await cauce.place("claims", { anything: true });
    assert.deepEqual([order.placed, order.order.workflow, order.order.group], [true, "orders", "c-1"]);
    assert.deepEqual([claim.placed, claim.order.workflow, claim.order.data], [true, "claims", { anything: true }]);
    assert.equal(order.order.history[0]?.by.requestId, "r-1");
    await until("orders", order.order.id, isIn("done"));
    await until("claims", claim.order.id, isIn("paid"));
    assert.equal(await cauce.get("claims", order.order.id), undefined);
    assert.deepEqual(
      (await cauce.list("claims")).items.map(({ id }) => id),
      [claim.order.id],
    );
  });

  test("places by idempotency key once", async (t) => {
    const { cauce } = await opened(t);
    const key = { idempotencyKey: "k" };
    const first = await cauce.place("orders", { to: "done" }, key);
    const again = await cauce.place("orders", { to: "done" }, key);
    assert.deepEqual([first.placed, again.placed, again.order.id], [true, false, first.order.id]);
    await assert.rejects(cauce.place("orders", {}, key), cauceError("idempotency_conflict"));
    assert.equal((await cauce.place("claims", {}, key)).placed, true, "keys belong to a workflow");
  });

  test("lists newest first, by status, failure and group, page by page", async (t) => {
    const { cauce, until } = await opened(t);
    await cauce.start();
    const ids: string[] = [];
    for (const to of ["review", "fail", "done"]) {
      const { order } = await cauce.place("orders", { to, customer: to });
      await until("orders", order.id, (each) => isFailed(each) || each.status === to);
      ids.unshift(order.id);
    }
    const listed = async (query: Parameters<Cauce["list"]>[1]) =>
      (await cauce.list("orders", query)).items.map(({ id }) => id);
    const [done, failed, review] = ids;
    assert.deepEqual(await listed({}), ids);
    assert.deepEqual(await listed({ status: "review" }), [review]);
    assert.deepEqual(await listed({ failed: true }), [failed]);
    assert.deepEqual(await listed({ failed: false }), [done, review]);
    assert.deepEqual(await listed({ group: "done" }), [done]);
    const page = await cauce.list("orders", { limit: 2 });
    assert.deepEqual(
      page.items.map(({ id }) => id),
      [done, failed],
    );
    assert.deepEqual(await listed({ limit: 2, cursor: page.nextCursor ?? assert.fail() }), [review]);
  });

  test("moves and retries, shows failures and queues", async (t) => {
    const { cauce, until } = await opened(t);
    await cauce.start();
    const { order: waits } = await cauce.place("orders", { to: "review" });
    await until("orders", waits.id, isIn("review"));
    const moved = await cauce.transition("orders", waits.id, {
      to: "done",
      reason: "fine",
      results: { reviewer: "ana" },
    });
    assert.deepEqual(
      [moved.status, moved.results, moved.history.at(-1)?.reason],
      ["done", { reviewer: "ana" }, "fine"],
    );

    const { order: fails } = await cauce.place("orders", { to: "fail" });
    await until("orders", fails.id, isFailed);
    const [failure, ...others] = await cauce.failures("orders");
    assert.deepEqual([failure?.fingerprint, failure?.count, others], ["card … declined", 1, []]);
    assert.deepEqual(await cauce.failures("claims"), []);
    assert.deepEqual(
      (await cauce.queues("orders")).map(({ status, failed }) => [status, failed]),
      [
        ["received", 1],
        ["review", 0],
      ],
    );
    const again = await cauce.retry("orders", fails.id);
    assert.deepEqual([again.failure, again.attempts], [null, 0]);
    await until("orders", fails.id, isFailed);
    assert.deepEqual(await cauce.retryMany("orders", { fingerprint: "card … declined" }), {
      retried: 1,
      nextCursor: null,
    });
    await until("orders", fails.id, isFailed);
  });

  test("throws the API's refusals, with their codes and every fault", async (t) => {
    const { cauce } = await opened(t);
    const { order } = await cauce.place("orders", {});
    const invalid = cauce.place("orders", { to: 5, customer: 6 });
    await assert.rejects(invalid, cauceError("invalid_data"));
    const paths = await invalid.catch((error) => (error as CauceError).faults?.map(({ path }) => path));
    assert.deepEqual(paths, ["to", "customer"]);
    await assert.rejects(cauce.transition("orders", "0193", { to: "done" }), cauceError("order_not_found"));
    await assert.rejects(cauce.transition("orders", order.id, { to: "done" }), cauceError("being_handled"));
    await assert.rejects(cauce.transition("orders", order.id, { to: "done", expectedVersion: 7 }), cauceError("stale"));
    await assert.rejects(cauce.retry("orders", order.id), cauceError("not_failed"));
    await assert.rejects(cauce.list("orders", { cursor: "x" }), cauceError("invalid_cursor"));
  });

  test("takes the options that the API takes, and refuses all others instead of ignoring them", async (t) => {
    const { cauce } = await opened(t);
    const { order } = await cauce.place("orders", {});
    const wrong: [string, () => Promise<unknown>][] = [
      ["an empty key", () => cauce.place("orders", {}, { idempotencyKey: "" })],
      ["a key with half of a surrogate pair", () => cauce.place("orders", {}, { idempotencyKey: "k\ud800" })],
      ["a group with half of a surrogate pair", () => cauce.list("orders", { group: "\udc00" })],
      ["a key of 256", () => cauce.place("orders", {}, { idempotencyKey: "k".repeat(256) })],
      [
        "a key that is no text",
        () => cauce.transition("orders", order.id, { to: "done" }, { idempotencyKey: 5 as never }),
      ],
      ["limit 0", () => cauce.list("orders", { limit: 0 })],
      ["limit 1001", () => cauce.list("orders", { limit: 1_001 })],
      ["half a limit", () => cauce.retryMany("orders", { limit: 1.5 })],
      ["a misspelt filter", () => cauce.list("orders", { state: "done" } as object)],
      ["a misspelt filter of a retry", () => cauce.retryMany("orders", { fingerPrint: "x" } as object)],
      ["a reason of 501", () => cauce.transition("orders", order.id, { to: "done", reason: "r".repeat(501) })],
      ["results that are a list", () => cauce.transition("orders", order.id, { to: "done", results: [1] as never })],
    ];
    for (const [what, call] of wrong) await assert.rejects(call(), cauceError("invalid_request"), what);
    assert.equal((await cauce.place("orders", {}, { idempotencyKey: "k".repeat(255) })).placed, true);
    assert.equal((await cauce.list("orders", { limit: 1_000 })).items.length, 2);
  });

  test("refuses a workflow that it does not serve, and names those that it serves", async (t) => {
    const { cauce } = await opened(t);
    for (const name of ["refunds", "constructor", "", "Orders"]) {
      const calls = [
        cauce.place(name, {}),
        cauce.get(name, "1"),
        cauce.list(name),
        cauce.transition(name, "1", { to: "done" }),
        cauce.retry(name, "1"),
        cauce.retryMany(name, {}),
        cauce.failures(name),
        cauce.queues(name),
      ];
      for (const call of calls) {
        await assert.rejects(call, cauceError("workflow_not_found", /there is orders, claims$/));
      }
    }
  });
});

describe("createCauce", () => {
  const closing = () => {
    const log: string[] = [];
    const backend: BackendFactory = async (options) => {
      log.push(`open ${options.workflow}`);
      const inner = memory(options);
      const close = async () => {
        log.push(`close ${options.workflow}`);
        await inner.close();
      };
      return { ...inner, close };
    };
    return { log, backend };
  };

  test("checks its options before it opens a store", async () => {
    const { log, backend } = closing();
    const base = { apps: orders, backend };
    const wrong: [string, object, RegExp][] = [
      ["app_invalid", { ...base, apps: [] }, /apps is empty/],
      ["app_invalid", { ...base, apps: [orders, claims, orders] }, /two apps .* "orders"/],
      ["app_invalid", { ...base, apps: [orders, undefined] }, /what implement returned/],
      ["app_invalid", { ...base, apps: ordersWorkflow }, /what implement returned/],
      ["setting_invalid", { ...base, deliveries: "fifo" }, /no option "deliveries"; it takes apps, backend, delivery/],
      ["setting_invalid", { ...base, delivery: "FIFO" }, /delivery is "FIFO"/],
      ["setting_invalid", { ...base, retentionDays: 0 }, /retentionDays is 0; it must be a whole number from 1/],
      ["setting_invalid", { ...base, unknownStatuses: "drop" }, /unknownStatuses is "drop"/],
      ...["api", "/api/", "/", "/a b", "/:id", "/*", "shop/"].map((basePath): [string, object, RegExp] => [
        "setting_invalid",
        { ...base, basePath },
        /basePath is ".*"; it must be a path/,
      ]),
      ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY].map((bodyBytesMax): [string, object, RegExp] => [
        "setting_invalid",
        { ...base, bodyBytesMax },
        /bodyBytesMax is [\w.-]+; it must be a whole number from 1/,
      ]),
      ["setting_invalid", { apps: orders, backend: memory() }, /backend must be/],
      ["setting_invalid", { apps: orders }, /backend must be/],
    ];
    for (const [code, options, message] of wrong) {
      await assert.rejects(createCauce(options as CauceOptions), cauceError(code as "app_invalid", message));
    }
    assert.deepEqual(log, []);
  });

  test("leaves no store open where it fails", async () => {
    const greedy = appOf(workflowOf({ filed: { to: ["paid"], concurrency: 1 }, paid: final }, { name: "claims" }), {
      filed: () => "paid",
    });
    const small = (backend: LocatedBackend): LocatedBackend => ({
      ...backend,
      limits: { ...backend.limits, concurrency: { least: 2, most: 9, default: 5 } },
    });
    const cases: [string, (backend: BackendFactory) => CauceOptions, readonly string[]][] = [
      [
        "keys_invalid",
        (backend) => ({ apps: orders, backend, auth: { keys: [{ name: "a", role: "read", sha256: "short" }] } }),
        ["open orders", "close orders"],
      ],
      [
        "limit_exceeded",
        (backend) => ({ apps: [orders, greedy], backend: async (options) => small(await backend(options)) }),
        ["open orders", "open claims", "close orders", "close claims"],
      ],
      [
        "data_in_use",
        (backend) => ({
          apps: [orders, claims],
          backend: async (options) => {
            if (options.workflow === "claims") throw new CauceError("data_in_use", "another process owns it");
            return backend(options);
          },
        }),
        ["open orders", "close orders"],
      ],
      [
        "data_in_use",
        (backend) => ({
          apps: [orders, claims],
          backend: async (options) => {
            if (options.workflow === "claims") throw new CauceError("data_in_use", "another process owns it");
            const inner = await backend(options);
            const close = async () => {
              await inner.close();
              throw new Error("and it does not close either");
            };
            return { ...inner, close };
          },
        }),
        ["open orders", "close orders"],
      ],
    ];
    for (const [code, options, expected] of cases) {
      const { log, backend } = closing();
      await assert.rejects(createCauce(options(backend)), cauceError(code as "data_in_use"));
      assert.deepEqual(log, expected);
    }
  });

  test("gives every backend its workflow, the delivery, the clock, the leases and the callbacks", async (t) => {
    const told: unknown[] = [];
    const { clock } = await opened(t, {
      delivery: "fifo",
      backend: (options) => {
        told.push(options);
        return memory(options);
      },
    });
    assert.deepEqual(
      told.map((options) => {
        const { onBatch, onOpening, ...others } = options as Record<string, unknown>;
        assert.deepEqual([typeof onBatch, typeof onOpening], ["function", "function"]);
        return others;
      }),
      [
        { workflow: "orders", delivery: "fifo", clock, leaseSeconds: { received: 180 } },
        { workflow: "claims", delivery: "fifo", clock, leaseSeconds: { filed: 180 } },
      ],
    );
  });
});

/** Makes an app that notes the opening and closing of its resources. */
function noted(events: string[], name: string, parts: { fails?: { yes: boolean }; opens?: Promise<void> } = {}): App {
  const workflow = workflowOf({ filed: { to: ["paid"] }, paid: final }, { name });
  const resource = (part: string) => ({ close: () => void events.push(`close ${name}.${part}`) });
  const resources: NonNullable<AppParts["resources"]> = async () => {
    await parts.opens;
    if (parts.fails?.yes) throw new Error(`no database for ${name}`);
    events.push(`open ${name}`);
    return { db: resource("db"), mail: resource("mail") };
  };
  return appOf(workflow, { filed: () => "paid" }, { resources });
}

describe("starting a Cauce", () => {
  test("opens every app's resources once, and the close closes them in reverse order", async (t) => {
    const events: string[] = [];
    const { cauce } = await opened(t, { apps: [noted(events, "claims")] });
    await Promise.all([cauce.start(), cauce.start()]);
    await cauce.start();
    await cauce.close();
    assert.deepEqual(events, ["open claims", "close claims.mail", "close claims.db"]);
  });

  test("stops the other apps where one fails, and closes all that was opened", async (t) => {
    const events: string[] = [];
    const fails = { yes: true };
    const slow = Promise.withResolvers<void>();
    const apps = [
      noted(events, "quick"),
      noted(events, "failing", { fails }),
      noted(events, "slow", { opens: slow.promise }),
    ];
    const { cauce, until, clock } = await opened(t, { apps });
    const starting = assert.rejects(cauce.start(), /no database for failing/);
    await quiet();
    slow.resolve();
    await starting;
    assert.deepEqual(events.toSorted(), [
      "close quick.db",
      "close quick.mail",
      "close slow.db",
      "close slow.mail",
      "open quick",
      "open slow",
    ]);
    const { order } = await cauce.place("quick", {});
    await quiet();
    assert.equal((await cauce.get("quick", order.id))?.attempts, 0);
    assert.equal((await cauce.get("quick", order.id))?.status, "filed", "nothing is handled");
    assert.equal(clock.timers, 0);

    fails.yes = false;
    await cauce.start();
    await until("quick", order.id, isIn("paid"));
    const { order: claim } = await cauce.place("failing", {});
    await until("failing", claim.id, isIn("paid"));
  });

  test("may fail and be followed by a close", async (t) => {
    const events: string[] = [];
    const { cauce } = await opened(t, { apps: [noted(events, "claims", { fails: { yes: true } })] });
    await assert.rejects(cauce.start(), /no database/);
    await cauce.close();
    assert.deepEqual(events, []);
  });

  test("polls the given statuses of every workflow that has them, and leaves the others untouched", async (t) => {
    const events: string[] = [];
    const { cauce, until } = await opened(t, { apps: [orders, claims, noted(events, "third")] });
    for (const options of [{ status: ["filed"] }, { statuses: "filed" }, { sweeps: "no" }]) {
      await assert.rejects(cauce.start(options as object), cauceError("setting_invalid", /^start: /));
    }
    await assert.rejects(
      cauce.start({ statuses: ["filed", "gone"] }),
      cauceError("status_not_found", /^"gone" is no status in "orders", "claims", "third"; there is received, filed$/),
    );
    await assert.rejects(cauce.start({ statuses: ["review"] }), cauceError("status_not_handled", /"review"/));
    await cauce.start({ statuses: ["received"], sweeps: false });
    const { order: claim } = await cauce.place("claims", {});
    const { order } = await cauce.place("orders", {});
    await until("orders", order.id, isIn("done"));
    await quiet();
    assert.equal((await cauce.get("claims", claim.id))?.status, "filed");
    assert.deepEqual(events, [], "no resource was opened without need");
  });

  test("leaves an expired wait to another process where it is told not to sweep", async (t) => {
    const { cauce, clock, until } = await opened(t, { apps: orders });
    await cauce.start({ sweeps: false });
    const { order } = await cauce.place("orders", { to: "review" });
    await until("orders", order.id, isIn("review"));
    await clock.advance(120);
    await quiet();
    assert.equal((await cauce.get("orders", order.id))?.status, "review");
  });

  test("refuses a definition that strands orders, and names their status", async (t) => {
    const { directory, remove } = temporaryDirectory();
    atEnd(t, remove);
    const backend = sqlite({ directory });
    const before = await opened(t, { apps: orders, backend });
    await before.cauce.start();
    const { order } = await before.cauce.place("orders", { to: "review" });
    await before.until("orders", order.id, isIn("review"));
    await before.cauce.close();

    const without = appOf(workflowOf({ received: { to: ["done"] }, done: final }), { received: () => "done" });
    const refusing = await opened(t, { apps: without, backend });
    await assert.rejects(refusing.cauce.start(), cauceError("orders_stranded", /"orders": 1 order stands in "review"/));
    await refusing.cauce.close();
    const failing = await opened(t, { apps: without, backend, unknownStatuses: "fail" });
    await failing.cauce.start();
    assert.equal((await failing.cauce.get("orders", order.id))?.failure?.code, "unknown_status");
    assert.equal((await failing.cauce.transition("orders", order.id, { to: "done" })).status, "done");
  });
});

test("a Cauce is ready where it only takes orders, and not while a start is under way or has failed", async (t) => {
  const opening = Promise.withResolvers<void>();
  const fails = { yes: true };
  const { cauce } = await opened(t, { apps: noted([], "claims", { opens: opening.promise, fails }) });
  const ready = async () => (await cauce.fetch(new Request("http://localhost/readyz"))).status;
  assert.equal(await ready(), 200);
  const starting = cauce.start();
  assert.equal(await ready(), 503);
  assert.equal((await cauce.fetch(post("/claims", {}))).status, 202);
  opening.resolve();
  await assert.rejects(starting, cauceError("resources_failed"));
  assert.equal(await ready(), 503);
  fails.yes = false;
  await cauce.start();
  assert.equal(await ready(), 200);
});

test("the metrics of a Cauce count the lines that its log could not write", async (t) => {
  const { log } = keptLog();
  const { cauce } = await opened(t, { log: { ...log, dropped: () => 7 } });
  const text = await (await cauce.fetch(new Request("http://localhost/metrics"))).text();
  assert.match(text, /^cauce_lines_dropped_total 7$/m);
});

describe("ending a Cauce", () => {
  test("lets handlers in hand finish and still takes orders while it drains, and refuses orders once closed", async (t) => {
    const filed = controlled();
    const { cauce, clock } = await opened(t, { apps: appOf(claimsWorkflow, { filed: filed.handler }) });
    await cauce.start();
    const { order } = await cauce.place("claims", {});
    const call = await filed.call(1);
    const ready = async () => (await cauce.fetch(new Request("http://localhost/readyz"))).status;
    assert.equal(await ready(), 200);
    const drains = [cauce.drain(), cauce.drain()];
    assert.equal(await ready(), 503);
    const late = await cauce.place("claims", {});
    await assert.rejects(cauce.start(), cauceError("closed"));
    const closes = [cauce.close(), cauce.close()];
    call.answer("paid");
    await Promise.all([...drains, ...closes]);
    await cauce.drain();
    await cauce.close();
    assert.deepEqual([late.order.status, filed.calls.length, clock.timers], ["filed", 1, 0]);
    const calls = [
      cauce.place("claims", {}),
      cauce.get("claims", order.id),
      cauce.list("claims"),
      cauce.queues("claims"),
      cauce.failures("claims"),
      cauce.retry("claims", order.id),
      cauce.retryMany("claims", {}),
      cauce.transition("claims", order.id, { to: "paid" }),
      cauce.start(),
    ];
    for (const each of calls) await assert.rejects(each, cauceError("closed"));
    const response = await cauce.fetch(post("/claims", {}));
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { code: string }).code, "closed");
  });

  test("needs no start before", async (t) => {
    const { cauce, clock } = await opened(t);
    await cauce.place("orders", { to: "review" });
    await cauce.close();
    assert.equal(clock.timers, 0);
  });

  test("closes the stores also where resources do not close", async (t) => {
    let closed = 0;
    const app = appOf(
      claimsWorkflow,
      { filed: () => "paid" },
      { resources: () => ({}), release: () => Promise.reject(new Error("socket hung up")) },
    );
    const { cauce, of } = await opened(t, {
      apps: [app, orders],
      backend: (options) => {
        const inner = memory(options);
        const close = () => {
          closed++;
          return inner.close();
        };
        return { ...inner, close };
      },
    });
    await cauce.start();
    await cauce.close();
    assert.deepEqual([closed, of("resources not closed").length], [2, 1]);
  });

  test("closes every store also where one does not close, and rejects with that store's error", async (t) => {
    let closed = 0;
    const cauce = await createCauce({
      apps: [orders, claims],
      clock: fakeClock(),
      log: keptLog().log,
      backend: (options) => {
        const inner = memory(options);
        const close = async () => {
          closed++;
          await inner.close();
          if (options.workflow === "orders") throw new CauceError("store_unavailable", "the disk is gone");
        };
        return { ...inner, close };
      },
    });
    atEnd(t, () => cauce.close().catch(() => {}));
    await cauce.start();
    await assert.rejects(cauce.close(), cauceError("store_unavailable"));
    assert.equal(closed, 2);
  });

  test("leaves nothing open: no thread, no file, no timer, with the machine's clock too", async () => {
    const { directory, remove } = temporaryDirectory();
    const open = async () => {
      const handled = Promise.withResolvers<void>();
      const app = appOf(ordersWorkflow, {
        received: ({ data }) => {
          handled.resolve();
          return (data as { to: string }).to;
        },
      });
      const cauce = await createCauce({ apps: [app, claims], backend: sqlite({ directory }), log: keptLog().log });
      await cauce.start();
      await cauce.place("orders", { to: "review" });
      await handled.promise;
      await cauce.close();
    };
    // A thread's port closes some turns after the thread. A port that stayed would make this test run into its limit.
    const portsGone = async () => {
      do await turn();
      while (process.getActiveResourcesInfo().includes("MessagePort"));
    };
    await open();
    await portsGone();
    const before = process.getActiveResourcesInfo().toSorted();
    for (let time = 0; time < 3; time++) await open();
    await portsGone();
    assert.deepEqual(process.getActiveResourcesInfo().toSorted(), before);
    assert.deepEqual(openFiles(directory), []);
    remove();
  });
});

describe("a Cauce over SQLite", () => {
  test("keeps acknowledged orders over a close, and goes on with them", async (t) => {
    const { directory, remove } = temporaryDirectory();
    atEnd(t, remove);
    const backend = sqlite({ directory });
    const intake = await opened(t, { backend });
    const placed = await Promise.all(Array.from({ length: 50 }, () => intake.cauce.place("orders", { to: "review" })));
    await intake.cauce.close();

    const { cauce, clock, until } = await opened(t, { backend });
    await cauce.start();
    for (const { order } of placed) await until("orders", order.id, isIn("review"));
    clock.advance(60);
    for (const { order } of placed) {
      const done = await until("orders", order.id, isIn("done"));
      assert.deepEqual(
        done.history.map(({ status }) => status),
        ["received", "review", "done"],
      );
    }
  });

  test("refuses data that is open already, and the Cauce that has the data goes on", async (t) => {
    const { directory, remove } = temporaryDirectory();
    atEnd(t, remove);
    const backend = sqlite({ directory });
    const { cauce, until } = await opened(t, { backend });
    await assert.rejects(createCauce({ apps: [claims, orders], backend }), cauceError("data_in_use"));
    await cauce.start();
    const { order } = await cauce.place("claims", {});
    await until("claims", order.id, isIn("paid"));
  });
});

/** Lists the files of a directory that this process has open, on Linux. */
function openFiles(directory: string): string[] {
  if (process.platform !== "linux") return [];
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // This is the listing's own descriptor, which is closed already.
    }
  });
  return links.filter((link) => link.startsWith(directory));
}

function post(path: string, json: unknown): Request {
  return new Request(`http://localhost${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(json),
  });
}

test("Cauce's fetch serves the API under the base path, and nothing outside it", async (t) => {
  const { cauce, until } = await opened(t, { basePath: "/shop/v1" });
  await cauce.start();
  const response = await cauce.fetch(post("/shop/v1/orders", { customer: "c-1" }));
  assert.equal(response.status, 202);
  const placed = (await response.json()) as Order;
  const location = response.headers.get("location");
  assert.equal(location, `/shop/v1/orders/${placed.id}`);
  await until("orders", placed.id, isIn("done"));
  const read = await cauce.fetch(new Request(`http://localhost${location}`));
  assert.deepEqual(await read.json(), JSON.parse(JSON.stringify(await cauce.get("orders", placed.id))));
  for (const path of ["/orders", "/shop/orders", "/shop/v1orders", "/healthz"]) {
    assert.equal((await cauce.fetch(post(path, {}))).status, 404, path);
  }
  assert.equal((await cauce.list("orders")).items.length, 1);
});

test("Cauce's fetch refuses bodies larger than bodyBytesMax", async (t) => {
  const { cauce } = await opened(t, { bodyBytesMax: 20 });
  assert.equal((await cauce.fetch(post("/orders", { to: "done" }))).status, 202);
  assert.equal((await cauce.fetch(post("/orders", { to: "d".repeat(20) }))).status, 413);
});

describe("a call that would wait for its own caller", () => {
  for (const call of ["drain", "close"] as const) {
    test(`${call} is refused at once in a handler, and the process goes on`, async (t) => {
      const refused = Promise.withResolvers<unknown>();
      const handler: AnyHandler = async () => {
        await cauce[call]().catch(refused.resolve);
        return "done";
      };
      const { cauce } = await opened(t, { apps: appOf(ordersWorkflow, { received: handler }) });
      await cauce.start();
      const { order } = await cauce.place("orders", {});
      cauceError(
        "waits_for_itself",
        new RegExp(`^${call} was called in the handler of "received"`),
      )(await refused.promise);
      assert.equal((await cauce.fetch(new Request("http://a/readyz"))).status, 200, "nothing drains");
      while ((await cauce.get("orders", order.id))?.status !== "done") await turn();
    });
  }

  test("close is refused in `resources` of another workflow too, and start with it", async (t) => {
    const app = appOf(ordersWorkflow, { received }, { resources: () => cauce.close() });
    const { cauce } = await opened(t, { apps: [app, claims] });
    await assert.rejects(cauce.start(), cauceError("resources_failed", /close was called in `resources`/));
  });

  test("close is refused in `release`, which the log tells, and the close that runs it ends", async (t) => {
    const { cauce, of } = await opened(t, {
      apps: appOf(ordersWorkflow, { received }, { resources: () => ({}), release: () => cauce.close() }),
    });
    await cauce.start();
    await cauce.close();
    assert.match(String(of("resources not closed")[0]?.fields.error), /close was called in `release`/);
  });
});

test("a rejection of no handler is left to the host, and counted", async (t) => {
  const { cauce, of } = await opened(t);
  assert.equal(cauce.takeRejection(new Error("of the host")), false);
  const metrics = await (await cauce.fetch(new Request("http://a/metrics"))).text();
  assert.match(metrics, /^cauce_unhandled_rejections_total 1$/m);
  assert.deepEqual(of("a handler left a rejection unhandled"), []);
});
