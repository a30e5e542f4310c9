import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import ordersApp from "../../examples/orders/orders.app.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { CauceError, PermanentError, RetryError } from "../../src/core/errors.ts";
import { type Handler, implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { testWorkflow } from "../../src/testing/testWorkflow.ts";
import { cauceError } from "../engine/support.ts";
import { sampleOrder } from "../examples/support.ts";

const start = "2026-11-24T00:00:00.000Z";
/** How long a test waits in real time for its handlers. The wait is used up only where a handler hangs. */
const patienceSeconds = 2;

const jobs = defineWorkflow({
  name: "jobs",
  data: z.object({ customer: z.string().default("c-1"), n: z.int().default(0) }),
  results: z.object({ by: z.string() }).partial(),
  group: ({ customer }) => customer,
  initial: "taken",
  visitsMax: 6,
  statuses: {
    taken: {
      to: ["done", "taken", "asked"],
      timeoutSeconds: 10,
      retry: { attempts: 3, baseSeconds: 2, maxSeconds: 3 },
    },
    asked: { to: ["taken", "done"], waits: true, expires: { afterSeconds: 86_400, to: "done" } },
    done: final,
  },
});

interface Resources {
  work(n: number, signal: AbortSignal): unknown;
}

const jobsOf = (handler: Handler<typeof jobs, "taken", Resources>) =>
  implement(jobs, {
    resources: (): Resources => assert.fail("nothing real is opened"),
    handlers: { taken: handler },
  });
const resources = { work: () => {} };
const working = jobsOf(async ({ data }, { work, signal }) => ((await work(data.n, signal)) as "done") ?? "done");

/** Runs a test, and asserts that it left no timer on its clock. */
async function closing<T extends { close(): Promise<void>; clock: { readonly timers: number } }>(
  test: T,
  run: (test: T) => Promise<void>,
): Promise<void> {
  try {
    await run(test);
  } finally {
    await test.close();
  }
  assert.equal(test.clock.timers, 0, "timers left on the clock");
}

const summary = ({ attempt, outcome, at }: { attempt: number; outcome: string; at: string }) => [
  attempt,
  outcome,
  (Date.parse(at) - Date.parse(start)) / 1_000,
];

describe("testWorkflow", () => {
  it("moves the orders of examples/orders by handlers, operators and time", async () => {
    await closing(await testWorkflow(ordersApp), async (shop) => {
      const shipped = await shop.place(sampleOrder());
      assert.equal(shipped.status, "shipped");
      assert.match(shipped.results.paymentId ?? "", /^pay_/);
      assert.deepEqual(
        shop.attempts(shipped.id).map(({ status, visit, to }) => [status, visit, to]),
        [
          ["received", 0, "approved"],
          ["approved", 1, "paid"],
          ["paid", 2, "shipped"],
        ],
      );

      const approved = await shop.place(sampleOrder(["TEA-1"], 9_000));
      assert.equal(approved.status, "review");
      assert.equal((await shop.transition(approved.id, { to: "approved", reason: "known" })).status, "shipped");

      const forgotten = await shop.place(sampleOrder(["TEA-1"], 9_000));
      await shop.advance({ seconds: 72 * 3_600 - 1 });
      assert.equal((await shop.get(forgotten.id)).status, "review");
      await shop.advance({ seconds: 1 });
      assert.equal((await shop.get(forgotten.id)).status, "rejected");

      const down = await shop.place(sampleOrder(["DOWN-1"]));
      await shop.advance({ seconds: 60 });
      const failed = await shop.get(down.id);
      assert.deepEqual([failed.status, failed.failure?.message], ["approved", "the payment gateway is down"]);
      await shop.retry(down.id);
      await shop.advance({ seconds: 60 });
      assert.equal(shop.attempts(down.id).filter(({ status }) => status === "approved").length, 10);
    });
  });

  it("answers a repeated idempotency key with the stored order, and refuses other content", async () => {
    await closing(await testWorkflow(working, { resources }), async (shop) => {
      const first = await shop.place({ n: 1 }, { idempotencyKey: "k" });
      assert.equal((await shop.place({ n: 1 }, { idempotencyKey: "k" })).id, first.id);
      await assert.rejects(shop.place({ n: 2 }, { idempotencyKey: "k" }), cauceError("idempotency_conflict"));
    });
  });

  it("starts when told, and time stands still while orders are handled", async () => {
    const startAt = new Date("2031-02-03T04:05:06Z");
    await closing(await testWorkflow(working, { resources, startAt }), async (shop) => {
      const { createdAt, updatedAt } = await shop.place({});
      assert.deepEqual([createdAt, updatedAt], [startAt.toISOString(), startAt.toISOString()]);
    });
  });

  it("makes retries at exactly the policy's times, and at those of a RetryError", async () => {
    const app = jobsOf((_, { attempt }) => {
      if (attempt === 1) throw new Error("down");
      if (attempt === 2) throw new RetryError({ delaySeconds: 3_600 });
      return { to: "done", results: { by: "the third" } };
    });
    await closing(await testWorkflow(app, { resources, random: () => 0.25 }), async (shop) => {
      const { id, status, notBefore } = await shop.place({});
      assert.deepEqual([status, notBefore], ["taken", "2026-11-24T00:00:00.500Z"]);
      await shop.advance({ seconds: 0.499 });
      assert.equal(shop.attempts(id).length, 1);
      await shop.advance({ seconds: 0.001 });
      assert.equal(shop.attempts(id).length, 2);
      await shop.advance({ seconds: 7 * 86_400 });
      assert.deepEqual(shop.attempts(id).map(summary), [
        [1, "retried", 0],
        [2, "retried", 0.5],
        [3, "moved", 3_600.5],
      ]);
      assert.equal(shop.attempts(id)[0]?.error, "down");
      assert.deepEqual((await shop.get(id)).results, { by: "the third" });
    });
  });

  it("marks an order failed when its attempts are used up, or at once for a PermanentError, and a retry starts it again", async () => {
    let isDown = true;
    const app = jobsOf(({ data }) => {
      if (data.n === 1) throw new PermanentError("never");
      if (isDown) throw new Error("down");
      return "done";
    });
    await closing(await testWorkflow(app, { resources }), async (shop) => {
      const permanent = await shop.place({ n: 1 });
      assert.deepEqual([permanent.failure?.message, permanent.attempts], ["never", 1]);
      const { id } = await shop.place({});
      await assert.rejects(shop.retry(id), cauceError("not_failed"));
      await shop.advance({ seconds: 3_600 });
      assert.deepEqual(shop.attempts(id).map(summary), [
        [1, "retried", 0],
        [2, "retried", 1],
        [3, "failed", 2.5],
      ]);
      assert.equal((await shop.get(id)).failure?.message, "down");
      isDown = false;
      assert.equal((await shop.retry(id)).status, "done");
      assert.deepEqual(shop.attempts(id).map(summary).at(-1), [1, "moved", 3_600]);
    });
  });

  it("names the status to which an exhausted order went", async () => {
    const { taken: before, ...others } = jobs.statuses;
    const workflow = defineWorkflow({
      name: "jobs",
      data: jobs.data,
      initial: "taken",
      statuses: { taken: { ...before, exhausted: "asked" }, ...others },
    });
    const app = implement(workflow, {
      handlers: {
        taken: () => {
          throw new PermanentError("never");
        },
      },
    });
    await closing(await testWorkflow(app), async (shop) => {
      const { id, status } = await shop.place({});
      assert.equal(status, "asked");
      const [attempt] = shop.attempts(id);
      assert.deepEqual([attempt?.outcome, attempt?.to, attempt?.error], ["failed", "asked", "never"]);
      assert.equal((await shop.transition(id, { to: "done" })).status, "done");
      assert.equal(shop.attempts(id).length, 1, "a transition is no attempt");
    });
  });

  it("handles a group in its order, one at a time, in FIFO delivery", async () => {
    const begun: number[] = [];
    const app = jobsOf(async ({ data }, { attempt }) => {
      begun.push(data.n);
      await turn();
      if (data.n === 1 && attempt === 1) throw new Error("down");
      return "done" as const;
    });
    await closing(await testWorkflow(app, { resources, delivery: "fifo" }), async (shop) => {
      const orders = await Promise.all([1, 2, 3].map((n) => shop.place({ n })));
      assert.deepEqual(
        orders.map(({ status }) => status),
        ["taken", "taken", "taken"],
      );
      assert.equal((await shop.place({ n: 4, customer: "c-2" })).status, "done");
      assert.deepEqual(begun, [1, 4], "the group waits for its first");
      await shop.advance({ seconds: 1 });
      assert.deepEqual(begun, [1, 4, 1, 2, 3]);
    });
  });

  it("ends a loop at visitsMax", async () => {
    await closing(
      await testWorkflow(
        jobsOf(() => "taken"),
        { resources },
      ),
      async (shop) => {
        const { id, visit, failure } = await shop.place({});
        assert.deepEqual([visit, failure?.code], [6, "visits_exceeded"]);
        assert.deepEqual(
          shop
            .attempts(id)
            .map(({ outcome }) => outcome)
            .slice(-2),
          ["moved", "failed"],
        );
      },
    );
  });

  it("waits for a handler's real work outside of the test", async () => {
    const server = createServer((_, response) => setTimeout(() => response.end("done"), 20));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const work = async () => {
      await readFile(import.meta.filename);
      await turn();
      return (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
    };
    try {
      // The patience is long enough for a busy machine.
      await closing(await testWorkflow(working, { resources: { work }, patienceSeconds: 600 }), async (shop) => {
        assert.equal((await shop.place({})).status, "done");
        // The test's clock stands still, so the handler's limit of 10 s does not end it.
        const [order] = await Promise.all([shop.place({}), shop.advance({ seconds: 3_600 })]);
        assert.deepEqual(shop.attempts(order.id).map(summary), [[1, "moved", 0]]);
      });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("times a handler out at its timeoutSeconds, as time passes", async () => {
    const aborted: number[] = [];
    let shop: Awaited<ReturnType<typeof testWorkflow<typeof jobs, typeof resources>>>;
    const work = (n: number, signal: AbortSignal) =>
      new Promise(() => {
        signal.addEventListener("abort", () => aborted.push(n, (shop.clock.now() - Date.parse(start)) / 1_000));
      });
    const app = working;
    shop = await testWorkflow(app, { resources: { work }, patienceSeconds: 0.02 });
    await closing(shop, async () => {
      const [order] = await Promise.all([shop.place({ n: 7 }), shop.advance({ seconds: 10 })]);
      assert.deepEqual(aborted, [7, 10]);
      assert.deepEqual(shop.attempts(order.id).map(summary), [[1, "retried", 10]]);
      assert.match(shop.attempts(order.id)[0]?.error ?? "", /did not end within 10 s/);
      await shop.advance({ seconds: 3_600 });
      assert.deepEqual(shop.attempts(order.id).map(summary), [
        [1, "retried", 10],
        [2, "retried", 21],
        [3, "failed", 32.5],
      ]);
      assert.equal((await shop.get(order.id)).failure?.code, "attempt_timed_out");
    });
  });

  it("rejects a placing whose handler does not end while time stands still, and leaves others alone", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const work = (n: number) => {
      if (n !== 1) return "done";
      setImmediate(() => t.mock.timers.tick(patienceSeconds * 1_000));
      return new Promise(() => {});
    };
    const shop = await testWorkflow(working, { resources: { work }, delivery: "fifo", patienceSeconds });
    await closing(shop, async () => {
      await assert.rejects(
        shop.place({ n: 1 }),
        cauceError("not_at_rest", /^order \S+: the handler of "taken" .* 2 s .*advance\(\{ seconds: 10 \}\)/),
      );
      assert.equal((await shop.place({ n: 2, customer: "c-2" })).status, "done");
      const follower = await shop.place({ n: 3 });
      assert.equal(follower.status, "taken", "it waits behind the one in hand");
      await shop.advance({ seconds: 9.999 });
      assert.equal((await shop.get(follower.id)).status, "taken");
      // The times are three timeouts and the pauses between them.
      await shop.advance({ seconds: 23 });
      assert.equal((await shop.get(follower.id)).status, "done");
    });
  });

  it("is at rest when every handler of a status hangs and orders wait for one", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const workflow = defineWorkflow({
      name: "slow",
      data: z.object({}),
      initial: "a",
      statuses: { a: { to: ["b"], concurrency: 1, timeoutSeconds: 5, retry: { attempts: 1 } }, b: final },
    });
    let hang = true;
    const app = implement(workflow, {
      handlers: {
        a: () => {
          if (!hang) return "b";
          setImmediate(() => t.mock.timers.tick(patienceSeconds * 1_000));
          return new Promise<"b">(() => {});
        },
      },
    });
    await closing(await testWorkflow(app, { patienceSeconds }), async (shop) => {
      await assert.rejects(shop.place({}), cauceError("not_at_rest"));
      const second = await shop.place({});
      assert.deepEqual([second.status, shop.attempts(second.id).length], ["a", 0]);
      hang = false;
      await shop.advance({ seconds: 5 });
      assert.equal((await shop.get(second.id)).status, "b");
    });
  });

  it("closes while a handler hangs, more than once, and takes no more orders", async () => {
    const shop = await testWorkflow(working, {
      resources: { work: () => new Promise(() => {}) },
      patienceSeconds: 0.02,
    });
    const placing = assert.rejects(shop.place({}), { name: "CauceError" });
    await Promise.all([shop.close(), shop.close()]);
    await placing;
    assert.equal(shop.clock.timers, 0);
    await assert.rejects(shop.place({}), cauceError("closed"));
    await assert.rejects(shop.get("x"), cauceError("closed"));
    await assert.rejects(shop.advance({ seconds: 1 }), cauceError("closed"));
  });

  it("closes at the end of an await using", async () => {
    let clock: { readonly timers: number } | undefined;
    {
      await using shop = await testWorkflow(working, { resources });
      clock = shop.clock;
      await shop.place({});
      assert.notEqual(clock.timers, 0, "a deadline is set");
    }
    assert.equal(clock.timers, 0);
  });

  it("opens and closes the app's own resources where none are given, and leaves those of the test open", async () => {
    const calls: string[] = [];
    const open = () => ({ db: { close: () => calls.push("closed") } });
    const app = implement(jobs, {
      resources: () => {
        calls.push("opened");
        return open();
      },
      handlers: { taken: () => "done" },
    });
    await closing(await testWorkflow(app), async () => assert.deepEqual(calls, ["opened"]));
    assert.deepEqual(calls, ["opened", "closed"]);
    await closing(await testWorkflow(app, { resources: open() }), async (shop) => void (await shop.place({})));
    assert.deepEqual(calls, ["opened", "closed"]);
  });

  it("keeps two workflows of one process apart", async () => {
    const [one, two] = await Promise.all([
      testWorkflow(working, { resources }),
      testWorkflow(
        jobsOf(() => "asked"),
        { resources },
      ),
    ]);
    await closing(one, () =>
      closing(two, async () => {
        const [here, there] = await Promise.all([one.place({}), two.place({})]);
        assert.deepEqual([here.status, there.status], ["done", "asked"]);
        await one.advance({ seconds: 86_400 });
        assert.equal((await two.get(there.id)).status, "asked", "its time stood still");
        await assert.rejects(one.get("nobody"), cauceError("order_not_found"));
      }),
    );
  });

  it("makes two advances at once one after the other", async () => {
    await closing(await testWorkflow(working, { resources }), async (shop) => {
      await Promise.all([shop.advance({ seconds: 5 }), shop.advance({ seconds: 7 })]);
      assert.equal(shop.clock.now() - Date.parse(start), 12_000);
      for (const seconds of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(shop.advance({ seconds }), RangeError);
      }
    });
  });

  it("refuses what the library refuses, with its codes", async () => {
    await closing(
      await testWorkflow(
        jobsOf(() => "asked"),
        { resources },
      ),
      async (shop) => {
        await assert.rejects(shop.place({ n: "x" } as never), (error) => {
          assert.ok(error instanceof CauceError);
          assert.deepEqual([error.code, error.faults?.[0]?.path], ["invalid_data", "n"]);
          return true;
        });
        const { id } = await shop.place({});
        await assert.rejects(shop.transition("nobody", { to: "done" }), cauceError("order_not_found"));
        await assert.rejects(shop.transition(id, { to: "asked" }), cauceError("transition_not_allowed"));
        await assert.rejects(shop.transition(id, { to: "done", why: "x" } as never), cauceError("invalid_request"));
        await assert.rejects(
          shop.transition(id, { to: "done", results: { by: 5 } as never }),
          cauceError("invalid_results"),
        );
        assert.deepEqual(shop.attempts("nobody"), []);
      },
    );
    await assert.rejects(testWorkflow(working, { resource: {} } as never), cauceError("setting_invalid", /"resource"/));
    await assert.rejects(testWorkflow(working, { startAt: "now" as never }), cauceError("setting_invalid", /startAt/));
    await assert.rejects(testWorkflow(working, { patienceSeconds: 0 }), cauceError("setting_invalid", /patience/));
    await assert.rejects(testWorkflow(jobs as never), cauceError("app_invalid"));
    const broken = jobsOf(() => "done");
    await assert.rejects(testWorkflow(broken), /nothing real is opened/);
    await assert.rejects(testWorkflow(working, { resources: { signal: 1 } as never }), cauceError("app_invalid"));
  });
});
