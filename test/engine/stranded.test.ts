import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { Depth, LocatedBackend } from "../../src/backend/port.ts";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { type AnyWorkflow, final } from "../../src/core/workflow.ts";
import { refuseStranded } from "../../src/engine/queues.ts";
import type { FakeClock } from "../../src/testing/fakeClock.ts";
import {
  appOf,
  cauceError,
  engineOf,
  isFailed,
  isIn,
  openStore,
  quiet,
  refused,
  taken,
  workflowOf,
} from "./support.ts";

const before = workflowOf({
  received: { to: ["packed", "review", "shipped"], retry: { attempts: 1 } },
  packed: { to: ["shipped"] },
  review: { to: ["shipped"], waits: true, expires: { afterSeconds: 60, to: "shipped" } },
  shipped: final,
});

/** Takes orders to the status that their data names, under the first definition, whose engine then stops. */
async function placed(
  t: TestContext,
  { clock, backend }: { clock: FakeClock; backend: LocatedBackend },
  ...destinations: readonly string[]
): Promise<string[]> {
  const received: AnyHandler = ({ data }) => {
    const { to } = data as { to: string };
    if (to === "failed") throw new Error("down");
    return to;
  };
  const { engine, place, until } = engineOf(t, appOf(before, { received, packed: () => "shipped" }), {
    clock,
    // No delivery of "packed" is received, so orders stay in that status.
    backend: {
      ...backend,
      receive: (options) => backend.receive(options.status === "packed" ? { ...options, status: "nobody" } : options),
    },
  });
  await engine.start();
  const ids: string[] = [];
  for (const to of destinations) {
    const { id } = await place({ to });
    await until(id, to === "failed" ? isFailed : isIn(to));
    ids.push(id);
  }
  await engine.stop();
  return ids;
}

function depth(status: string, kind: Depth["kind"], counts: Partial<Depth>): Depth {
  return {
    status,
    kind,
    waiting: 0,
    inFlight: 0,
    delayed: 0,
    failed: 0,
    oldestWaitingAt: null,
    paused: false,
    atLeast: false,
    ...counts,
  };
}

describe("refuseStranded", () => {
  test("counts orders that are queued, in flight or delayed, and leaves failed orders to the operators", () => {
    const gone = depth("gone", "handled", { waiting: 2, inFlight: 3, delayed: 4, failed: 5 });
    assert.throws(
      () => refuseStranded(before, [gone], "refuse"),
      cauceError("orders_stranded", /"orders": 9 orders stand in "gone"/),
    );
    assert.deepEqual(refuseStranded(before, [{ ...gone, waiting: 0, inFlight: 0, delayed: 0 }], "refuse"), []);
    const atLeast = { ...gone, atLeast: true };
    assert.throws(() => refuseStranded(before, [atLeast], "refuse"), cauceError("orders_stranded", /9 or more orders/));
  });

  test("names every stranded status, how many orders stand there, and what to do", () => {
    const depths = [
      depth("gone", "handled", { waiting: 1 }),
      depth("lost", "waiting", { waiting: 2 }),
      depth("packed", "waiting", { waiting: 3 }),
      depth("review", "handled", { delayed: 4 }),
      depth("shipped", "handled", { inFlight: 5 }),
      depth("received", "handled", { waiting: 6 }),
    ];
    const message =
      'workflow "orders": 1 order stands in "gone", which the definition no longer has; ' +
      '2 orders stand in "lost", which the definition no longer has; ' +
      '3 orders stand in "packed", which was waiting and is handled now; ' +
      '4 orders stand in "review", which was handled and is waiting now; ' +
      '5 orders stand in "shipped", which was handled and is final now; ' +
      'put the status back with retired: true until it is empty, or start with --unknown-statuses fail (in the library unknownStatuses: "fail"), which marks those orders failed; ' +
      "give the status its old kind until it is empty, and what is new another name";
    assert.throws(() => refuseStranded(before, depths, "refuse"), { code: "orders_stranded", message });
  });

  test("gives each unknown status once where such orders may be failed, and still refuses a changed kind", () => {
    const unknown = [depth("gone", "handled", { waiting: 1 }), depth("gone", "waiting", { waiting: 1 })];
    assert.deepEqual(refuseStranded(before, unknown, "fail"), ["gone"]);
    const packed = depth("packed", "waiting", { waiting: 3 });
    assert.throws(
      () => refuseStranded(before, [...unknown, packed], "fail"),
      cauceError(
        "orders_stranded",
        /^workflow "orders": 3 orders stand in "packed"[^;]*; give the status its old kind[^;]*$/,
      ),
    );
  });
});

const without = workflowOf({ received: { to: ["shipped"] }, shipped: final });
const handlers = { received: () => "shipped" };

for (const store of ["memory", "sqlite"] as const) {
  describe(`a definition that no longer has a status, over ${store}`, () => {
    test("does not start while orders stand there, and opens nothing", async (t) => {
      const at = await openStore(t, store);
      await placed(t, at, "packed", "packed", "review", "shipped");
      let opened = 0;
      const app = appOf(without, handlers, { resources: () => ({ n: ++opened }) });
      const { engine, place, get } = engineOf(t, app, at);
      await assert.rejects(
        engine.start(),
        cauceError("orders_stranded", /2 orders stand in "packed".*1 order stands in "review".*retired: true/),
      );
      const { id } = await place();
      await quiet();
      assert.deepEqual([opened, (await get(id)).status], [0, "received"], "nothing is handled");
    });

    test("starts when only finished and failed orders stand there, and an operator can move the failed ones", async (t) => {
      const at = await openStore(t, store);
      const [failed = "", shipped = ""] = await placed(t, at, "failed", "shipped");
      const fresh = workflowOf({ taken: { to: ["sent"] }, sent: final });
      const { engine, get, until } = engineOf(t, appOf(fresh, { taken: () => "sent" }), at);
      await engine.start();
      assert.equal((await get(shipped)).status, "shipped");
      refused(await engine.retry(failed), "transition_not_allowed");
      assert.deepEqual(await engine.retryMany({}), { retried: 0, nextCursor: null });
      taken(await engine.transition(failed, { to: "taken" }));
      assert.deepEqual((await until(failed, isIn("sent"))).past[0]?.error, "down");
    });

    test("marks the orders with unknown_status where it may fail them, and an operator can move them to any status", async (t) => {
      const at = await openStore(t, store);
      const ids = await placed(t, at, "packed", "review", "packed", "shipped");
      const { engine, until, get, of, changes } = engineOf(t, appOf(without, handlers), {
        ...at,
        unknownStatuses: "fail",
      });
      await engine.start();
      assert.deepEqual(changes.map(({ after }) => after.id).toSorted(), ids.slice(0, 3).toSorted());
      for (const id of ids.slice(0, 3)) {
        const order = await get(id);
        assert.deepEqual([order.failure?.code, order.expiresAt, order.visit], ["unknown_status", null, 1]);
        assert.match(order.failure?.message ?? "", /is not in the workflow "orders"; move the order/);
      }
      assert.deepEqual(
        of("orders marked failed: their status is not in the workflow")
          .map(({ fields }) => [fields.status, fields.marked])
          .toSorted(),
        [
          ["packed", 2],
          ["review", 1],
        ],
      );
      assert.equal((await get(ids[3] ?? "")).failure, null);

      const [one = "", two = "", three = ""] = ids;
      refused(await engine.retry(one), "transition_not_allowed");
      taken(await engine.transition(one, { to: "received", reason: "packed is gone" }));
      await until(one, isIn("shipped"));
      taken(await engine.transition(two, { to: "shipped" }));
      refused(await engine.transition(three, { to: "packed" }), "transition_not_allowed");
      at.clock.advance(3_600);
      await quiet();
      assert.deepEqual((await get(two)).visit, 2, "its wait no longer expires");
    });
  });
}

test("marking orders with unknown_status reaches all of them, over several pages", async (t) => {
  const at = await openStore(t);
  const many = workflowOf({ parked: { to: ["done"], waits: true }, done: final });
  const first = engineOf(t, appOf(many), at);
  for (let n = 0; n < 1_203; n++) await first.place();
  const { engine, changes } = engineOf(t, appOf(without, handlers), { ...at, unknownStatuses: "fail" });
  await engine.start();
  assert.equal(changes.length, 1_203);
  assert.deepEqual(
    (await engine.queues()).map(({ status, waiting, failed }) => [status, waiting, failed]),
    [
      ["received", 0, 0],
      ["parked", 0, 1_203],
    ],
  );
});

test("a status that becomes another kind is refused, also where unknown statuses may be failed", async (t) => {
  const at = await openStore(t);
  await placed(t, at, "packed", "review");
  const kinds: [AnyWorkflow, Record<string, AnyHandler>, RegExp][] = [
    [
      workflowOf({ ...before.statuses, packed: { to: ["shipped"], waits: true } }),
      handlers,
      /1 order stands in "packed", which was handled and is waiting now/,
    ],
    [
      workflowOf({ ...before.statuses, review: { to: ["shipped"] } }),
      { ...handlers, packed: () => "shipped", review: () => "shipped" },
      /1 order stands in "review", which was waiting and is handled now/,
    ],
    [
      workflowOf({ ...before.statuses, packed: final }),
      handlers,
      /1 order stands in "packed", which was handled and is final now/,
    ],
  ];
  for (const [workflow, its, message] of kinds) {
    for (const unknownStatuses of ["refuse", "fail"] as const) {
      const { engine } = engineOf(t, appOf(workflow, its), { ...at, unknownStatuses });
      await assert.rejects(engine.start(), cauceError("orders_stranded", message));
    }
  }
});

test("a retired status is still handled, its waits still expire, and nothing enters it", async (t) => {
  const at = await openStore(t);
  const [packed = "", review = "", failed = ""] = await placed(t, at, "packed", "review", "failed");
  const retiring = workflowOf({
    received: { to: ["shipped"] },
    packed: { to: ["shipped"], retired: true },
    review: { to: ["shipped"], waits: true, expires: { afterSeconds: 60, to: "shipped" }, retired: true },
    shipped: final,
  });
  const { engine, place, until } = engineOf(
    t,
    appOf(retiring, { received: ({ data }) => (data as { to?: string }).to ?? "shipped", packed: () => "shipped" }),
    at,
  );
  await engine.start();
  await until(packed, isIn("shipped"));
  at.clock.advance(60);
  await until(review, isIn("shipped"));
  refused(await engine.transition(failed, { to: "packed" }), "transition_not_allowed");
  const order = await until((await place({ to: "packed" })).id, isFailed);
  assert.equal(order.failure?.code, "invalid_transition");
});
