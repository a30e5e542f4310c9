import assert from "node:assert/strict";
import type { Backend } from "../../backend/port.ts";
import { CauceError } from "../../core/errors.ts";
import { failedAttempt, movedTo } from "./orders.ts";
import { both, type Case, idsOf, needs } from "./trial.ts";

/** 12. Closing leaves nothing behind. No timer may be left after any case of the suite. */
export const closed: readonly Case[] = [
  both("closing ends the receives that wait, with nothing", async (trial) => {
    const options = { status: "received", max: 5, leaseSeconds: 60, waitSeconds: 60 };
    const receives = [1, 2, 3].map(() => trial.backend.receive(options));
    await trial.settles("close", trial.backend.close());
    assert.deepEqual(await trial.settles("the receives", Promise.all(receives)), [[], [], []]);
  }),
  both("after closing every call is refused with `closed`", async (trial) => {
    const order = await trial.place();
    const delivery = await trial.receiveOne("received");
    const change = trial.change(order, movedTo("done"));
    const { backend } = trial;
    await trial.settles("close", backend.close());
    const calls: Record<Exclude<keyof Backend, "limits" | "close">, () => Promise<unknown>> = {
      place: () => backend.place(trial.newOrder()),
      get: () => backend.get(order.id),
      list: () => backend.list({ limit: 1 }),
      commit: () => backend.commit(change),
      receive: () => backend.receive({ status: "received", max: 1, leaseSeconds: 60, waitSeconds: 60 }),
      settle: () => backend.settle(delivery, { verdict: "done" }),
      sweep: () => backend.sweep({ limit: 1 }),
      remove: () => backend.remove({ id: order.id }),
      counts: () => backend.counts({ depths: true, failures: true }),
      keep: () => backend.keep({ is: "probe" }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const refused = assert.rejects(
        call(),
        (error) => error instanceof CauceError && error.code === "closed" && !error.message.includes("\n"),
        `${name} after close`,
      );
      await trial.settles(`${name} after close`, refused);
    }
  }),
  needs(
    "closing",
    both("a delivery that no worker got is no attempt, and comes after closing as if new", async (trial) => {
      for (const turns of [0, 1, 2, 3]) {
        const orders = Promise.all(Array.from({ length: 5 }, () => trial.place()));
        const wanted = trial.backend.receive({ status: "received", max: 10, leaseSeconds: 60, waitSeconds: 60 });
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        const closed = trial.backend.close();
        const handed = new Set((await trial.settles("the receive", wanted)).map(({ orderId }) => orderId));
        const placed = idsOf(await trial.settles("the placings", orders));
        await trial.settles("close", closed);
        await trial.reopen();
        // The deliveries that were handed out just before are in flight, and come when their leases have run out.
        const expected = placed.filter((id) => !handed.has(id));
        for (let seen = 0; seen < expected.length; ) {
          const delivery = await trial.receiveOne("received");
          if (expected.includes(delivery.orderId)) {
            assert.equal(delivery.redelivered, false, `after ${turns} turns`);
            seen++;
          }
          await trial.commit(await trial.get(delivery.orderId), movedTo("done"));
        }
        for (const id of placed) await trial.get(id);
      }
    }),
  ),
  both("closing twice, and at the same time, is closing once", async (trial) => {
    await trial.place();
    const { backend } = trial;
    const twice = assert.doesNotReject(Promise.all([backend.close(), backend.close()]), "two closes at once");
    await trial.settles("two closes at once", twice);
    await trial.settles("a third close", assert.doesNotReject(backend.close(), "a third close"));
  }),
  both("closing leaves no timer, whatever was in flight, delayed, waiting or wanted", async (trial) => {
    await trial.handle(await trial.place(), failedAttempt("down", 3_600));
    await trial.place({ status: "parked", expiresAt: trial.clock.now() + 3_600_000 });
    await trial.place();
    await trial.receiveOne("received", 600);
    const options = { status: "received", max: 5, leaseSeconds: 60, waitSeconds: 600 };
    const stop = new AbortController();
    const receives = [
      trial.backend.receive(options),
      trial.backend.receive({ ...options, status: "priced", signal: stop.signal }),
    ];
    await trial.settles("close", trial.backend.close());
    await trial.settles("the receives", Promise.all(receives));
    assert.equal(trial.timers(), 0, "timers that are left");
    stop.abort();
  }),
  both("calls that are under way when the backend closes are answered or refused with `closed`", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 10 }, () => trial.place({ status: "held" })));
    const calls: Promise<unknown>[] = [];
    for (const order of orders) {
      calls.push(trial.backend.place(trial.newOrder()), trial.backend.get(order.id), trial.depths());
      calls.push(trial.backend.commit({ ...holding(order), delivery: "end" }), trial.backend.list({ limit: 5 }));
    }
    const ended = Promise.allSettled(calls);
    await trial.settles("close", trial.backend.close());
    for (const result of await trial.settles("calls under way", ended)) {
      if (result.status === "fulfilled") continue;
      assert.ok(result.reason instanceof CauceError && result.reason.code === "closed", String(result.reason));
    }
  }),
];

function holding<Order extends { readonly version: number }>(order: Order) {
  return { before: order, after: { ...order, version: order.version + 1 }, ended: null };
}
