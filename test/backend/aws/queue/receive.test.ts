import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Message } from "@aws-sdk/client-sqs";
import { settle as settleIn } from "../../../../src/backend/aws/queue/deliveries.ts";
import { createGroups, createLeases } from "../../../../src/backend/aws/queue/inFlight.ts";
import type { AwsContext, SqsQueue } from "../../../../src/backend/aws/queue/queue.ts";
import { createReceiver } from "../../../../src/backend/aws/queue/receive.ts";
import { bodyOf } from "../../../../src/backend/aws/queue/topic.ts";
import type { Table, TableMeta } from "../../../../src/backend/aws/table.ts";
import type { Delivery, DeliveryMode } from "../../../../src/backend/port.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";

const url = "https://sqs/orders-paid";
const leaseSeconds = 60;
const asked = { status: "paid", max: 10, leaseSeconds, waitSeconds: 20 };

/** Makes a receiver over a queue whose calls the test answers, and notes what the queue is told of its messages. */
function receivingOf(mode: DeliveryMode, read: Table["read"] = async () => ({})) {
  const clock = fakeClock();
  const calls: { answer(messages: Message[]): void; fail(error: Error): void }[] = [];
  const told: string[] = [];
  const queue: SqsQueue = {
    url,
    receive: () => new Promise((answer, fail) => calls.push({ answer, fail })),
    delete: async (receipt) => void told.push(`delete ${receipt}`),
    changeVisibility: async (receipt, seconds) => void told.push(`${receipt} in ${seconds} s`),
    send: async ({ id }, delaySeconds) => void told.push(`send ${id} in ${delaySeconds} s`),
    counts: () => assert.fail("the test does not count"),
  };
  let paused: readonly string[] = [];
  const context = {
    ...{ mode, clock, leases: createLeases(clock), groups: createGroups(), queueOf: async () => queue },
    table: { read, update: async () => ({}) } as Partial<Table> as Table,
    meta: { paused: async () => new Set(paused) } as Partial<TableMeta> as TableMeta,
  } as Partial<AwsContext> as AwsContext;
  const receiver = createReceiver(context, 5);
  const settle = (delivery: Delivery, verdict: Parameters<typeof settleIn>[2]) => settleIn(context, delivery, verdict);
  const pause = (now: boolean) => {
    paused = now ? ["paid"] : [];
  };
  return { clock, calls, told, settle, receiver, pause };
}

function message(name: string, group?: string, receives = 1): Message {
  return {
    ...{ MessageId: name, ReceiptHandle: name, Body: bodyOf({ id: name, status: "paid", visit: 0, group: null }) },
    Attributes: {
      ApproximateReceiveCount: String(receives),
      ...(group === undefined ? {} : { MessageGroupId: group }),
    },
  };
}

/** Lets everything happen that needs no time to pass. */
const still = () => new Promise((resolve) => setImmediate(resolve));
const idsOf = (all: readonly { orderId: string }[]) => all.map(({ orderId }) => orderId);

/** Ends a receive because a message of a group was ready, while the receive's call, the second, is still under way. */
async function withCallForNobody() {
  const all = receivingOf("fifo");
  const first = all.receiver.receive(asked);
  await still();
  all.calls[0]?.answer([message("a", "g"), message("b", "g")]);
  const [head] = await first;
  assert.ok(head);
  const second = all.receiver.receive(asked);
  await still();
  await all.settle(head, { verdict: "done" });
  assert.deepEqual(idsOf(await second), ["b"]);
  return all;
}

describe("receiving", () => {
  it("takes over the call of an earlier receive that a ready group ended, and makes none beside it", async () => {
    const { calls, receiver } = await withCallForNobody();
    const next = receiver.receive(asked);
    await still();
    calls[1]?.answer([message("c", "h")]);
    assert.deepEqual(idsOf(await next), ["c"]);
    assert.equal(calls.length, 2);
  });

  it("does not give an unclaimed message whose lease has run out: another process may have it", async () => {
    const { clock, calls, receiver } = await withCallForNobody();
    calls[1]?.answer([message("c", "h")]);
    await still();
    clock.advance(leaseSeconds);
    const next = receiver.receive(asked);
    await still();
    calls[2]?.answer([message("d", "h")]);
    assert.deepEqual(idsOf(await next), ["d"]);
    assert.equal(calls.length, 3);
  });

  it("gives no more unclaimed messages than are asked for, and keeps the rest for the next receive", async () => {
    const { calls, receiver } = await withCallForNobody();
    calls[1]?.answer([message("c", "h"), message("d", "i")]);
    assert.deepEqual(idsOf(await receiver.receive({ ...asked, max: 1 })), ["c"]);
    assert.deepEqual(idsOf(await receiver.receive(asked)), ["d"]);
    assert.equal(calls.length, 2);
  });

  it("waits at its close for the call under way, and gives the unclaimed messages back", async () => {
    const { calls, told, receiver } = await withCallForNobody();
    let closed = false;
    const closing = receiver.close().then(() => {
      closed = true;
    });
    await still();
    // Messages that SQS gives to a closed connection are invisible for a whole lease.
    assert.equal(closed, false);
    told.length = 0;
    calls[1]?.answer([message("c", "h"), message("d", "h"), message("e", "i")]);
    await closing;
    assert.deepEqual(told.toSorted(), ["c in 0 s", "d in 0 s", "e in 0 s"]);
    assert.deepEqual(await receiver.receive(asked), []);
    assert.equal(calls.length, 2);
  });

  it("gives back at its close the messages that no receive asked for", async () => {
    const { calls, told, receiver } = await withCallForNobody();
    calls[1]?.answer([message("c", "h"), message("d", "i")]);
    assert.deepEqual(idsOf(await receiver.receive({ ...asked, max: 1 })), ["c"]);
    told.length = 0;
    await receiver.close();
    assert.deepEqual(told, ["d in 0 s"]);
  });

  it("waits at its close for a call whose messages a receive waits for, too", async () => {
    const { calls, told, receiver } = receivingOf("standard");
    const waiting = receiver.receive(asked);
    await still();
    let closed = false;
    const closing = receiver.close().then(() => {
      closed = true;
    });
    await still();
    assert.equal(closed, false);
    calls[0]?.answer([message("a")]);
    assert.deepEqual(idsOf(await waiting), ["a"]);
    await closing;
    assert.deepEqual(told, []);
  });

  it("gives every message where the table cannot tell whether one came before", async () => {
    const { calls, receiver } = receivingOf("standard", () => Promise.reject(new Error("down")));
    const receive = receiver.receive(asked);
    await still();
    calls[0]?.answer([message("a"), message("b", undefined, 2)]);
    const taken = await receive;
    assert.deepEqual(
      taken.map(({ orderId, redelivered }) => [orderId, redelivered]),
      [
        ["a", false],
        ["b", true],
      ],
    );
  });

  it("closes also where the last call failed", async () => {
    const { calls, told, receiver } = await withCallForNobody();
    told.length = 0;
    const closing = receiver.close();
    calls[1]?.fail(new Error("down"));
    await closing;
    assert.deepEqual(told, []);
  });

  it("gives no unclaimed message of before a pause after it: the leases are over", async () => {
    const { clock, calls, told, receiver, pause } = await withCallForNobody();
    calls[1]?.answer([message("c", "h"), message("d", "i")]);
    assert.deepEqual(idsOf(await receiver.receive({ ...asked, max: 1 })), ["c"]);
    pause(true);
    const paused = receiver.receive(asked);
    await still();
    clock.advance(leaseSeconds);
    assert.deepEqual(await paused, []);
    pause(false);
    told.length = 0;
    const next = receiver.receive(asked);
    await still();
    calls[2]?.answer([message("e", "j")]);
    assert.deepEqual([idsOf(await next), told], [["e"], []]);
  });

  it("gives back the messages that a call brings after its status was paused", async () => {
    const { calls, told, receiver, pause, clock } = receivingOf("standard");
    const first = receiver.receive(asked);
    await still();
    pause(true);
    calls[0]?.answer([message("a")]);
    await still();
    assert.deepEqual(told.toSorted(), ["delete a", "send a in 0 s"]);
    clock.advance(20);
    assert.deepEqual(await first, []);
    assert.equal(clock.timers, 0);
  });

  it("gives the next message of a group when the head has left, without another call", async () => {
    const { calls, told, receiver, settle } = receivingOf("fifo");
    const first = receiver.receive(asked);
    await still();
    calls[0]?.answer([message("a", "g"), message("b", "g"), message("c", "h")]);
    const [head, other] = await first;
    assert.deepEqual([head?.orderId, other?.orderId], ["a", "c"]);
    const second = receiver.receive(asked);
    await still();
    assert.ok(head);
    await settle(head, { verdict: "done" });
    assert.deepEqual(idsOf(await second), ["b"]);
    // The lease of "b" begins when it is given.
    assert.deepEqual(told, ["delete a", `b in ${leaseSeconds} s`]);
  });

  it("gives back the messages behind a head that comes again, after the head", async () => {
    const { clock, calls, told, receiver, settle } = receivingOf("fifo");
    const first = receiver.receive(asked);
    await still();
    calls[0]?.answer([message("a", "g"), message("b", "g"), message("c", "g")]);
    const [head] = await first;
    assert.ok(head);
    await settle(head, { verdict: "again", notBefore: clock.now() + 7_000 });
    assert.deepEqual(told, ["a in 7 s", "b in 0 s", "c in 0 s"]);
  });

  it("does not give back messages behind a head whose lease has run out: another process may have them", async () => {
    const { clock, calls, told, receiver, settle } = receivingOf("fifo");
    const first = receiver.receive(asked);
    await still();
    calls[0]?.answer([message("a", "g"), message("b", "g"), message("c", "g")]);
    const [head] = await first;
    assert.ok(head);
    clock.advance(leaseSeconds / 2);
    await settle(head, { verdict: "done" });
    const [next] = await receiver.receive(asked);
    assert.equal(next?.orderId, "b");
    clock.advance(leaseSeconds / 2);
    await settle(next, { verdict: "again", notBefore: clock.now() + 7_000 });
    assert.deepEqual(told, ["delete a", `b in ${leaseSeconds} s`, "b in 7 s"]);
  });
});
