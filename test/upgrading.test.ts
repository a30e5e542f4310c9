import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { sqlite } from "../src/backend/sqlite/index.ts";
import type { AnyHandler } from "../src/core/handlers.ts";
import type { StatusDefinition } from "../src/core/workflow.ts";
import {
  type App,
  type Cauce,
  type CauceOptions,
  createCauce,
  final,
  type Order,
  PermanentError,
} from "../src/index.ts";
import { fakeClock } from "../src/testing/fakeClock.ts";
import { copyStore, temporaryDirectory } from "./backend/sqlite/support.ts";
import { appOf, atEnd, cauceError, quiet, workflowOf } from "./engine/support.ts";

// Tests what docs/upgrading.md says of orders in flight when a workflow changes. A real store is opened with the old
// definition, closed or killed with orders in flight, and opened with the new definition.

const log = { info: () => {}, warn: () => {}, error: () => {} };

/** Makes a store over several deployments. Each must be closed or killed before the next. */
function deployments(t: TestContext) {
  const clock = fakeClock();
  const folders = [temporaryDirectory()];
  const directory = () => (folders.at(-1) as { directory: string }).directory;
  atEnd(t, () => {
    for (const folder of folders) folder.remove();
  });
  const hanging = new Set<() => void>();
  /** Opens a deployment, and does not start it. */
  const deploy = async (app: App, options: Partial<CauceOptions> = {}): Promise<Cauce> => {
    const backend = sqlite({ directory: directory() });
    const cauce = await createCauce({ apps: app, backend, clock, random: () => 0.5, log, ...options });
    atEnd(t, () => {
      for (const end of hanging) end();
      return cauce.close();
    });
    return cauce;
  };
  return {
    clock,
    deploy,
    async start(app: App, options?: Partial<CauceOptions>): Promise<Cauce> {
      const cauce = await deploy(app, options);
      await cauce.start();
      return cauce;
    },
    /** Gives the next deployment the present state of the disk, as after SIGKILL. */
    kill(): void {
      const left = directory();
      folders.push(temporaryDirectory());
      copyStore(left, directory());
    },
    /** Makes a handler that does not end before the test. */
    hanging() {
      const calls: string[] = [];
      let onCall: (() => void) | undefined;
      const handler: AnyHandler = ({ id }) =>
        new Promise((_, reject) => {
          hanging.add(() => reject(new PermanentError("the test has ended")));
          calls.push(id);
          onCall?.();
        });
      return {
        handler,
        calls,
        async called(times: number) {
          while (calls.length < times) {
            await new Promise<void>((resolve) => {
              onCall = resolve;
            });
          }
        },
      };
    },
  };
}

type Statuses = Readonly<Record<string, StatusDefinition>>;
type Parts = Parameters<typeof workflowOf>[1];

/** Makes an app whose handlers, unless given, return the first status that may follow. */
function app(statuses: Statuses, handlers: Record<string, AnyHandler> = {}, parts: Parts = {}): App {
  const own = Object.entries(statuses)
    .filter(([, status]) => !status.final && !status.waits)
    .map(([name, status]) => [name, handlers[name] ?? (() => status.to?.[0])]);
  return appOf(workflowOf(statuses, parts), Object.fromEntries(own));
}

async function until(cauce: Cauce, id: string, isSo: (order: Order) => boolean): Promise<Order> {
  for (;;) {
    const order = await cauce.get("orders", id);
    if (order !== undefined && isSo(order)) return order;
    await new Promise(setImmediate);
  }
}
const reaches = (cauce: Cauce, id: string, status: string) => until(cauce, id, (order) => order.status === status);
const fails = (cauce: Cauce, id: string) => until(cauce, id, ({ failure }) => failure !== null);
/** Tells whether an order's attempt has failed and the next is still to come. */
const isDelayed = ({ notBefore }: Order) => notBefore !== null;
const place = async (cauce: Cauce, data: object = {}) => (await cauce.place("orders", data)).order.id;
const get = async (cauce: Cauce, id: string) => (await cauce.get("orders", id)) as Order;
const down: AnyHandler = () => {
  throw new Error("down");
};
/** A policy whose delays are one hour: half of 7,200 s, by the tests' random. */
const hourly = { attempts: 5, baseSeconds: 7_200, maxSeconds: 7_200 };

const base = {
  received: { to: ["packed", "asked"] },
  packed: { to: ["sent"], retry: hourly },
  asked: { to: ["packed", "sent"], waits: true, expires: { afterSeconds: 3_600, to: "sent" } },
  sent: final,
} satisfies Statuses;
const toAsked = { received: () => "asked" };

describe("adding a status", () => {
  it("applies to orders in flight at the next start, also after a kill", async (t) => {
    const { start, kill, clock } = deployments(t);
    const first = await start(app(base, { packed: down }));
    const id = await place(first);
    await until(first, id, isDelayed);
    kill();
    const second = await start(
      app({ ...base, packed: { to: ["checked"], retry: hourly }, checked: { to: ["sent"] } }, { received: down }),
    );
    assert.equal((await get(second, id)).status, "packed");
    clock.advance(3_600);
    const order = await reaches(second, id, "sent");
    assert.deepEqual(
      order.history.map(({ status }) => status),
      ["received", "packed", "checked", "sent"],
    );
  });
});

describe("changing `to`, `exhausted` or visitsMax", () => {
  it("fails an order at once whose handler returns a status that may no longer follow, and uses the new `exhausted`", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, { packed: down }));
    const ids = [await place(first, { n: 0 }), await place(first, { n: 1 })];
    for (const id of ids) await until(first, id, isDelayed);
    await first.close();
    const packed: AnyHandler = () => "sent";
    const statuses = { ...base, packed: { to: ["asked"], retry: hourly } };
    const second = await start(app(statuses, { packed }));
    clock.advance(3_600);
    for (const id of ids) assert.equal((await fails(second, id)).failure?.code, "invalid_transition");
    await second.close();
    const third = await start(app({ ...statuses, packed: { ...statuses.packed, exhausted: "sent" } }, { packed }));
    for (const id of ids) await third.retry("orders", id);
    for (const id of ids) assert.match((await reaches(third, id, "sent")).history.at(-1)?.reason ?? "", /^exhausted/);
  });

  it("fails an order at its next transition where it has made more than the new visitsMax", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, { packed: down }));
    const id = await place(first);
    await until(first, id, isDelayed);
    await first.close();
    const second = await start(app({ ...base, packed: { to: ["asked"] } }, {}, { visitsMax: 1 }));
    clock.advance(3_600);
    const { status, failure } = await fails(second, id);
    assert.deepEqual([status, failure?.code], ["packed", "visits_exceeded"]);
  });
});

describe("retiring a status", () => {
  it("keeps its handler, its delays and its expiry, lets nothing enter, and goes once it is empty", async (t) => {
    const { start, deploy, clock } = deployments(t);
    const first = await start(app(base, { received: ({ data }) => (data as { to: string }).to, packed: down }));
    const packed = await place(first, { to: "packed" });
    const asked = await place(first, { to: "asked" });
    await until(first, packed, isDelayed);
    await reaches(first, asked, "asked");
    await first.close();

    const without = { received: { to: ["sent"] }, sent: final } satisfies Statuses;
    const second = await start(
      app({
        ...without,
        packed: { ...base.packed, retired: true },
        asked: { ...base.asked, to: ["sent"], retired: true },
      }),
    );
    await assert.rejects(second.transition("orders", asked, { to: "packed" }), cauceError("transition_not_allowed"));
    await reaches(second, await place(second), "sent");
    assert.deepEqual([(await get(second, packed)).status, (await get(second, asked)).status], ["packed", "asked"]);
    await second.close();
    const tooSoon = await deploy(app(without));
    await assert.rejects(
      tooSoon.start(),
      cauceError("orders_stranded", /1 order stands in "(packed|asked)".*1 order stands in "(packed|asked)"/),
    );
    await tooSoon.close();

    const third = await start(
      app({
        ...without,
        packed: { ...base.packed, retired: true },
        asked: { ...base.asked, to: ["sent"], retired: true },
      }),
    );
    clock.advance(3_600);
    await reaches(third, packed, "sent");
    await reaches(third, asked, "sent");
    await third.close();
    const last = await start(app(without));
    assert.deepEqual(
      (await last.queues("orders")).map(({ status }) => status),
      ["received"],
    );
  });
});

describe("removing a status with orders in it", () => {
  const gone = { received: { to: ["sent"] }, sent: final } satisfies Statuses;

  /** Leaves a delayed order in "packed" and an order in "asked". */
  async function left(t: TestContext) {
    const at = deployments(t);
    const first = await at.start(app(base, { received: ({ data }) => (data as { to: string }).to, packed: down }));
    const ids = [await place(first, { to: "packed" }), await place(first, { to: "asked" })] as const;
    await until(first, ids[0], isDelayed);
    await reaches(first, ids[1], "asked");
    await first.close();
    return { ...at, ids };
  }

  it("is refused and changes nothing, and the old definition goes on", async (t) => {
    const { deploy, start, clock, ids } = await left(t);
    const second = await deploy(app(gone));
    await assert.rejects(second.start(), cauceError("orders_stranded"));
    await second.close();
    const third = await start(app(base));
    clock.advance(3_600);
    assert.equal((await reaches(third, ids[0], "sent")).history[1]?.attempts, 2);
    await reaches(third, ids[1], "sent");
  });

  it("fails the orders on demand: each is listed, cannot be retried, and may be moved to any status", async (t) => {
    const { start, ids, clock } = await left(t);
    const second = await start(app(gone), { unknownStatuses: "fail" });
    for (const id of ids) assert.equal((await get(second, id)).failure?.code, "unknown_status");
    assert.deepEqual((await second.failures("orders")).map(({ status, count }) => [status, count]).sort(), [
      ["asked", 1],
      ["packed", 1],
    ]);
    await assert.rejects(second.retry("orders", ids[0]), cauceError("transition_not_allowed", /does not know/));
    await second.transition("orders", ids[0], { to: "received" });
    await reaches(second, ids[0], "sent");
    assert.equal((await second.transition("orders", ids[1], { to: "sent" })).status, "sent");
    clock.advance(86_400);
    await quiet();
    assert.deepEqual(await second.failures("orders"), []);
    assert.ok(
      (await second.queues("orders")).every(({ waiting, delayed, failed }) => waiting + delayed + failed === 0),
    );
  });

  it("fails the orders on demand, and a retry starts them again once the status is back", async (t) => {
    const { start, ids, clock } = await left(t);
    const second = await start(app(gone), { unknownStatuses: "fail" });
    await second.close();
    const third = await start(app(base));
    assert.deepEqual(await third.retryMany("orders", {}), { retried: 2, nextCursor: null });
    await reaches(third, ids[0], "sent");
    assert.equal((await get(third, ids[1])).status, "asked");
    clock.advance(3_600);
    await reaches(third, ids[1], "sent");
  });

  it("does not keep other orders from being handled where a killed process had the removed status's orders in hand", async (t) => {
    const { start, kill, hanging } = deployments(t);
    const { handler, called } = hanging();
    const first = await start(app(base, { packed: handler }));
    const ids = [await place(first), await place(first)];
    await called(2);
    kill();
    const second = await start(app(gone), { unknownStatuses: "fail" });
    for (const id of ids) assert.equal((await get(second, id)).failure?.code, "unknown_status");
    await reaches(second, await place(second), "sent");
    for (const id of ids) await second.transition("orders", id, { to: "received" });
    for (const id of ids) await reaches(second, id, "sent");
  });

  it("leaves failed orders with their failure: they are shown, strand no start, and an operator can move them", async (t) => {
    const { start } = deployments(t);
    const first = await start(app({ ...base, packed: { to: ["sent"], retry: { attempts: 1 } } }, { packed: down }));
    const ids = [await place(first), await place(first)];
    for (const id of ids) await fails(first, id);
    await first.close();
    const second = await start(app(gone));
    const [group] = await second.failures("orders");
    assert.deepEqual([group?.status, group?.message, group?.count], ["packed", "down", 2]);
    assert.equal((await second.queues("orders")).find(({ status }) => status === "packed")?.failed, 2);
    assert.equal((await second.list("orders", { status: "packed", failed: true })).items.length, 2);
    assert.equal((await get(second, ids[0] as string)).failure?.code, "handler_failed");
    assert.deepEqual(await second.retryMany("orders", {}), { retried: 0, nextCursor: null });
    await second.transition("orders", ids[0] as string, { to: "received" });
    await reaches(second, ids[0] as string, "sent");
    await second.transition("orders", ids[1] as string, { to: "sent" });
    assert.deepEqual(await second.failures("orders"), []);
  });
});

describe("tightening the data schema", () => {
  it("leaves stored orders with their data and their handling, and checks what is placed, a repeat too", async (t) => {
    const { start, clock } = deployments(t);
    const loose = { data: z.object({ n: z.int(), gone: z.string().optional() }) };
    const strict = { data: z.object({ n: z.int().max(9), note: z.string().default("none") }) };
    const first = await start(app(base, { packed: down }, loose));
    const key = { idempotencyKey: "k" };
    const id = (await first.place("orders", { n: 10 }, key)).order.id;
    const small = (await first.place("orders", { n: 1, gone: "x" }, { idempotencyKey: "s" })).order.id;
    await until(first, id, isDelayed);
    await until(first, small, isDelayed);
    await first.close();

    const seen: unknown[] = [];
    const packed: AnyHandler = ({ data }) => {
      seen.push(data);
      return "sent";
    };
    const second = await start(app(base, { packed }, strict));
    // A repeat whose content still fits gives the stored order, since the content as it came counts.
    const repeat = await second.place("orders", { n: 1, gone: "x" }, { idempotencyKey: "s" });
    assert.deepEqual([repeat.placed, repeat.order.id, repeat.order.data], [false, small, { n: 1, gone: "x" }]);
    // A repeat whose content no longer fits is refused like any other, and no order is placed.
    await assert.rejects(second.place("orders", { n: 10 }, key), cauceError("invalid_data"));
    clock.advance(3_600);
    await reaches(second, id, "sent");
    await reaches(second, small, "sent");
    assert.deepEqual(
      seen.toSorted((a, b) => (a as { n: number }).n - (b as { n: number }).n),
      [{ n: 1, gone: "x" }, { n: 10 }],
      "no default is filled in and no key is dropped",
    );
    assert.equal((await second.list("orders")).items.length, 2);
  });
});

describe("tightening the results schema", () => {
  it("leaves stored results until more are merged, and then all of them must fit, or the order fails", async (t) => {
    const { start, clock } = deployments(t);
    const to =
      (next: unknown): AnyHandler =>
      () =>
        next;
    const first = await start(app(base, { received: to({ to: "packed", results: { price: "7" } }), packed: down }));
    const ids = [await place(first, { n: 0 }), await place(first, { n: 1 })];
    for (const id of ids) await until(first, id, isDelayed);
    await first.close();
    const results = z.object({ price: z.number(), by: z.string() }).partial();
    const packed: AnyHandler = ({ data }) =>
      (data as { n: number }).n === 0 ? "sent" : { to: "sent", results: { by: "me" } };
    const second = await start(app(base, { packed }, { results }));
    clock.advance(3_600);
    const [plain, merging] = ids as [string, string];
    assert.deepEqual((await reaches(second, plain, "sent")).results, { price: "7" });
    const failed = await fails(second, merging);
    assert.deepEqual([failed.status, failed.failure?.code], ["packed", "invalid_results"]);
    await assert.rejects(
      second.transition("orders", merging, { to: "sent", results: { by: "me" } }),
      cauceError("invalid_results", /price/),
    );
    const moved = await second.transition("orders", merging, { to: "sent", results: { by: "me", price: 7 } });
    assert.deepEqual([moved.status, moved.results], ["sent", { by: "me", price: 7 }]);
  });
});

describe("changing the retry policy", () => {
  it("leaves a delayed order its time, and later attempts follow the new policy", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, { packed: down }));
    const id = await place(first);
    const { notBefore } = await until(first, id, isDelayed);
    await first.close();
    const retry = { attempts: 3, baseSeconds: 20, maxSeconds: 20 };
    const second = await start(app({ ...base, packed: { to: ["sent"], retry } }, { packed: down }));
    assert.equal((await get(second, id)).notBefore, notBefore);
    clock.advance(3_599);
    await quiet();
    assert.equal((await get(second, id)).attempts, 1);
    clock.advance(1);
    const again = await until(second, id, ({ attempts }) => attempts === 2);
    assert.equal(again.notBefore, new Date(clock.now() + 10_000).toISOString());
    clock.advance(10);
    assert.equal((await fails(second, id)).attempts, 3);
  });

  for (const handler of ["moves", "fails"] as const) {
    it(`makes one more attempt where fewer attempts are allowed than are used, and when the attempt ${handler} so does the order`, async (t) => {
      const { start, clock } = deployments(t);
      const first = await start(app(base, { packed: down }));
      const id = await place(first);
      for (let n = 1; n <= 3; n++) {
        await until(first, id, ({ attempts }) => attempts === n);
        if (n < 3) clock.advance(3_600);
      }
      await first.close();
      const second = await start(
        app({ ...base, packed: { to: ["sent"], retry: { attempts: 2 } } }, handler === "fails" ? { packed: down } : {}),
      );
      await quiet();
      assert.deepEqual([(await get(second, id)).attempts, (await get(second, id)).failure], [3, null]);
      clock.advance(3_600);
      if (handler === "fails") assert.equal((await fails(second, id)).attempts, 4);
      else assert.equal((await reaches(second, id, "sent")).history[1]?.attempts, 4);
    });
  }

  it("fails an order without another attempt where a killed process used up the attempts that are now allowed", async (t) => {
    const { start, kill, hanging } = deployments(t);
    const { handler, calls, called } = hanging();
    const first = await start(app(base, { packed: handler }));
    const id = await place(first);
    await called(1);
    kill();
    const second = await start(app({ ...base, packed: { to: ["sent"], retry: { attempts: 1 } } }, { packed: handler }));
    const { failure, attempts } = await fails(second, id);
    assert.deepEqual([failure?.code, attempts, calls.length], ["worker_lost", 1, 1]);
  });
});

describe("changing timeoutSeconds and concurrency", () => {
  it("applies from the next start, also to orders that a killed process had in hand", async (t) => {
    const { start, kill, clock, hanging } = deployments(t);
    const old = hanging();
    const first = await start(
      app({ ...base, packed: { ...base.packed, timeoutSeconds: 1_000 } }, { packed: old.handler }),
    );
    const ids = [await place(first), await place(first), await place(first)];
    await old.called(3);
    kill();
    const now = hanging();
    const second = await start(
      app({ ...base, packed: { ...base.packed, timeoutSeconds: 5, concurrency: 1 } }, { packed: now.handler }),
    );
    await now.called(1);
    await quiet();
    assert.equal(now.calls.length, 1, "one at a time");
    const [one] = now.calls as [string];
    assert.ok(ids.includes(one));
    clock.advance(5);
    const timedOut = await until(second, one, isDelayed);
    assert.deepEqual(
      [timedOut.attempts, timedOut.history[1]?.error],
      [2, 'the handler of "packed" did not end within 5 s'],
    );
    await now.called(2);
    // Orders that were in hand are tried one by one. The other two time out here, so that the close need not wait.
    clock.advance(5);
    await now.called(3);
    clock.advance(5);
    await until(second, now.calls[2] as string, isDelayed);
  });
});

describe("changing the kind of a status", () => {
  const kinds: [string, Statuses][] = [
    ["waiting", { ...base, packed: { to: ["sent"], waits: true } }],
    ["final", { ...base, packed: final, asked: { to: ["sent"], waits: true } }],
  ];
  for (const [kind, statuses] of kinds) {
    it(`is refused from handled to ${kind} while orders stand there, and they are handled again once the kind is back`, async (t) => {
      const { start, deploy, clock } = deployments(t);
      const first = await start(app(base, { packed: down }));
      const id = await place(first);
      const { notBefore } = await until(first, id, isDelayed);
      await first.close();
      for (const unknownStatuses of ["refuse", "fail"] as const) {
        const second = await deploy(app(statuses), { unknownStatuses });
        const message = new RegExp(`1 order stands in "packed", which was handled and is ${kind} now`);
        await assert.rejects(second.start(), cauceError("orders_stranded", message));
        await second.close();
      }
      const third = await start(app(base));
      assert.equal((await get(third, id)).notBefore, notBefore);
      clock.advance(3_600);
      await reaches(third, id, "sent");
    });
  }

  it("is refused from waiting to handled or final, and orders wait on as before once the kind is back", async (t) => {
    const { start, deploy, clock } = deployments(t);
    const first = await start(app(base, toAsked));
    const id = await place(first);
    const { expiresAt } = await reaches(first, id, "asked");
    await first.close();
    for (const [kind, asked] of [
      ["handled", { to: ["sent"] }],
      ["final", final],
    ] as const) {
      const second = await deploy(app({ ...base, asked }));
      const message = new RegExp(`1 order stands in "asked", which was waiting and is ${kind} now`);
      await assert.rejects(second.start(), cauceError("orders_stranded", message));
      await second.close();
    }
    const third = await start(app(base));
    assert.equal((await get(third, id)).expiresAt, expiresAt);
    clock.advance(3_600);
    await reaches(third, id, "sent");
  });

  it("is not refused for failed orders, and a retry gives them the status's new kind", async (t) => {
    const { start } = deployments(t);
    const once = { to: ["sent"], retry: { attempts: 1 } };
    const first = await start(app({ ...base, packed: once }, { packed: down }));
    const ids = [await place(first), await place(first), await place(first)] as const;
    for (const id of ids) await fails(first, id);
    await first.close();

    const second = await start(
      app({ ...base, packed: { to: ["sent"], waits: true, expires: { afterSeconds: 60, to: "sent" } } }),
    );
    const row = async (cauce: Cauce) =>
      (await cauce.queues("orders"))
        .filter(({ status }) => status === "packed")
        .map(({ kind, waiting, failed }) => [kind, waiting, failed]);
    assert.deepEqual(await row(second), [
      ["waiting", 0, 0],
      ["handled", 0, 3],
    ]);
    assert.notEqual((await second.retry("orders", ids[0])).expiresAt, null);
    assert.deepEqual(await row(second), [
      ["waiting", 1, 0],
      ["handled", 0, 2],
    ]);
    await second.transition("orders", ids[0], { to: "sent" });
    await second.close();

    const third = await start(app({ ...base, packed: final }));
    await assert.rejects(third.transition("orders", ids[1], { to: "sent" }), cauceError("transition_not_allowed"));
    const ended = await third.retry("orders", ids[1]);
    assert.deepEqual([ended.status, ended.failure], ["packed", null]);
    assert.equal((await row(third))[0]?.[2], 1);
    await third.close();

    const fourth = await start(app({ ...base, packed: once }));
    await fourth.retry("orders", ids[2]);
    await reaches(fourth, ids[2], "sent");
    assert.deepEqual(await row(fourth), [["handled", 0, 0]]);
  });

  const revived: [string, Statuses][] = [
    ["handled", { ...base, sent: { to: ["archived"] }, archived: final }],
    ["waiting", { ...base, sent: { to: ["archived"], waits: true }, archived: final }],
    ["gone", { received: { to: ["archived"] }, archived: final }],
  ];
  for (const [kind, statuses] of revived) {
    it(`leaves ended orders ended from final to ${kind}, and only new orders go on`, async (t) => {
      const { start, clock } = deployments(t);
      const first = await start(app(base));
      const id = await place(first);
      const ended = await reaches(first, id, "sent");
      await first.close();
      const second = await start(app(statuses));
      await assert.rejects(
        second.transition("orders", id, { to: "archived" }),
        cauceError("transition_not_allowed", /"sent".* final/),
      );
      await assert.rejects(second.retry("orders", id), cauceError("not_failed"));
      const next = await place(second);
      if (kind === "waiting") {
        await reaches(second, next, "sent");
        await second.transition("orders", next, { to: "archived" });
      }
      await reaches(second, next, "archived");
      clock.advance(86_400);
      await quiet();
      assert.deepEqual(await get(second, id), ended);
      assert.deepEqual((await second.list("orders", { status: "sent" })).items, [ended]);
    });
  }
});

describe("changing the expiry of a wait", () => {
  it("leaves a waiting order its time, and the order goes where the new definition says", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, toAsked));
    const id = await place(first);
    await reaches(first, id, "asked");
    await first.close();
    const second = await start(
      app({
        ...base,
        asked: { ...base.asked, to: ["dropped"], expires: { afterSeconds: 60, to: "dropped" } },
        dropped: final,
      }),
    );
    clock.advance(3_599);
    await quiet();
    assert.equal((await get(second, id)).status, "asked");
    clock.advance(1);
    await reaches(second, id, "dropped");
  });

  it("lets an order wait for ever where it removes the expiry, and applies to new orders alone where it adds one", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, toAsked));
    const id = await place(first);
    await reaches(first, id, "asked");
    await first.close();
    const second = await start(app({ ...base, asked: { to: ["sent"], waits: true } }));
    clock.advance(3_600);
    assert.equal((await until(second, id, ({ expiresAt }) => expiresAt === null)).status, "asked");
    await second.close();
    const third = await start(app(base, toAsked));
    const later = await place(third);
    await reaches(third, later, "asked");
    clock.advance(86_400);
    await reaches(third, later, "sent");
    assert.equal((await get(third, id)).status, "asked");
    await third.transition("orders", id, { to: "sent" });
  });
});

describe("changing the group", () => {
  it("leaves an order the group that it was placed with, and only later orders have the new one", async (t) => {
    const { start, clock } = deployments(t);
    const of = (key: string) => ({ group: (data: unknown) => (data as Record<string, string>)[key] ?? null });
    const handled: number[] = [];
    const packed: AnyHandler = ({ data }) => {
      handled.push((data as { n: number }).n);
      return "sent";
    };
    const first = await start(app(base, { packed: down }, of("customer")), { delivery: "fifo" });
    const id = await place(first, { customer: "a", region: "x", n: 1 });
    await until(first, id, isDelayed);
    const behind = await place(first, { customer: "a", region: "y", n: 2 });
    await reaches(first, behind, "packed");
    await first.close();
    const second = await start(app(base, { packed }, of("region")), { delivery: "fifo" });
    const next = await place(second, { customer: "a", region: "x", n: 3 });
    await reaches(second, next, "sent");
    assert.deepEqual(handled, [3], "of another group, it does not wait");
    clock.advance(3_600);
    await reaches(second, behind, "sent");
    assert.deepEqual(handled, [3, 1, 2]);
    assert.deepEqual([(await get(second, id)).group, (await get(second, next)).group], ["a", "x"]);
  });
});

describe("switching the delivery", () => {
  const group = { group: () => "all" };

  for (const ended of ["closed", "killed"] as const) {
    it(`keeps queued orders in their order and one at a time, from standard to FIFO (${ended})`, async (t) => {
      const { start, kill, clock, hanging } = deployments(t);
      const { handler, called } = hanging();
      const first = await start(
        app(
          base,
          { packed: (order, context) => (ended === "killed" ? handler(order, context) : down(order, context)) },
          group,
        ),
      );
      const ids: string[] = [];
      for (let n = 0; n < 3; n++) {
        ids.push(await place(first, { n }));
        if (ended === "killed") await called(n + 1);
        else await until(first, ids[n] as string, isDelayed);
      }
      if (ended === "killed") kill();
      else await first.close();
      const handled: string[] = [];
      let running = 0;
      const packed: AnyHandler = async ({ id }) => {
        handled.push(id);
        assert.equal(++running, 1);
        await new Promise(setImmediate);
        running--;
        return "sent";
      };
      const second = await start(app(base, { packed }, group), { delivery: "fifo" });
      clock.advance(3_600);
      for (const id of ids) await reaches(second, id, "sent");
      assert.deepEqual(handled, ids);
      assert.deepEqual(
        (await second.queues("orders")).map(({ waiting, inFlight, delayed }) => waiting + inFlight + delayed),
        [0, 0, 0],
      );
    });
  }

  it("ends the wait of orders for others of their group, from FIFO to standard", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, { packed: down }, group), { delivery: "fifo" });
    const head = await place(first);
    await until(first, head, isDelayed);
    const behind = await place(first);
    await reaches(first, behind, "packed");
    await first.close();
    const second = await start(app(base, {}, group), { delivery: "standard" });
    await reaches(second, behind, "sent");
    assert.equal((await get(second, head)).status, "packed");
    clock.advance(3_600);
    await reaches(second, head, "sent");
  });
});

describe("changing initial", () => {
  it("starts new orders there, lets stored orders go on, and gives a repeat its earlier order", async (t) => {
    const { start } = deployments(t);
    const first = await start(app(base, toAsked));
    const { order } = await first.place("orders", {}, { idempotencyKey: "k" });
    await reaches(first, order.id, "asked");
    await first.close();
    const second = await start(app({ checked: { to: ["sent"] }, ...base }));
    const repeat = await second.place("orders", {}, { idempotencyKey: "k" });
    assert.deepEqual([repeat.placed, repeat.order.id, repeat.order.status], [false, order.id, "asked"]);
    const next = await reaches(second, await place(second), "sent");
    assert.deepEqual(
      next.history.map(({ status }) => status),
      ["checked", "sent"],
    );
    await second.transition("orders", order.id, { to: "sent" });
  });
});

describe("renaming the workflow", () => {
  it("makes another workflow with another file, and the orders stay under the old name, untouched", async (t) => {
    const { start, clock } = deployments(t);
    const first = await start(app(base, { packed: down }));
    const id = await place(first);
    await until(first, id, isDelayed);
    await first.close();
    const renamed = await start(app(base, {}, { name: "sales" }));
    assert.deepEqual((await renamed.list("sales")).items, []);
    await renamed.close();
    const back = await start(app(base));
    clock.advance(3_600);
    await reaches(back, id, "sent");
  });
});
