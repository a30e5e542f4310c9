import assert from "node:assert/strict";
import type { Case } from "./case.ts";
import { failedAttempt, movedTo } from "./workflow.ts";

const sweeps = 8;
/** A backlog that was swept 8 times may have grown by log2(8) messages for each order, and by no more. */
const deliveriesMost = 1 + Math.log2(sweeps);

/** 9. A backlog does not multiply. */
export const backlog: readonly Case[] = [
  {
    name: "orders that merely wait in a long queue are not overdue",
    async run(trial) {
      await Promise.all(Array.from({ length: 50 }, () => trial.place()));
      const { orders, nextCursor } = await trial.backend.overdue({ limit: 100 });
      assert.deepEqual([orders, nextCursor], [[], null]);
    },
  },
  {
    name: "orders in flight, delayed or failed are not overdue",
    async run(trial) {
      const order = await trial.place();
      await trial.handle(order, failedAttempt("down", 3_600));
      await trial.place();
      await trial.receiveOne("received");
      assert.deepEqual((await trial.backend.overdue({ limit: 100 })).orders, []);
    },
  },
  {
    name: "redelivering what is queued adds next to nothing, and the order is handled once",
    async run(trial) {
      const order = await trial.place();
      for (let sweep = 0; sweep < sweeps; sweep++) await trial.backend.redeliver(order);
      let deliveries = 0;
      let emptyLooks = 0;
      await trial.eventually("every delivery", async () => {
        const options = { status: "received", max: 10, leaseSeconds: 60, waitSeconds: 0 };
        const taken = await trial.backend.receive(options);
        for (const each of taken) assert.deepEqual([each.orderId, each.visit], [order.id, 0]);
        deliveries += taken.length;
        emptyLooks = taken.length > 0 ? 0 : emptyLooks + 1;
        return deliveries > 0 && emptyLooks >= 10 ? true : undefined;
      });
      assert.ok(deliveries <= deliveriesMost, `${deliveries} deliveries of one visit`);
      await trial.commit(order, movedTo("priced"));
      await trial.receiveOne("priced");
      await trial.receiveNothing("priced");
    },
  },
  {
    name: "redelivering what is in flight or delayed brings it no earlier",
    async run(trial) {
      const delayed = await trial.handle(await trial.place(), failedAttempt("down", 3_600));
      const flying = await trial.place();
      assert.equal((await trial.receiveOne("received")).orderId, flying.id);
      for (let sweep = 0; sweep < sweeps; sweep++) {
        await trial.backend.redeliver(flying);
        await trial.backend.redeliver(delayed);
      }
      await trial.receiveNothing("received");
      await trial.commit(flying, movedTo("done"));
      await trial.receiveNothing("received");
    },
  },
  {
    name: "redelivering an order as it stood before it moved adds nothing",
    async run(trial) {
      const order = await trial.place();
      const moved = await trial.handle(order, movedTo("priced"));
      await trial.backend.redeliver(order);
      await trial.receiveNothing("received");
      await trial.handle(moved, movedTo("done"));
      await trial.backend.redeliver(moved);
      await trial.receiveNothing("received");
      await trial.receiveNothing("priced");
    },
  },
];
