import assert from "node:assert/strict";
import type { Depth } from "../../backend/port.ts";
import { expired as expiry, failedAttempt, failedForGood, movedTo, requested, retried } from "./orders.ts";
import { afterCrash, assertOf, both, type Case, fifo, idsOf, pagesOf, type Trial } from "./trial.ts";

/** 7. Nothing disappears. */
export const nothingDisappears: readonly Case[] = [
  both("an order whose attempts are used up is marked failed where it stands, and listed", async (trial) => {
    let order = await trial.place();
    for (let attempt = 1; attempt <= 3; attempt++) order = await trial.handle(order, failedAttempt("down", 0));
    assert.deepEqual([order.status, order.attempts, order.failure?.message], ["received", 3, "down"]);
    await trial.isStored(order);
    assert.deepEqual(await trial.list({ failed: true }, 1), [order]);
    await trial.receiveNothing("received");
  }),
  both("an order whose attempts are used up goes to the status named in `exhausted`", async (trial) => {
    let order = await trial.handle(await trial.place(), movedTo("priced"));
    for (let attempt = 1; attempt <= 2; attempt++) order = await trial.handle(order, failedAttempt("down", 0));
    assert.deepEqual([order.status, order.failure], ["dropped", null]);
    await trial.isStored(order);
    await trial.receiveNothing("priced");
  }),
  both("an order in an unknown status is delivered, marked failed, and can be moved", async (trial) => {
    const order = await trial.place({ status: "forgotten" });
    const failed = await trial.handle(order, { kind: "unknown" });
    assert.equal(failed.failure?.code, "unknown_status");
    assert.deepEqual(await trial.list({ status: "forgotten", failed: true }, 1), [failed]);
    const moved = await trial.commit(failed, requested("priced"));
    assertOf(await trial.receiveOne("priced"), moved);
    await trial.isStored(moved);
  }),
  both("failures are grouped by status and fingerprint, the largest first, with the latest message", async (trial) => {
    const firstAt = trial.clock.now();
    const [first, second, third] = [await trial.place(), await trial.place(), await trial.place()];
    await trial.receive("received", 3);
    await trial.commit(first, failedForGood("order 1001 declined"));
    await trial.pass(0.01);
    const other = await trial.commit(second, failedForGood("no answer"));
    await trial.pass(0.01);
    const last = await trial.commit(third, failedForGood("order 1002 declined"));
    const forgotten = await trial.handle(await trial.place({ status: "forgotten" }), { kind: "unknown" });

    const groups = await trial.eventually("three groups of failures", async () => {
      const found = await trial.failures();
      return found.length === 3 && found[0]?.count === 2 ? found : undefined;
    });
    const [largest, ...others] = groups;
    assert.equal(largest?.message, "order 1002 declined");
    assert.deepEqual([largest?.status, largest?.fingerprint], ["received", last.failure?.fingerprint]);
    assert.equal(largest?.lastAt, last.failure?.at);
    assert.ok(largest && largest.firstAt >= firstAt && largest.firstAt < largest.lastAt);
    for (const { failure, status } of [other, forgotten]) {
      assert.ok(failure);
      const { fingerprint, message, at } = failure;
      const group = others.find((other) => other.status === status);
      assert.deepEqual(group, { status, fingerprint, message, count: 1, firstAt: at, lastAt: at });
    }
  }),
  both("a failure leaves its group when the order is retried or moved, and an empty group is gone", async (trial) => {
    const [first, second] = [await trial.place(), await trial.place()];
    await trial.receive("received", 2);
    const failed = await trial.commit(first, failedForGood("down"));
    const other = await trial.commit(second, failedForGood("down"));
    await groupSizes(trial, [2]);
    await trial.commit(failed, retried);
    await groupSizes(trial, [1]);
    await trial.commit(other, requested("done"));
    await groupSizes(trial, []);
    assert.deepEqual(await trial.list({ failed: true }, 0), []);
  }),
  both("a final order keeps its data, results and history", async (trial) => {
    const order = await trial.place({ dataJson: '{"n":7}' });
    const moved = await trial.handle(order, movedTo("priced", { price: 5 }));
    await trial.handle(moved, movedTo("done"));
    const read = await trial.get(order.id);
    assert.deepEqual([read.status, read.dataJson, read.resultsJson], ["done", '{"n":7}', '{"price":5}']);
    const past = read.past.map((visit) => visit.status);
    assert.deepEqual(past, ["received", "priced"]);
    assert.deepEqual(idsOf(await trial.list({ status: "done" }, 1)), [order.id]);
  }),
  both("a sweep gives the waits that expired, the oldest first, page by page, until they are moved", async (trial) => {
    const now = trial.clock.now();
    const place = (seconds: number) => trial.place({ status: "parked", expiresAt: now + seconds * 1_000 });
    const second = await place(1);
    const first = await place(0.5);
    const third = await place(1.5);
    await trial.place({ status: "parked", expiresAt: now + 3_600_000 });
    await trial.place({ status: "held" });
    await trial.pass(1.6);
    await trial.eventually("three expired waits", async () => {
      const { expired } = await trial.backend.sweep({ limit: 10 });
      return expired.length === 3;
    });
    const ids: string[] = [];
    for await (const { expired } of pagesOf((cursor) => trial.backend.sweep({ limit: 1, cursor }))) {
      assert.ok(expired.length <= 1);
      ids.push(...idsOf(expired));
    }
    assert.deepEqual(ids, [first.id, second.id, third.id]);

    await trial.commit(first, expiry);
    await trial.commit(second, requested("priced"));
    await trial.eventually("one expired wait", async () => {
      const { expired } = await trial.backend.sweep({ limit: 10 });
      return expired.length === 1 && expired[0]?.id === third.id;
    });
  }),
  both("a wait that expires later is not overdue now, and the backend may say when it will be", async (trial) => {
    const now = trial.clock.now();
    const none = await trial.backend.sweep({ limit: 10 });
    assert.deepEqual(none, { expired: [], redelivered: 0, failed: [], nextCursor: null, nextAt: null });
    const later = await trial.place({ status: "parked", expiresAt: now + 7_200_000 });
    const sooner = await trial.place({ status: "parked", expiresAt: now + 3_600_000 });
    const page = await trial.backend.sweep({ limit: 10 });
    assert.deepEqual([page.expired, page.redelivered, page.nextCursor], [[], 0, null]);
    assert.ok(page.nextAt === null || page.nextAt === sooner.expiresAt, `nextAt is ${page.nextAt}`);
    await trial.commit(sooner, requested("done"));
    const { nextAt } = await trial.backend.sweep({ limit: 10 });
    assert.ok(nextAt === null || nextAt === later.expiresAt, `nextAt is ${nextAt}`);
  }),
  both("the counts hold every order that is not final, in its status", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 6 }, () => trial.place()));
    const [flying, failing, retrying, moving] = orders;
    assert.ok(flying && failing && retrying && moving);
    await trial.receive("received", 6);
    await trial.commit(failing, failedForGood("down"));
    await trial.commit(retrying, failedAttempt("down", 3_600));
    await trial.commit(moving, movedTo("priced"));
    for (const order of orders.slice(4)) await trial.commit(order, movedTo("done"));
    await trial.place({ status: "held" });
    await trial.place({ status: "held" });

    await depths(trial, [
      { status: "held", kind: "waiting", waiting: 2, inFlight: 0, delayed: 0, failed: 0 },
      { status: "priced", kind: "handled", waiting: 1, inFlight: 0, delayed: 0, failed: 0 },
      { status: "received", kind: "handled", waiting: 0, inFlight: 1, delayed: 1, failed: 1 },
    ]);
  }),
  both("the depths say how long the next in a queue has waited", async (trial) => {
    const first = await trial.place();
    await trial.pass(2);
    await trial.place();
    const oldest = async () =>
      (await trial.depths()).find(({ status }) => status === "received")?.oldestWaitingAt ?? null;
    await trial.eventually("the first that was placed", async () => (await oldest()) === first.updatedAt);
    await trial.receive("received", 2);
    await trial.eventually("no oldest order, once all are in flight", async () => (await oldest()) === null);
  }),
  fifo("the depths say how long a group has waited behind an order in flight", async (trial) => {
    const first = await trial.place({ group: "a" });
    await trial.receiveOne("received");
    await trial.pass(2);
    const second = await trial.place({ group: "a" });
    await trial.place({ group: "a" });
    // A store that counts from time to time may still give the time of the order in flight.
    await trial.eventually("the oldest of the orders that wait", async () => {
      const depth = (await trial.depths()).find(({ status }) => status === "received");
      return [first.updatedAt, second.updatedAt].includes(depth?.oldestWaitingAt ?? Number.NaN);
    });
  }),
  afterCrash("failed orders and their counts outlive a crash", async (trial) => {
    const failed = await trial.handle(await trial.place(), failedForGood("down"));
    await trial.place({ status: "held" });
    await trial.crash();
    await trial.isStored(failed);
    await groupSizes(trial, [1]);
    await depths(trial, [
      { status: "held", kind: "waiting", waiting: 1, inFlight: 0, delayed: 0, failed: 0 },
      { status: "received", kind: "handled", waiting: 0, inFlight: 0, delayed: 0, failed: 1 },
    ]);
    await trial.receiveNothing("received");
  }),
];

async function groupSizes(trial: Trial, expected: readonly number[]): Promise<void> {
  await trial.eventually(`groups of failures of the sizes ${JSON.stringify(expected)}`, async () => {
    const sizes = (await trial.failures()).map((group) => group.count);
    return JSON.stringify(sizes) === JSON.stringify(expected);
  });
}

type Counts = Omit<Depth, "atLeast" | "oldestWaitingAt" | "paused">;
const counts = ["waiting", "inFlight", "delayed", "failed"] as const;

/** Compares depths. A row may be missing if every count is 0. A count may be too low if the row says `atLeast`. */
async function depths(trial: Trial, expected: readonly Counts[]): Promise<void> {
  let found: Depth[] = [];
  const fits = (row: Counts): boolean => {
    const actual = found.find((depth) => depth.status === row.status && depth.kind === row.kind);
    if (actual === undefined) return false;
    return counts.every((count) => actual[count] === row[count] || (actual.atLeast && actual[count] < row[count]));
  };
  try {
    await trial.eventually("the counts", async () => {
      found = await trial.depths();
      const others = found.filter((depth) => !expected.some((row) => row.status === depth.status));
      return expected.every(fits) && others.every((depth) => counts.every((count) => depth[count] === 0));
    });
  } catch {
    assert.deepEqual(found, expected);
  }
}
