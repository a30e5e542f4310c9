import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { redeliver, secondsAfter } from "../../../../src/backend/aws/index/sweep.ts";
import { aws } from "../../../../src/backend/aws/index.ts";
import { attributes as a, settingAll } from "../../../../src/backend/aws/item.ts";
import { createLeases } from "../../../../src/backend/aws/queue/inFlight.ts";
import type { AwsContext, SqsQueue } from "../../../../src/backend/aws/queue/queue.ts";
import { orderKey } from "../../../../src/backend/aws/table.ts";
import type { Backend, Swept } from "../../../../src/backend/port.ts";
import type { Change } from "../../../../src/core/decide.ts";
import type { CauceError } from "../../../../src/core/errors.ts";
import type { StoredOrder } from "../../../../src/core/order.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { startEmulators } from "../emulators.ts";
import { newOrder, stackOf, workflow } from "../support.ts";

const leaseSeconds = 30;
/** The lease and 30 s. */
const lostSeconds = 60;
/** For an unknown status: 180 s and 30 s. */
const usualLostSeconds = 210;
const daySeconds = 86_400;

/** Opens a stack whose time the test moves. `open` adds a process over the stack. */
async function sweeping(t: TestContext, { shards = 3 } = {}) {
  const { stack, stage, table } = await stackOf(t, ["received"]);
  const clock = fakeClock();
  const sqs = new SQSClient();
  const opened: Backend[] = [];
  t.after(async () => {
    for (const backend of opened) await backend.close();
    sqs.destroy();
  });
  const open = async (shardsMin = shards) => {
    const backend = await aws({ stage, ...stack, shards: shardsMin })({
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
  /** Counts the messages of each order. Counted messages stay invisible for the rest of the test. */
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
  const inFlight = async (): Promise<number> => {
    const AttributeNames = ["ApproximateNumberOfMessagesNotVisible"] as const;
    const input = { QueueUrl: stack.queueUrl("received"), AttributeNames: [...AttributeNames] };
    const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand(input));
    return Number(Attributes[AttributeNames[0]]);
  };
  return { backend, open, clock, place, messages, inFlight, table };
}

/** Makes ten calls at a time. The emulator does one thing at a time, and a call is given up after 3 s. */
async function bySome<In, Out>(items: readonly In[], call: (item: In) => Promise<Out>): Promise<Out[]> {
  const outcomes: Out[] = [];
  for (let from = 0; from < items.length; from += 10) {
    outcomes.push(...(await Promise.all(items.slice(from, from + 10).map(call))));
  }
  return outcomes;
}

/** Sweeps to the end, `limit` orders a call, and gives the number of redelivered orders. */
async function sweep(backend: Backend, limit = 100, from?: string): Promise<number> {
  let all = 0;
  for (let cursor = from; ; ) {
    const { redelivered, expired, failed, nextCursor } = await backend.sweep({ limit, cursor });
    assert.ok(redelivered <= limit);
    assert.deepEqual([expired, failed], [[], []]);
    all += redelivered;
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
}

const idsOf = (orders: readonly { id: string }[]) => orders.map(({ id }) => id).sort();
/** Gives what `messages` gives where each order has one message. */
const onceEach = (orders: readonly StoredOrder[]) => new Map(idsOf(orders).map((id) => [id, 1]));

describe("the sweep", { concurrency: 3 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("queues overdue orders of every shard again, once, whatever the limit of one call", async (t) => {
    const { backend, clock, place, messages } = await sweeping(t);
    const placed = await place(12);
    await messages();
    for (const [n, limit] of [1, 5, 12, 100].entries()) {
      clock.advance(lostSeconds * 2 ** n - 0.001);
      assert.equal(await sweep(backend), 0);
      clock.advance(0.001);
      assert.equal(await sweep(backend, limit), 12);
      assert.deepEqual(await messages(), onceEach(placed));
    }
  });

  it("reaches the orders of a process with fewer shards, and goes on when the number of shards has grown", async (t) => {
    const { backend, open, clock, place, messages } = await sweeping(t, { shards: 2 });
    const placed = await place(5);
    await messages();
    clock.advance(lostSeconds);
    const { redelivered, nextCursor } = await backend.sweep({ limit: 3 });
    const sent = await messages();
    const wider = await open(6);
    placed.push(...(await place(10, wider)));
    await messages();
    clock.advance(lostSeconds);
    const rest = await sweep(wider, 3, nextCursor ?? assert.fail());
    assert.ok(redelivered + rest >= 5, "all of two shards");
    assert.equal(redelivered + rest + (await sweep(wider)), 15);
    assert.deepEqual(new Map([...sent, ...(await messages())]), onceEach(placed));
    clock.advance(4 * lostSeconds);
    assert.equal(await sweep(wider), 15);
    assert.deepEqual(await messages(), onceEach(placed));
  });

  it("goes on with its cursor in another process where it was interrupted, and repeats nothing", async (t) => {
    const { backend, open, clock, place, messages } = await sweeping(t);
    const placed = await place(9);
    await messages();
    clock.advance(lostSeconds);
    const { redelivered, nextCursor } = await backend.sweep({ limit: 4 });
    assert.equal(redelivered, 4);
    await backend.close();
    assert.equal(await sweep(await open(), 4, nextCursor ?? assert.fail()), 5);
    assert.deepEqual(await messages(), onceEach(placed));
  });

  it("reports a delivery that it could not queue, and queues those behind it", async (t) => {
    const { backend, clock, place, messages } = await sweeping(t, { shards: 1 });
    const [first] = await place(1);
    // The status "gone" has no queue.
    await backend.place(newOrder(clock, { status: "gone" }));
    const [last] = await place(1);
    assert.ok(first && last);
    await messages();
    clock.advance(lostSeconds + 180);
    const { redelivered, failed, nextCursor } = await backend.sweep({ limit: 100 });
    assert.deepEqual([redelivered, nextCursor], [2, null]);
    assert.deepEqual(
      failed.map((error) => (error as CauceError).code),
      ["store_missing"],
    );
    assert.deepEqual(await messages(), onceEach([first, last]));
  });

  it("refuses a cursor that no sweep returned", async (t) => {
    const { backend } = await sweeping(t);
    for (const cursor of [
      "",
      "x",
      Buffer.from("[1,2]").toString("base64url"),
      Buffer.from("null").toString("base64url"),
    ]) {
      await assert.rejects(backend.sweep({ limit: 1, cursor }), { code: "invalid_cursor" }, cursor);
    }
  });

  it("may run several times at once: one of the sweeps that see an order due marks the order and sends", async (t) => {
    const { backend, open, clock, place, messages } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    await messages();
    clock.advance(lostSeconds);
    const sweepers = [backend, await open(), await open()];
    await Promise.all(sweepers.map((each) => sweep(each)));
    assert.deepEqual(await messages(), onceEach([order]));
    // A sweep that read the order before and comes late finds the mark.
    const stray = { orderId: order.id, status: "before", visit: 0, receipt: "r", redelivered: true, messageId: null };
    await backend.settle(stray, { verdict: "superseded", by: order });
    assert.deepEqual(await messages(), new Map());
  });

  it("recognizes its own mark where the answer was lost, and sends", async (t) => {
    const { clock, place, table } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    clock.advance(lostSeconds);
    const sent: string[] = [];
    const context = {
      clock,
      // Where a connection is lost, the SDK repeats the call: the first takes effect, and the repeat does not.
      table: {
        ...table,
        update: async (key, input) => {
          assert.ok(await table.update(key, input));
          return table.update(key, input);
        },
      },
      queueOf: async () => ({ send: async ({ id }) => void sent.push(id) }) as Partial<SqsQueue> as SqsQueue,
      leases: createLeases(clock),
      leaseSeconds: { received: leaseSeconds },
    } as Partial<AwsContext> as AwsContext;
    await redeliver(context, order, "kept");
    assert.deepEqual(sent, [order.id]);
  });

  it("sends before it deletes a superseded delivery, which stays where nothing can be sent", async (t) => {
    const { backend, open, clock, place, inFlight } = await sweeping(t);
    const [order] = await place(1);
    const [stray] = await backend.receive({ status: "received", max: 1, leaseSeconds, waitSeconds: 1 });
    assert.ok(order && stray);
    // Another process moved the order to a status without a queue.
    const fields = { status: "gone", visit: 1, version: 2 };
    const after: StoredOrder = { ...order, ...fields, entry: { ...order.entry, at: clock.now() } };
    const change = { before: order, after, ended: null, delivery: "enter" } as const;
    assert.equal(await (await open()).commit(change), "committed");
    // A message that was not sent never counts as sent, however often the settle is repeated.
    for (let tries = 0; tries < 3; tries++) {
      await assert.rejects(backend.settle(stray, { verdict: "superseded", by: after }), { code: "store_missing" });
      assert.equal(await inFlight(), 1);
    }
    // The sweep finds the order due as early as without the failed settles.
    clock.advance(usualLostSeconds - 1);
    assert.deepEqual((await backend.sweep({ limit: 100 })).failed, []);
    clock.advance(1);
    assert.equal((await backend.sweep({ limit: 100 })).failed.length, 1);
  });

  it("makes no commit stale: a process that has the order in hand commits at the version that it read", async (t) => {
    const { backend, clock, place, messages } = await sweeping(t);
    const [order] = await place(1);
    assert.ok(order);
    await messages();
    clock.advance(lostSeconds);
    await sweep(backend);
    assert.deepEqual(await messages(), onceEach([order]));
    assert.deepEqual(await backend.get(order.id), order);
    const after = { ...order, version: 2, resultsJson: '{"a":1}', updatedAt: clock.now() };
    assert.equal(await backend.commit({ before: order, after, ended: null, delivery: "keep" }), "committed");
    // The commit takes the mark off: the next message is due after one lease, and not after two.
    clock.advance(lostSeconds);
    assert.equal(await sweep(backend), 1);
  });

  it("adds a message for each order of a long queue after one lease, two, four and eight", async (t) => {
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

  it("sends for each of 10,000 orders a logarithmic number of messages over a day of sweeps each minute", () => {
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
      // The times double nine times at most. The shortest lease reaches the ninth doubling within the day.
      const messagesMax = Math.min(9, Math.log2(daySeconds / lost + 1)) + daySeconds / (lost * 2 ** 9);
      assert.ok(messages <= messagesMax, `${messages} messages with ${lost} s`);
      assert.ok(messages >= 1 || lost > daySeconds / 2, "it gave up");
    }
  });

  it("never gives an order up: the time between two messages grows to about a day and no further", () => {
    assert.equal(secondsAfter(100, 210) / daySeconds, (210 * 512) / daySeconds);
    assert.ok(secondsAfter(100, 210) < 2 * daySeconds);
  });

  it("marks an order failed whose item cannot be read, in hand or waiting, and moves the others", async (t) => {
    const { backend, clock, place, table } = await sweeping(t);
    const [lost, other] = await place(2);
    const waits = { status: "review", kind: "waiting", expiresAt: clock.now() + 1_000 } as const;
    const placed = await Promise.all([waits, waits].map((fields) => backend.place(newOrder(clock, fields))));
    const [bad, due] = placed.flatMap((each) => ("order" in each ? [each.order] : []));
    assert.ok(lost && other && bad && due);
    const set = (id: string, name: string, value: AttributeValue | undefined) =>
      table.update(orderKey(id), settingAll({ [a.omitted]: { N: "0" }, [name]: value }));
    await set(bad.id, a.data, { S: "{" });
    await set(lost.id, a.history, { BOOL: true });
    clock.advance(lostSeconds);
    const swept: Swept = await backend.sweep({ limit: 10 });
    assert.deepEqual(swept.expired.map(({ id }) => id).sort(), [lost, bad, due].map(({ id }) => id).sort());
    assert.equal(swept.redelivered, 1);
    for (const order of swept.expired.filter(({ unreadable }) => unreadable !== undefined)) {
      const failure = { code: "order_unreadable", message: "m", fingerprint: "f", at: clock.now() };
      const change: Change = { before: order, after: { ...order, failure }, ended: null, delivery: "end" };
      const before = await table.read(orderKey(order.id));
      assert.equal(await backend.commit(change), "committed");
      assert.equal(await backend.commit({ ...change }), "stale", "a second mark");
      const { ix, fp, fm, fa, fc, ...kept } = (await table.read(orderKey(order.id))) ?? {};
      const { ix: _, du: __, ...was } = before ?? {};
      assert.deepEqual(kept, was);
      const read = await backend.get(order.id);
      assert.deepEqual([read?.failure, read?.dataJson, read?.version], [failure, "null", order.version]);
    }
    const failed = await backend.list({ limit: 10, failed: true });
    assert.deepEqual(failed.items.map(({ id }) => id).sort(), [lost.id, bad.id].sort());
    assert.deepEqual(
      (await backend.counts({ failures: true })).failures.map(({ count }) => count),
      [1, 1],
    );
    assert.deepEqual(
      (await backend.sweep({ limit: 10 })).expired.map(({ id }) => id),
      [due.id],
    );

    await set(bad.id, a.data, { S: '{"n":1}' });
    const repaired = await backend.get(bad.id);
    assert.deepEqual([repaired?.dataJson, repaired?.failure?.code], ['{"n":1}', "order_unreadable"]);
    assert.equal(await backend.remove({ id: bad.id }), "not_final");
    assert.deepEqual(await backend.remove({ id: lost.id }), { removed: 1, nextCursor: null });
    assert.equal(await backend.get(lost.id), undefined);
  });

  it("counts and sweeps beside items without the attributes by which it sorts them", async (t) => {
    const { backend, clock, place, table } = await sweeping(t, { shards: 1 });
    const [bad, other] = await place(2);
    assert.ok(bad && other);
    const gone = { [a.status]: undefined, [a.kind]: undefined, [a.updatedAt]: undefined, [a.version]: undefined };
    await table.update(orderKey(bad.id), settingAll({ [a.omitted]: { N: "0" }, ...gone }));
    clock.advance(lostSeconds);
    const { expired, redelivered, failed } = await backend.sweep({ limit: 10 });
    assert.deepEqual([expired.map(({ id }) => id), redelivered, failed], [[bad.id], 1, []]);
    assert.deepEqual(
      (await backend.list({ limit: 10 })).items.map(({ id }) => id),
      [other.id, bad.id],
    );
    const { depths } = await backend.counts({ depths: true });
    assert.deepEqual(
      depths.map(({ status }) => status),
      ["received"],
    );
    assert.deepEqual(await backend.remove({ id: bad.id }), { removed: 1, nextCursor: null });
  });
});
