import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { BatchWriteItemCommand } from "@aws-sdk/client-dynamodb";
import { type AwsBackend, aws } from "../../../../src/backend/aws/aws.ts";
import { countInto, createDepths, decodeRows, depthsOf, encodeRows } from "../../../../src/backend/aws/index/depths.ts";
import { sweep } from "../../../../src/backend/aws/index/sweep.ts";
import { encodeChanging, encodeFixed, type IndexEntry, type Item, present } from "../../../../src/backend/aws/item.ts";
import { openQueues } from "../../../../src/backend/aws/queue/queue.ts";
import { metaKey, openTableContext } from "../../../../src/backend/aws/table.ts";
import type { StoredOrder } from "../../../../src/core/order.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { newOrder } from "../../sqlite/support.ts";
import { createStack, startEmulators } from "../emulators.ts";
import { limitMilliseconds } from "../patience.ts";

const workflow = "counted";
const handled = ["received", "priced"];
const leaseSeconds = Object.fromEntries(handled.map((status) => [status, 60]));
const lostSeconds = 90;
const failure = { code: "handler_failed", message: "down", fingerprint: "f1", at: 5 };

interface Sender {
  send(command: object, options?: unknown): Promise<unknown>;
}

let stages = 0;

/** Opens a backend, with depths and a sweep of their own over its table, and notes their calls. */
async function opened(t: TestContext, options: { fewMax?: number; countMax?: number; shards?: number } = {}) {
  const { fewMax, countMax, shards = 2 } = options;
  const stage = `c${++stages}`;
  const clock = fakeClock(Date.now());
  const stack = await createStack({ workflow, stage, mode: "standard", statuses: handled });
  const backend = await aws({ stage, ...stack, shards, pollSeconds: 1 })({
    ...{ workflow, delivery: "standard" as const, clock, leaseSeconds },
  });
  const onWarning = (fields: object, message: string) => assert.fail(`${message} ${JSON.stringify(fields)}`);
  const factory = { workflow, delivery: "standard" as const, clock, leaseSeconds };
  const context = openQueues(await openTableContext({ stage, shards, onWarning }, factory), stack);
  const { clients, table } = context;
  const calls: string[] = [];
  for (const client of [clients.dynamo, clients.sqs] as Sender[]) {
    const { send } = client;
    client.send = (command, options) => {
      calls.push(command.constructor.name);
      return send.call(client, command, options);
    };
  }
  const counted = createDepths(context, {
    ...(fewMax === undefined ? {} : { fewMax }),
    ...(countMax === undefined ? {} : { countMax }),
  });
  const step = (query: Parameters<typeof sweep>[2]) => sweep(context, counted, query);
  t.after(async () => {
    await backend.close();
    for (const client of Object.values(clients)) client.destroy();
    await stack.remove();
  });
  const pass = async (limit = 200): Promise<number> => {
    let seen = 0;
    let cursor: string | undefined;
    do {
      const page = await step({ limit, cursor });
      seen += page.expired.length + page.redelivered;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return seen;
  };
  /** Gives the depths by kind and status, after the 5 s for which an earlier answer is kept. */
  const depths = async () => {
    clock.advance(5.001);
    const { depths: found } = await counted.counts({ depths: true });
    return Object.fromEntries(
      found.map(({ kind, status, waiting, delayed, failed, atLeast }) => [
        `${kind} ${status}`,
        { waiting, delayed, failed, atLeast },
      ]),
    );
  };
  const insert = async (items: readonly Item[]) => {
    for (let n = 0; n < items.length; n += 25) {
      const RequestItems = {
        [`${workflow}-table-${stage}`]: items.slice(n, n + 25).map((Item) => ({ PutRequest: { Item } })),
      };
      await clients.dynamo.send(new BatchWriteItemCommand({ RequestItems }));
    }
  };
  /** Gives the open orders of each status, as the sweep stored them. */
  const kept = async () => {
    const item = await table.read(metaKey("counts"));
    const rows = decodeRows(JSON.parse(item?.rows?.S ?? "[]")) ?? [];
    return Object.fromEntries(rows.map(({ status, open }) => [status, open]));
  };
  return { backend, clock, calls, step, pass, depths, kept, insert };
}

async function place(backend: AwsBackend, fields: Partial<typeof newOrder>): Promise<StoredOrder> {
  const placed = await backend.place({ ...newOrder, ...fields });
  assert.equal(placed.outcome, "placed");
  return (placed as { order: StoredOrder }).order;
}

/** Makes the table's items of `count` orders like one order. */
function itemsOf(like: StoredOrder, count: number, fields: Partial<StoredOrder>, partition: string): Item[] {
  return Array.from({ length: count }, (_, n) => {
    const id = `${String(n).padStart(8, "0")}${like.id.slice(8)}`;
    const order = { ...like, ...fields, id };
    const marks = { nonce: "n", partition, due: null, seen: null, resultsPart: null, extrasPart: undefined };
    return present({ ...encodeFixed(order, null, null), ...encodeChanging(order, marks) });
  });
}

function entry(fields: Partial<IndexEntry>): IndexEntry {
  const still = { id: "1", sort: "1", visit: 0, notBefore: null, due: null, failure: null };
  return { ...still, status: "received", kind: "handled", updatedAt: 7, ...fields };
}

describe("the count of the index's entries", () => {
  it("has a row for each kind and status", () => {
    const first = countInto(
      [],
      [entry({}), entry({ notBefore: 101 }), entry({ kind: "waiting", status: "held" })],
      100,
    );
    const rows = countInto(first, [entry({ updatedAt: 3, notBefore: 100 }), entry({ failure })], 100);
    assert.deepEqual(rows, [
      { kind: "handled", status: "received", open: 2, delayed: 1, oldestAt: 3, failed: 1 },
      { kind: "waiting", status: "held", open: 1, delayed: 0, oldestAt: 7, failed: 0 },
    ]);
    assert.deepEqual(decodeRows(encodeRows(rows)), rows);
    assert.deepEqual(first[0]?.open, 1, "earlier rows stay as they are");
  });

  it("is undefined where the stored value is no count", () => {
    for (const other of [undefined, {}, [1], [["final", "x", 1, 1, 1, 1]], [["waiting", "x", 1, 1, null, "1"]]]) {
      assert.equal(decodeRows(other), undefined, JSON.stringify(other));
    }
  });

  it("says 'at least' for a status with more than 10,000 orders, and for that status alone", () => {
    const many = (count: number, status: string) =>
      Array.from({ length: count }, () => entry({ kind: "waiting", status }));
    const rows = countInto([], [...many(10_001, "held"), ...many(10_000, "parked")], 100);
    const tell = (all: boolean) => {
      const found = depthsOf({ rows, all }, new Set(), new Map(), "standard", 10_000);
      return found.map(({ status, waiting, atLeast }) => [status, waiting, atLeast]);
    };
    assert.deepEqual(tell(true), [
      ["held", 10_001, true],
      ["parked", 10_000, false],
    ]);
    assert.deepEqual(tell(false), [
      ["held", 10_001, true],
      ["parked", 10_000, true],
    ]);
  });

  it("becomes depths with the queues' counts and the pauses", () => {
    const rows = countInto([], [entry({}), entry({ notBefore: 101 }), entry({ status: "gone" })], 100);
    const queued = new Map([
      ["received", { waiting: 4, inFlight: 3, delayed: 0 }],
      ["shipped", { waiting: 0, inFlight: 0, delayed: 0 }],
    ]);
    const found = depthsOf({ rows, all: true }, new Set(["priced"]), queued, "fifo", 10_000);
    const usual = { kind: "handled", delayed: 0, failed: 0, inFlight: 0, paused: false, atLeast: false };
    assert.deepEqual(found, [
      // "gone" left the definition, so no queue is known for it.
      { ...usual, status: "gone", waiting: 1, oldestWaitingAt: 7 },
      { ...usual, status: "priced", waiting: 0, oldestWaitingAt: null, paused: true },
      { ...usual, status: "received", waiting: 4, inFlight: 2, delayed: 1, oldestWaitingAt: 7 },
    ]);
  });
});

describe("the depths on AWS", { concurrency: 4, timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("are exact at once while there are few orders, whatever the last sweep stored", async (t) => {
    const { backend, clock, pass, depths } = await opened(t);
    await place(backend, { kind: "waiting", status: "held", createdAt: clock.now() });
    await pass();
    await place(backend, { kind: "waiting", status: "held", createdAt: clock.now() });
    assert.deepEqual(await depths(), { "waiting held": { waiting: 2, delayed: 0, failed: 0, atLeast: false } });
  });

  it("are those that the last sweep stored where there are many orders, for one read and a call for each queue", async (t) => {
    const { backend, clock, pass, depths, calls, insert } = await opened(t, { fewMax: 3 });
    const held = { kind: "waiting", status: "held" } as const;
    const like = await place(backend, { ...held, createdAt: clock.now() });
    for (let n = 0; n < 3; n++) await place(backend, { ...held, createdAt: clock.now() });
    await insert(itemsOf(like, 2, { kind: "handled", status: "priced", failure }, "f#0"));
    await pass();
    await place(backend, { ...held, createdAt: clock.now() });
    calls.length = 0;
    const kept = {
      "handled priced": { waiting: 0, delayed: 0, failed: 2, atLeast: false },
      "waiting held": { waiting: 4, delayed: 0, failed: 0, atLeast: false },
    };
    assert.deepEqual(await depths(), kept);
    assert.deepEqual(calls.sort(), ["BatchGetItemCommand", "GetQueueAttributesCommand", "GetQueueAttributesCommand"]);

    await pass();
    kept["waiting held"].waiting = 5;
    assert.deepEqual(await depths(), kept);
    await backend.keep({ is: "paused", status: "received", paused: true });
    clock.advance(5);
    assert.deepEqual((await depths())["handled received"], { waiting: 0, delayed: 0, failed: 0, atLeast: false });
  });

  it("are counted again an hour after the last sweep", async (t) => {
    const { backend, clock, pass, depths } = await opened(t, { fewMax: 0 });
    const held = { kind: "waiting", status: "held" } as const;
    await place(backend, { ...held, createdAt: clock.now() });
    await pass();
    await place(backend, { ...held, createdAt: clock.now() });
    assert.equal((await depths())["waiting held"]?.waiting, 1);
    clock.advance(3_600);
    assert.equal((await depths())["waiting held"]?.waiting, 2);
  });

  it("are those of one full pass of the sweep, which may be interrupted and resumed", async (t) => {
    const { backend, clock, pass, depths, kept, step } = await opened(t, { fewMax: 0 });
    for (let n = 0; n < 7; n++) await place(backend, { createdAt: clock.now() });
    await place(backend, { kind: "waiting", status: "held", createdAt: clock.now() });
    clock.advance(lostSeconds + 1);
    const first = await step({ limit: 2 });
    const second = await step({ limit: 2, cursor: String(first.nextCursor) });
    assert.deepEqual([first.redelivered, second.redelivered], [2, 2]);
    assert.deepEqual(await kept(), {}, "an interrupted pass stores nothing");
    assert.equal((await depths())["waiting held"]?.waiting, 1, "what is not stored is counted");
    assert.equal(await pass(2), 3, "what it sent again is due no more");
    assert.deepEqual(await kept(), { received: 7, held: 1 });
  });

  it("stop counting a status that has reached the maximum, and count the others to the end", async (t) => {
    const { backend, clock, pass, depths, insert, kept } = await opened(t, { fewMax: 0, countMax: 1_000, shards: 1 });
    const like = await place(backend, { createdAt: clock.now() });
    const priced = { kind: "handled", status: "priced", createdAt: clock.now() + 1 } as const;
    await insert(itemsOf(like, 4_200, priced, "o#0"));
    // In the index these orders come after two steps of the others.
    const held = { kind: "waiting", status: "held", createdAt: clock.now() + 2 } as const;
    await insert(itemsOf({ ...like, id: `${like.id.slice(0, -1)}x` }, 30, held, "o#0"));
    clock.advance(lostSeconds + 1);
    assert.equal(await pass(), 1);
    assert.deepEqual(await kept(), { received: 1, priced: 1_999, held: 30 });
    const found = await depths();
    assert.deepEqual(
      Object.entries(found).map(([row, { atLeast }]) => [row, atLeast]),
      [
        ["waiting held", false],
        ["handled priced", true],
        ["handled received", false],
      ],
    );
  });
});
