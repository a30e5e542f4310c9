import assert from "node:assert/strict";
import type { ListQuery } from "../../backend/port.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { failedAttempt, failedForGood, movedTo } from "./orders.ts";
import { both, type Case, idsOf, needs, superseded, type Trial } from "./trial.ts";

/** 10. Waiting and final orders are never delivered. Paging neither repeats nor skips while orders are placed. */
export const listed: readonly Case[] = [
  both(
    "waiting and final orders are never delivered, not when a delivery is settled as superseded by them either",
    async (trial) => {
      const waiting = await superseded(trial, {}, "held");
      const final = await superseded(trial, {}, "done");
      const parked = await trial.place({ status: "parked", expiresAt: trial.clock.now() + 3_600_000 });
      for (const { stray, order } of [waiting, final]) {
        await trial.receiveNothing(order.status);
        await trial.backend.settle(stray, { verdict: "superseded", by: order });
        await trial.receiveNothing(order.status);
      }
      await trial.receiveNothing(parked.status);
      await trial.receiveNothing("received");
    },
  ),
  both("a wait that expires is not delivered by itself", async (trial) => {
    const order = await trial.place({ status: "parked", expiresAt: trial.clock.now() + 500 });
    await trial.pass(0.6);
    await trial.receiveNothing("parked");
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both(
    "failed orders are never delivered, not when a delivery is settled as superseded by them either",
    async (trial) => {
      const first = await superseded(trial);
      const order = await trial.handle(first.order, movedTo("received"));
      const failed = await trial.handle(order, failedForGood("down"));
      await trial.backend.settle(first.stray, { verdict: "superseded", by: failed });
      await trial.receiveNothing("received");
      await trial.receiveNothing("priced");
    },
  ),
  both("nothing of a paused status is delivered until it is resumed, and the others go on", async (trial) => {
    const isPaused = async () =>
      (await trial.depths()).find(({ status, kind }) => status === "received" && kind === "handled")?.paused;
    const before = await trial.place();
    await trial.pause("received");
    await trial.pause("received");
    await trial.eventually("paused", async () => (await isPaused()) || undefined);
    const after = await trial.place();
    await trial.receiveNothing("received");
    await trial.handle(await trial.place({ status: "priced" }), movedTo("done"));
    const waiting = trial.backend.receive({ status: "received", max: 2, leaseSeconds: 60, waitSeconds: 60 });
    await trial.resume("received");
    await trial.resume("received");
    const first = await trial.settles("a receive that waited", waiting);
    const others = first.length < 2 ? await trial.receive("received", 2 - first.length) : [];
    assert.deepEqual(
      [...first, ...others].map(({ orderId }) => orderId),
      [before.id, after.id],
    );
    await trial.eventually("not paused", async () => ((await isPaused()) ? undefined : true));
  }),
  both("a delivery in flight when its status is paused ends as if the status were not paused", async (trial) => {
    const order = await trial.place();
    const delivery = await trial.receiveOne("received");
    await trial.pause("received");
    const moved = await trial.commit(order, movedTo("priced"));
    await trial.backend.settle(delivery, { verdict: "done" });
    assert.equal((await trial.receiveOne("priced")).orderId, moved.id);
    const again = await trial.place();
    await trial.resume("received");
    await trial.handle(again, failedAttempt("down", 1));
    await trial.pause("received");
    await trial.pass(2);
    await trial.receiveNothing("received");
    await trial.resume("received");
    assert.equal((await trial.receiveOne("received")).orderId, again.id);
  }),
  needs(
    "crashing",
    both("a pause outlives a crash, and holds up no other status", async (trial) => {
      const held = await trial.place();
      await trial.pause("received");
      await trial.crash();
      const priced = await trial.place({ status: "priced" });
      await trial.receiveNothing("received");
      assert.equal((await trial.receiveOne("priced")).orderId, priced.id);
      await trial.resume("received");
      assert.equal((await trial.receiveOne("received")).orderId, held.id);
    }),
  ),
  both("the newest comes first, page by page, each order once and whole", async (trial) => {
    const orders: StoredOrder[] = [];
    for (let n = 0; n < 15; n++) {
      orders.push(await trial.place());
      await trial.pass(0.002);
    }
    const newestFirst = orders.toReversed();
    assert.deepEqual(await trial.list({}, 15), newestFirst);
    for (const limit of [1, 5, 15, 1_000]) {
      assert.deepEqual(await pages(trial, { limit }), idsOf(newestFirst), `in pages of ${limit}`);
    }
  }),
  both("paging while orders are placed neither repeats nor skips", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 40 }, () => trial.place()));
    await trial.list({}, 40);
    const ids = await pages(trial, { limit: 3 }, async () => {
      await Promise.all([trial.place(), trial.place()]);
    });
    assert.equal(new Set(ids).size, ids.length, "an order came twice");
    const missing = idsOf(orders).filter((id) => !ids.includes(id));
    assert.deepEqual(missing, [], "orders were skipped");
  }),
  both("orders placed at one moment are paged once each", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 30 }, () => trial.place()));
    await trial.list({}, 30);
    assert.deepEqual((await pages(trial, { limit: 4 })).sort(), idsOf(orders).sort());
  }),
  both("every filter, and all of them together, page what fits and nothing else", async (trial) => {
    const orders: StoredOrder[] = [];
    const groups = ["a", "b", null];
    for (let n = 0; n < 12; n++) {
      orders.push(await trial.place({ group: groups[n % 3] ?? null, status: n < 9 ? "received" : "held" }));
      await trial.pass(0.002);
    }
    for (const [n, order] of orders.entries()) {
      if (n >= 9) continue;
      const outcome = n % 2 === 0 ? failedForGood(n < 5 ? "down" : "declined") : movedTo("priced");
      orders[n] = await trial.commit(order, outcome);
    }
    const down = orders[0]?.failure?.fingerprint;
    const queries: Omit<ListQuery, "limit">[] = [
      {},
      { status: "received" },
      { status: "priced" },
      { status: "held" },
      { status: "done" },
      { failed: true },
      { failed: false },
      { fingerprint: down },
      { fingerprint: "no such" },
      { group: "a" },
      { group: "no such" },
      { status: "received", failed: true, fingerprint: down, group: "a" },
      { status: "received", failed: false },
      { status: "held", failed: true },
      { failed: true, group: "b" },
      { failed: false, status: "priced", group: "a" },
    ];
    for (const query of queries) {
      const expected = orders.filter((order) => fits(order, query)).toReversed();
      assert.deepEqual(await trial.list(query, expected.length), expected, JSON.stringify(query));
      assert.deepEqual(await pages(trial, { ...query, limit: 2 }), idsOf(expected), JSON.stringify(query));
    }
  }),
  both("orders in a worker's hand, delayed and waiting for a worker are one list", async (trial) => {
    const orders: StoredOrder[] = [];
    for (let n = 0; n < 12; n++) {
      orders.push(await trial.place({ group: `g-${n}` }));
      await trial.pass(0.002);
    }
    const newestFirst = orders.toReversed();
    const taken = await trial.receive("received", 8);
    for (const delivery of taken.filter((_, n) => n % 2 === 0)) {
      await trial.backend.settle(delivery, { verdict: "again", notBefore: trial.clock.now() + 3_600_000 });
    }
    assert.deepEqual(await trial.list({ status: "received" }, 12), newestFirst);
    assert.deepEqual(await pages(trial, { status: "received", limit: 5 }), idsOf(newestFirst));
    assert.deepEqual(await pages(trial, { status: "received", failed: false, limit: 1 }), idsOf(newestFirst));
  }),
  both("an order that changes is listed where it stands now", async (trial) => {
    const order = await trial.place();
    await trial.list({ status: "received" }, 1);
    const moved = await trial.handle(order, movedTo("priced", { price: 5 }));
    assert.deepEqual(await trial.list({ status: "priced" }, 1), [moved]);
    assert.deepEqual(await trial.list({ status: "received" }, 0), []);
  }),
  both("a cursor that no list returned is refused", async (trial) => {
    for (let n = 0; n < 3; n++) await trial.place();
    await trial.list({}, 3);
    const { nextCursor } = await trial.backend.list({ limit: 1 });
    assert.ok(nextCursor);
    const bogus = ["", " ", "0", "-1", "1e9", "null", "%%%", "💥", "AAAA", "x".repeat(5_000), `${nextCursor}AAAA`];
    bogus.push(btoa('{"id":"1"}'), btoa("[]"), "__proto__", "' OR 1=1 --");
    for (const cursor of bogus) {
      await assert.rejects(
        trial.backend.list({ limit: 1, cursor }),
        (error) => error instanceof CauceError && error.code === "invalid_cursor",
        `the cursor ${JSON.stringify(cursor.slice(0, 30))}`,
      );
    }
  }),
  needs(
    "crashing",
    both("paging goes on after a crash", async (trial) => {
      const orders = await Promise.all(Array.from({ length: 9 }, () => trial.place()));
      const ids = await pages(trial, { limit: 3 }, () => trial.crash());
      assert.deepEqual(ids.sort(), idsOf(orders).sort());
    }),
  ),
];

/** Reads the ids of all pages. `between` runs after each page but the last. */
async function pages(trial: Trial, query: ListQuery, between?: () => Promise<void>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await trial.backend.list({ ...query, cursor });
    assert.ok(page.items.length <= query.limit, `list({ limit: ${query.limit} }) gave ${page.items.length}`);
    ids.push(...idsOf(page.items));
    if (page.nextCursor === null) return ids;
    assert.ok(ids.length < 1_000, "the pages do not end");
    cursor = page.nextCursor;
    await between?.();
  }
}

/** Decides which orders a filter takes. Backends may use `matches` of the core, so the suite decides it on its own. */
function fits(order: StoredOrder, query: Omit<ListQuery, "limit">): boolean {
  return (
    (query.status === undefined || order.status === query.status) &&
    (query.failed === undefined || (order.failure !== null) === query.failed) &&
    (query.fingerprint === undefined || order.failure?.fingerprint === query.fingerprint) &&
    (query.group === undefined || order.group === query.group)
  );
}
