/** Random placings and changes through the real writer, with batches of a few characters, and back as deliveries. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { createIds, seqOf, storedOrder } from "../../src/backend/newOrder.ts";
import type { NewOrder } from "../../src/backend/port.ts";
import type { Batch } from "../../src/backend/sqlite/batch/protocol.ts";
import {
  createChannel,
  createOperationEncoder,
  handOut,
  type PendingOperation,
  tellResults,
} from "../../src/backend/sqlite/channel.ts";
import { createLeases } from "../../src/backend/sqlite/deliveries.ts";
import { openReader } from "../../src/backend/sqlite/reads.ts";
import { openWriter } from "../../src/backend/sqlite/writer/writer.ts";
import { type Change, decide, type Outcome } from "../../src/core/decide.ts";
import type { CauceError } from "../../src/core/errors.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { contractWorkflow } from "../../src/testing/contract/orders.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { failingAfter } from "./failing.ts";

/** Any text without lone halves of a surrogate pair, which UTF-8 cannot hold. */
const text = fc.string({ unit: "binary" });
const failure = "internal_error";
const by = { runtime: "node", name: "fuzz", requestId: null, messageId: null } as const;
const placing = fc.record({
  data: fc.oneof(
    text,
    fc.nat(40).map((length) => "x".repeat(length)),
  ),
  group: fc.option(text),
  extras: fc.option(text),
  keyHash: fc.option(fc.stringMatching(/^[0-9a-f]{64}$/)),
  failsAfter: fc.option(fc.nat(16), { nil: undefined, freq: 4 }),
  results: fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), text, { maxKeys: 2 }),
  changeFailsAfter: fc.option(fc.nat(14), { nil: undefined, freq: 6 }),
  turns: fc.boolean(),
});
type Placing = typeof placing extends fc.Arbitrary<infer Value> ? Value : never;

/** A store in a directory of its own, over the real writer in this thread. */
function openStore(limits: { operationsMax: number; textLengthMax: number }, fifo: boolean) {
  const directory = mkdtempSync(join(tmpdir(), "cauce-fuzz-"));
  const file = join(directory, "orders.db");
  const writer = openWriter({ file, workflow: "orders", fifo, limits });
  const clock = fakeClock();
  const encodeOperation = createOperationEncoder();
  const faulted = Promise.withResolvers<never>();
  faulted.promise.catch(() => {});
  const failing = new Map<PendingOperation, number>();
  const channel = createChannel<PendingOperation>({
    limits,
    encode: (to, operation) => encodeOperation(failingAfter(to, failing.get(operation)), operation),
    post(batch: Batch) {
      setImmediate(() => channel.receive(writer.apply(batch)));
    },
    resultWithin: () => undefined,
    now: clock.now,
    onResult(operations, result) {
      tellResults(operations, result, leases, async ({ is }) => assert.fail(is));
      handOut(operations, result, leases);
    },
    onFault: () => faulted.reject(new Error("a batch was rolled back")),
  });
  const leases = createLeases({
    clock,
    grant: channel.grant,
    roundTrip: channel.roundTrip,
    onLeaseEnd: () => assert.fail("a lease ended"),
  });
  const send = <Answer>(make: (settle: Settle<Answer>) => PendingOperation, failsAfter: number | undefined) =>
    new Promise<Answer>((resolve, reject) => {
      const operation = make({ resolve, reject });
      if (failsAfter !== undefined) failing.set(operation, failsAfter);
      channel.send(operation);
    });
  return {
    reader: openReader(file),
    ids: createIds(writer.state.lastSeq),
    clock,
    leases,
    send,
    /** Rejects when the writer refuses a batch. */
    faulted: faulted.promise,
    async close() {
      leases.close();
      await channel.settled();
      this.reader.close();
      writer.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Settle<Answer> {
  readonly resolve: (answer: Answer | Promise<Answer>) => void;
  readonly reject: (error: Error) => void;
}

function newOrderOf({ data, group, extras, keyHash }: Placing, createdAt: number): NewOrder {
  const dataJson = JSON.stringify(data);
  const key = keyHash === null ? null : { keyHash, contentHash: keyHash };
  const base = { status: "received", kind: "handled", createdAt, expiresAt: null, by } as const;
  return { ...base, dataJson, group, extrasJson: extras, key };
}

export const storeProperty = fc.asyncProperty(
  fc.record({ operationsMax: fc.integer({ min: 1, max: 6 }), textLengthMax: fc.integer({ min: 1, max: 600 }) }),
  fc.boolean(),
  fc.uniqueArray(placing, {
    minLength: 1,
    maxLength: 25,
    comparator: (a, b) => a.keyHash !== null && a.keyHash === b.keyHash,
  }),
  async (limits, fifo, placings) => {
    const store = openStore(limits, fifo);
    try {
      await Promise.race([placeAndTakeOn(store, placings), store.faulted]);
    } finally {
      await store.close();
    }
  },
);

function changeOf(order: StoredOrder, outcome: Outcome, now: number): Change {
  const decision = decide(order, outcome, { workflow: contractWorkflow, now, random: () => 0.5, by });
  return "change" in decision ? decision.change : assert.fail(decision.message);
}

type Store = ReturnType<typeof openStore>;

/** Places the orders, some of which cannot be written, and takes each of the others on once it is leased. */
async function placeAndTakeOn(store: Store, placings: readonly Placing[]): Promise<void> {
  const now = store.clock.now();
  const wanted: { readonly each: Placing; readonly order: StoredOrder }[] = [];
  const placed: Promise<StoredOrder | undefined>[] = [];
  for (const each of placings) {
    const newOrder = newOrderOf(each, now);
    const { seq, id } = store.ids.next(now);
    const order = storedOrder(newOrder, id);
    wanted.push({ each, order });
    const sent = store.send((settle) => ({ is: "place", newOrder, seq, order, ...settle }), each.failsAfter);
    const check = ({ code }: CauceError) =>
      void assert.deepEqual([code, each.failsAfter === undefined], [failure, false]);
    placed.push(sent.then(() => order, check));
    if (each.turns) await turn();
  }
  const outcomes = await Promise.all(placed);
  const stored = outcomes.filter((order) => order !== undefined);
  for (const [index, { order }] of wanted.entries()) {
    assert.deepEqual(store.reader.get(order.id), outcomes[index]);
  }

  // Every order is leased once, and taken on; in FIFO delivery the head of each group first.
  const seen: string[] = [];
  while (seen.length < stored.length) {
    const options = { status: "received", max: 4, leaseSeconds: 60, waitSeconds: Number.POSITIVE_INFINITY };
    const deliveries = await store.leases.receive(options);
    const commits = deliveries.map(async ({ orderId, redelivered }) => {
      seen.push(orderId);
      assert.equal(redelivered, false);
      const order = stored.find(({ id }) => id === orderId);
      const { each } = wanted.find((one) => one.order === order) ?? assert.fail("leased, and never placed");
      assert.ok(order !== undefined);
      assert.deepEqual(store.leases.get(orderId)?.order, order);
      const change = changeOf(order, { kind: "moved", to: "done", results: each.results }, now);
      const seq = seqOf(orderId) ?? assert.fail("no id");
      const commit = (failsAfter: number | undefined) =>
        store.send<"committed" | "stale">((settle) => ({ is: "commit", change, seq, id: null, ...settle }), failsAfter);
      // A commit that cannot be written leaves the order as it is, and the next one is the first.
      const committed = await commit(each.changeFailsAfter).catch(() => commit(undefined));
      assert.equal(committed, "committed");
      assert.deepEqual(store.reader.get(orderId), change.after);
    });
    await Promise.all(commits);
    await turn();
  }
  assert.equal(new Set(seen).size, stored.length);
}
