import assert from "node:assert/strict";
import type { StoredOrder } from "../../core/order.ts";
import { failedAttempt, failedForGood, movedTo, requested, retried } from "./orders.ts";
import {
  assertOf,
  type Case,
  fifo,
  idsOf,
  shortMilliseconds,
  shortSeconds,
  standard,
  superseded,
  type Trial,
  withinLease,
} from "./trial.ts";

/** 8. In FIFO delivery, a group's orders are handled one at a time, in the order in which they entered the status. */
export const grouped: readonly Case[] = [
  standard("in standard delivery a group holds no order back", async (trial) => {
    const orders = await placeEach(trial, ["a", "a", "a", "b"]);
    assert.deepEqual(idsOf(await trial.receive("received", 4)).sort(), idsOf(orders).sort());
  }),
  fifo("one order of a group at a time, in the order of placing", async (trial) => {
    const orders = await placeEach(trial, ["a", "a", "a", "a", "a"]);
    for (const order of orders) {
      assertOf(await trial.receiveOne("received"), order);
      await trial.receiveNothing("received");
      await trial.commit(order, movedTo("done"));
    }
    await trial.receiveNothing("received");
  }),
  fifo("receivers at the same time get at most one order of each group", async (trial) => {
    const orders = await placeEach(trial, ["a", "a", "b", "a", "b", "c"]);
    const options = { status: "received", max: 10, leaseSeconds: 60, waitSeconds: 0 };
    const taken: string[] = [];
    await trial.eventually("the head of each of three groups", async () => {
      const batches = await Promise.all(Array.from({ length: 5 }, () => trial.backend.receive(options)));
      taken.push(...idsOf(batches.flat()));
      return taken.length >= 3;
    });
    const [a, , b, , , c] = orders;
    assert.deepEqual(taken.sort(), [a?.id, b?.id, c?.id].sort());
    await trial.receiveNothing("received");
  }),
  fifo("orders without a group hold no other order back", async (trial) => {
    const orders = await placeEach(trial, [null, null, "a", null]);
    assert.deepEqual(idsOf(await trial.receive("received", 4)).sort(), idsOf(orders).sort());
  }),
  fifo("a group is held back within a status, not across statuses", async (trial) => {
    const [first, second] = await placeEach(trial, ["a", "a"]);
    const moved = await trial.handle(first, movedTo("priced"));
    assertOf(await trial.receiveOne("priced"), moved);
    assertOf(await trial.receiveOne("received"), second);
  }),
  fifo("in the next status the order of entering it counts", async (trial) => {
    const first = await trial.place({ status: "held", group: "a" });
    const second = await trial.place({ status: "held", group: "a" });
    const secondMoved = await trial.commit(second, requested("priced"));
    const firstMoved = await trial.commit(first, requested("priced"));
    for (const order of [secondMoved, firstMoved]) {
      await trial.handle(order, movedTo("done"));
    }
    await trial.receiveNothing("priced");
  }),
  fifo("an order that is retried later holds back its own group alone, and is still the first", async (trial) => {
    const [first, second, other] = await placeEach(trial, ["a", "a", "b"]);
    await trial.receive("received", 2);
    const failed = await trial.commit(first, failedAttempt("down", shortSeconds));
    await trial.commit(other, movedTo("done"));
    const third = await trial.place({ group: "b" });
    assertOf(await trial.receiveOne("received"), third);
    assertOf(await trial.receiveWithin("received", { notBefore: Number(failed.notBefore) }), first);
    await trial.receiveNothing("received");
    await trial.commit(failed, movedTo("done"));
    assertOf(await trial.receiveOne("received"), second);
  }),
  fifo("a delivery told `again` keeps its place before the others of its group", async (trial) => {
    const [first, second] = await placeEach(trial, ["a", "a"]);
    const notBefore = trial.clock.now() + shortMilliseconds;
    await trial.backend.settle(await trial.receiveOne("received"), { verdict: "again", notBefore });
    assertOf(await trial.receiveWithin("received", { notBefore }), first);
    await trial.commit(first, movedTo("done"));
    assertOf(await trial.receiveOne("received"), second);
  }),
  fifo("a delivery whose lease has run out comes back before the others of its group", async (trial) => {
    const [first, second] = await placeEach(trial, ["a", "a"]);
    const leasedAt = trial.clock.now();
    await trial.receiveOne("received", shortSeconds);
    assertOf(await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds }), first, true);
    await trial.receiveNothing("received");
    await trial.commit(first, movedTo("done"));
    assertOf(await trial.receiveOne("received"), second);
  }),
  fifo("waiting, failed and final orders hold no other order back", async (trial) => {
    const [waiting, failing, ending, last] = await placeEach(trial, ["a", "a", "a", "a"]);
    await trial.handle(waiting, movedTo("held"));
    await trial.handle(failing, failedForGood("down"));
    await trial.handle(ending, movedTo("done"));
    await trial.handle(last, movedTo("done"));
  }),
  fifo("an order that an operator retries joins the end of its group", async (trial) => {
    const [first, second, third] = await placeEach(trial, ["a", "a", "a"]);
    const failed = await trial.handle(first, failedForGood("down"));
    const again = await trial.commit(failed, retried);
    for (const order of [second, third, again]) await trial.handle(order, movedTo("done"));
  }),
  fifo("a lost delivery that is put back joins the end of its group, and the group goes on", async (trial) => {
    const { stray, order: lost } = await superseded(trial, { group: "a" });
    const second = await trial.handle(await trial.place({ group: "a" }), movedTo("priced"));
    await trial.backend.settle(await trial.receiveOne("priced"), { verdict: "done" });
    await trial.backend.settle(stray, { verdict: "superseded", by: lost });
    await trial.handle(second, movedTo("done"));
    await trial.handle(lost, movedTo("done"));
  }),
  fifo("a large group that is held back does not hide the others", async (trial) => {
    const held = await trial.place({ group: "held" });
    assertOf(await trial.receiveOne("received"), held);
    await Promise.all(Array.from({ length: 500 }, () => trial.place({ group: "held" })));
    const others = await placeEach(trial, ["b", "c", null]);
    assert.deepEqual(idsOf(await trial.receive("received", 3)).sort(), idsOf(others).sort());
    await trial.receiveNothing("received");
  }),
  fifo("groups whose keys look alike, or odd, are groups of their own", async (trial) => {
    const longestGroup = "g".repeat(trial.backend.limits.groupBytesMax);
    const keys = [
      ...["a", "A", " a", "a ", "a\u0000", "á", "a\u0301", "", " ", "0", "00", "null", "undefined"],
      ...["__proto__", "constructor", "a:b", "a#b", "a/b", "a%b", "a_b", "'; --", '"', "👩‍👩‍👧", longestGroup],
    ];
    const heads = await placeEach(trial, keys);
    const followers = await placeEach(trial, keys);
    assert.deepEqual(idsOf(await trial.receive("received", keys.length)).sort(), idsOf(heads).sort());
    await trial.receiveNothing("received");
    for (const order of heads) await trial.commit(order, movedTo("done"));
    assert.deepEqual(idsOf(await trial.receive("received", keys.length)).sort(), idsOf(followers).sort());
    for (const [n, order] of followers.entries()) assert.equal((await trial.get(order.id)).group, keys[n]);
  }),
  fifo("many groups through two statuses, with failing attempts between, keep their order", async (trial) => {
    const groups = ["a", "b", "c"];
    const orders = await placeEach(trial, [...groups, ...groups, ...groups]);
    const now = new Map(orders.map((order) => [order.id, order]));
    const seen: Record<string, string[]> = { received: [], priced: [] };
    let step = 0;
    for (const status of ["received", "priced"] as const) {
      for (let left = orders.length; left > 0; ) {
        const { orderId } = await trial.receiveOne(status);
        const order = now.get(orderId);
        assert.ok(order);
        const fails = step++ % 3 === 0 && order.attempts === 0;
        const next = fails ? failedAttempt("down", 0) : movedTo(status === "received" ? "priced" : "done");
        now.set(orderId, await trial.commit(order, next));
        if (fails) continue;
        seen[status]?.push(orderId);
        left--;
      }
    }
    for (const group of groups) {
      const placed = orders.filter((order) => order.group === group).map((order) => order.id);
      for (const status of ["received", "priced"]) {
        const handled = seen[status]?.filter((id) => now.get(id)?.group === group);
        assert.deepEqual(handled, placed, `group ${group} in ${status}`);
      }
    }
  }),
  {
    ...fifo("the order of a group outlives a crash", async (trial) => {
      const [first, second, third] = await placeEach(trial, ["a", "a", "a"]);
      const leasedAt = trial.clock.now();
      await trial.receiveOne("received", shortSeconds);
      await trial.crash();
      assertOf(await trial.receiveWithin("received", withinLease(leasedAt)), first);
      await trial.receiveNothing("received");
      await trial.commit(first, movedTo("done"));
      for (const order of [second, third]) await trial.handle(order, movedTo("done"));
    }),
    needs: "crashing",
  },
];

/** Places one order after the other, one for each group key. */
async function placeEach<const Keys extends readonly (string | null)[]>(
  trial: Trial,
  keys: Keys,
): Promise<{ -readonly [K in keyof Keys]: StoredOrder }> {
  const orders: StoredOrder[] = [];
  for (const group of keys) orders.push(await trial.place({ group }));
  return orders as { -readonly [K in keyof Keys]: StoredOrder };
}
