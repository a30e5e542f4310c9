import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { createFlights } from "../../../src/backend/aws/flights.ts";
import { aws } from "../../../src/backend/aws/index.ts";
import { decodeOrder, orderPart } from "../../../src/backend/aws/item.ts";
import type { Orders } from "../../../src/backend/aws/orders.ts";
import { createSweeping, secondsAfter } from "../../../src/backend/aws/overdue.ts";
import type { Parts } from "../../../src/backend/aws/parts.ts";
import type { Queue } from "../../../src/backend/aws/queue.ts";
import type { Registry } from "../../../src/backend/aws/registry.ts";
import type { Backend } from "../../../src/backend/backend.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { startEmulators } from "./emulators.ts";
import { newOrder, stackOf, workflow } from "./support.ts";

const leaseSeconds = 30;
/** The lease and 30 s. */
const lostSeconds = 60;
const daySeconds = 86_400;

/** A stack whose time the test moves, with as many processes over it as are asked for. */
async function sweeping(t: TestContext, { shards = 3 } = {}) {
  const { stack, stage, table } = await stackOf(t, ["received"]);
  const clock = fakeClock();
  const sqs = new SQSClient();
  const opened: Backend[] = [];
  t.after(async () => {
    for (const backend of opened) await backend.close();
    sqs.destroy();
  });
  const open = async (shardsAtLeast = shards) => {
    const backend = await aws({ stage, ...stack, shards: shardsAtLeast })({
      ...{ workflow, delivery: "standard", clock },
      leaseSeconds: { received: leaseSeconds },
    });
    opened.push(backend);
    return backend;
  };
  const backend = await open();
  const place = async (count: number, over: Backend = backend): Promise<StoredOrder[]> =>
    bySome(Array.from({ length: count }), async () => {
      const placed = await over.place(newOrder(clock));
      assert.ok("order" in placed);
      return placed.order;
    });
  /** How many messages there are for each order; what was read stays away for the rest of the test. */
  const messages = async (): Promise<Map<string, number>> => {
    const counts = new Map<string, number>();
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          ...{ QueueUrl: stack.queueUrl("received"), MaxNumberOfMessages: 10, VisibilityTimeout: 600 },
        }),
      );
      if (Messages.length === 0) return counts;
      for (const { Body = "" } of Messages) {
        const { id } = JSON.parse(Body) as { id: string };
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
  };
  return { backend, open, clock, place, messages, table };
}

/** A few at once: the emulator does one thing at a time, and a call that waits for three seconds is given up. */
async function bySome<In, Out>(items: readonly In[], call: (item: In) => Promise<Out>): Promise<Out[]> {
  const outcomes: Out[] = [];
  for (let from = 0; from < items.length; from += 10) {
    outcomes.push(...(await Promise.all(items.slice(from, from + 10).map(call))));
  }
  return outcomes;
}

/** All that one sweep finds, so many orders a call. */
async function foundBy(backend: Backend, limit: number): Promise<StoredOrder[]> {
  const found: StoredOrder[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await backend.overdue({ limit, cursor });
    assert.ok(page.orders.length <= limit);
    found.push(...page.orders);
    if (page.nextCursor === null) return found;
    cursor = page.nextCursor;
  }
}

async function sweep(backend: Backend, limit = 100): Promise<void> {
  await bySome(await foundBy(backend, limit), (order) => backend.redeliver(order));
}

const idsOf = (orders: readonly { id: string }[]) => orders.map(({ id }) => id).sort();

describe("the sweep", { concurrency: 3 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("finds what is overdue in every shard, once, whatever fits into one call", async (t) => {
    const { backend, clock, place } = await sweeping(t);
    const placed = await place(12);
    clock.advance(lostSeconds - 0.001);
    assert.deepEqual(await foundBy(backend, 100), []);
    clock.advance(0.001);
    for (const limit of [1, 5, 12, 100]) assert.deepEqual(idsOf(await foundBy(backend, limit)), idsOf(placed));
  });

  it("finds the orders of a process with fewer shards, and goes on when their count has grown", async (t) => {
    const { backend, open, clock, place } = await sweeping(t, { shards: 2 });
    const placed = await place(5);
    clock.advance(lostSeconds);
    const first = await backend.overdue({ limit: 3 });
    const wider = await open(6);
    placed.push(...(await place(10, wider)));
    clock.advance(lostSeconds);
    const found = [...first.orders];
    for (let cursor = first.nextCursor; cursor !== null; ) {
      const page = await wider.overdue({ limit: 3, cursor });
      found.push(...page.orders);
      cursor = page.nextCursor;
    }
    assert.deepEqual(new Set(idsOf(found)), new Set(idsOf(placed)));
    assert.deepEqual(idsOf(await foundBy(wider, 100)), idsOf(placed));
  });

  it("that is cut off goes on with its cursor in another process, and repeats nothing", async (t) => {
    const { backend, open, clock, place, messages } = await sweeping(t);
    const placed = await place(9);
    await messages();
    clock.advance(lostSeconds);
    const begun = await backend.overdue({ limit: 4 });
    for (const order of begun.orders) await backend.redeliver(order);
    await backend.close();
    const other = await open();
    const rest: StoredOrder[] = [];
    for (let cursor = begun.nextCursor; cursor !== null; ) {
      const page = await other.overdue({ limit: 4, cursor });
      rest.push(...page.orders);
      for (const order of page.orders) await other.redeliver(order);
      cursor = page.nextCursor;
    }
    assert.deepEqual(idsOf([...begun.orders, ...rest]), idsOf(placed));
    assert.deepEqual(
      [...(await messages()).values()],
      placed.map(() => 1),
    );
  });

  it("refuses a cursor that it did not give", async (t) => {
    const { backend } = await sweeping(t);
    for (const cursor of [
      "",
      "x",
      Buffer.from("[1,2]").toString("base64url"),
      Buffer.from("null").toString("base64url"),
    ]) {
      await assert.rejects(backend.overdue({ limit: 1, cursor }), { code: "invalid_cursor" }, cursor);
    }
  });

  it("does no harm twice at once: of sweepers that see one order due, one marks it and sends", async (t) => {
    const { backend, open, clock, place, messages } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    await messages();
    clock.advance(lostSeconds);
    const sweepers = [backend, await open(), await open()];
    const seen = await Promise.all(sweepers.map((each) => each.overdue({ limit: 10 })));
    for (const { orders } of seen) assert.deepEqual(idsOf(orders), [order.id]);
    await Promise.all(sweepers.map((each) => each.redeliver(order)));
    assert.deepEqual(await messages(), new Map([[order.id, 1]]));
    // One that had read it before and comes late finds the mark.
    await backend.redeliver(order);
    assert.deepEqual(await messages(), new Map());
  });

  it("knows its own mark where the answer to it was lost, and sends", async (t) => {
    const { clock, place, table } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    clock.advance(lostSeconds);
    const sent: string[] = [];
    const never = () => assert.fail("not asked for");
    const { redeliver } = createSweeping({
      clock,
      // As the SDK does where a connection is lost: the call takes effect, and so does not its repeat.
      table: {
        ...table,
        update: async (input) => {
          assert.ok(await table.update(input));
          return table.update(input);
        },
      },
      orders: {
        readItem: (id) => table.read({ id, part: orderPart }),
        decode: async (item) => decodeOrder(item, {}),
      } as Partial<Orders> as Orders,
      queueOf: async () => ({ send: async ({ id }) => void sent.push(id) }) as Partial<Queue> as Queue,
      flights: createFlights(clock),
      lostSecondsOf: () => lostSeconds,
      ...{ registry: {} as Registry, parts: {} as Parts, onUnread: never, keepCounts: never },
    });
    await redeliver(order);
    assert.deepEqual(sent, [order.id]);
  });

  it("makes no commit stale: who has the order in hand goes on at the version that he read", async (t) => {
    const { backend, clock, place, messages } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    await messages();
    clock.advance(lostSeconds);
    await sweep(backend);
    assert.deepEqual(await messages(), new Map([[order.id, 1]]));
    assert.deepEqual(await backend.get(order.id), order);
    const after = { ...order, version: 2, resultsJson: '{"a":1}', updatedAt: clock.now() };
    assert.equal(await backend.commit({ before: order, after, ended: null, delivery: "keep" }), "committed");
    // And the change takes the mark off: the next message is due after one lease, and not after two.
    clock.advance(lostSeconds);
    assert.deepEqual(idsOf(await foundBy(backend, 10)), [order.id]);
  });

  it("adds for each of a long queue's orders a message after one lease, two, four, eight", async (t) => {
    const { backend, clock, place, messages } = await sweeping(t, { shards: 1 });
    const placed = await place(100);
    const perOrder = async () => [...new Set((await messages()).values())];
    assert.deepEqual(await perOrder(), [1]);
    const at = clock.now();
    const sentAfter: number[] = [];
    for (let minutes = 1; minutes <= 16; minutes++) {
      clock.advance(60);
      await sweep(backend, 1_000);
      const sent = await messages();
      if (sent.size === 0) continue;
      assert.deepEqual(idsOf([...sent.keys()].map((id) => ({ id }))), idsOf(placed));
      assert.deepEqual([...new Set(sent.values())], [1]);
      sentAfter.push((clock.now() - at) / 1_000 / lostSeconds);
    }
    assert.deepEqual(sentAfter, [1, 3, 7, 15]);
  });

  it("sends for 10,000 orders over a day of sweeps each minute no more than the logarithm of it", () => {
    const leases = [6, 60, 180, 3_600, 43_200];
    for (let n = 0; n < 10_000; n++) {
      const lost = (leases[n % leases.length] as number) + 30;
      let messages = 0;
      let dueSeconds = (n % 60) + lost;
      for (let now = 0; now < daySeconds; now += 60) {
        if (dueSeconds > now) continue;
        messages++;
        dueSeconds = now + secondsAfter(messages, lost);
      }
      // Up to the ninth doubling the times between grow; the shortest lease reaches it within the day.
      const most = Math.min(9, Math.log2(daySeconds / lost + 1)) + daySeconds / (lost * 2 ** 9);
      assert.ok(messages <= most, `${messages} messages with ${lost} s`);
      assert.ok(messages >= 1 || lost > daySeconds / 2, "it gave up");
    }
  });

  it("never gives an order up: the times between two messages end at about a day", () => {
    assert.equal(secondsAfter(100, 210) / daySeconds, (210 * 512) / daySeconds);
    assert.ok(secondsAfter(100, 210) < 2 * daySeconds);
  });
});
