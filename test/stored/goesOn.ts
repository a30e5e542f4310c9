import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type BackendFactory, type Cauce, createCauce, type DeliveryMode, type Order } from "../../src/index.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { atEnd } from "../engine/support.ts";
import { appOf, type Parcel } from "./parcels.ts";
import { actor, assertReads, type Expected, keyOf, readAll, readExpected, workflow } from "./reading.ts";

const log = { info() {}, warn() {}, error() {} };
const hoursLater = 3 * 3_600;
const daySeconds = 86_400;
const visitsShown = 50;

/** Registers the tests that an older Cauce's store is read and goes on. `copy` gives a test its own copy. */
export function describeStored(
  store: "sqlite" | "aws",
  delivery: DeliveryMode,
  copy: (t: TestContext) => Promise<BackendFactory>,
): void {
  const expected = readExpected(store, delivery);
  const open = async (t: TestContext) => {
    const backend = await copy(t);
    const clock = fakeClock(expected.at);
    const handled: string[] = [];
    const apps = appOf(({ data, status }) => {
      handled.push(`${(data as Parcel).label}, ${status}`);
      return "sent";
    });
    const cauce = await createCauce({ apps, backend, delivery, clock, log, actor });
    atEnd(t, () => cauce.close());
    return { cauce, clock, handled };
  };

  describe(`the ${store} store that ${expected.madeBy} left in ${delivery} delivery`, () => {
    it("reads as it did: orders, lists, queues, failures and pauses", async (t) => {
      const { cauce } = await open(t);
      assertReads(await readAll(cauce), expected);
      assert.equal(await cauce.get(workflow, expected.removedId), undefined);
    });

    it("finds each order again by its idempotency key, and none of one that was removed", async (t) => {
      const { cauce } = await open(t);
      const place = (label: string, data: unknown) => cauce.place(workflow, data, { idempotencyKey: keyOf(label) });
      for (const label of expected.keyed) {
        const { id, data } = orderOf(expected, label);
        const { placed, order } = await place(label, data);
        assert.deepEqual([placed, order.id], [false, id], label);
        await assert.rejects(place(label, { label: "other" }), { code: "idempotency_conflict" });
      }
      const { placed, order } = await place("removed", { label: "removed" });
      assert.equal(placed, true);
      assert.notEqual(order.id, expected.removedId);
      // A transition has a key of its own.
      const { id, version } = orderOf(expected, "moved");
      const moving = { to: "sent", reason: "the customer called", results: { asked: { by: "phone" } } };
      const again = await cauce.transition(workflow, id, moving, { idempotencyKey: keyOf("moving") });
      assert.equal(again.version, version);
    });

    it("goes on from every order's status to the order's end", async (t) => {
      const { cauce, clock, handled } = await open(t);
      const idOf = (label: string) => orderOf(expected, label).id;
      await cauce.transition(workflow, idOf("held"), { to: "sent" });
      await cauce.transition(workflow, idOf("lost"), { to: "sent" });
      await cauce.retry(workflow, idOf("failed"));
      clock.advance(hoursLater);
      await cauce.start();

      const packed = labelsIn(expected, "packed");
      const others = [...labelsIn(expected, "received"), ...labelsIn(expected, "weighed"), "failed", "held", "lost"];
      for (const label of others) await reaches(cauce, idOf(label), "sent");
      for (const label of packed) assert.equal((await cauce.get(workflow, idOf(label)))?.status, "packed", label);
      // A sweep does not queue a group in its order. On AWS a restored store has only the messages of the sweep.
      if (store === "sqlite" && delivery === "fifo") {
        const group = handled.filter((each) => each.startsWith("group"));
        assert.deepEqual(group, ["group head, received", "group second, received", "group third, received"]);
      }
      await cauce.resume(workflow, "packed");
      for (const label of packed) await reaches(cauce, idOf(label), "sent");
      assert.equal((await cauce.get(workflow, idOf("asked")))?.status, "asked");
      clock.advance(daySeconds);
      await reaches(cauce, idOf("asked"), "dropped");

      for (const [label, before] of Object.entries(expected.orders)) {
        const now = (await cauce.get(workflow, before.id)) ?? assert.fail(label);
        assert.deepEqual(now.data, before.data, label);
        assert.partialDeepStrictEqual(now.results, before.results, label);
        assert.equal(now.history.length, Math.min(visitsShown, now.visit + 1), label);
      }
      const failed = (await cauce.list(workflow, { failed: true })).items.map(({ id }) => id);
      assert.deepEqual(failed, [idOf("failed late"), idOf("failed alike")]);
    });
  });
}

/** Gives the labels of the orders that stood in a status and had not failed. */
function labelsIn({ orders }: Expected, status: string): string[] {
  return Object.entries(orders)
    .filter(([, order]) => order.status === status && order.failure === null)
    .map(([label]) => label);
}

function orderOf({ orders }: Expected, label: string): Order {
  return orders[label] ?? assert.fail(label);
}

async function reaches(cauce: Cauce, id: string, status: string): Promise<void> {
  for (;;) {
    const order = await cauce.get(workflow, id);
    if (order?.status === status) return;
    assert.equal(order?.failure, null);
    // A read of SQLite is no I/O. Without a turn of the event loop, no message of the writer's thread arrives.
    await turn();
  }
}
