/**
 * Fills a store over the backend's port, faster than over HTTP. It places COUNT orders, which end final or stay queued
 * in their first status. With GROUP all orders have one group. Usage: node --conditions=source bench/prefill.ts
 * DIRECTORY COUNT final|queued standard|fifo [GROUP]
 */

import { orders } from "../examples/orders/orders.workflow.ts";
import type { Backend, DeliveryMode } from "../src/backend/port.ts";
import { sqlite } from "../src/backend/sqlite/index.ts";
import { decide } from "../src/core/decide.ts";
import { type Random, systemClock } from "../src/index.ts";
import { sampleOrder } from "./lib/sampleOrders.ts";

const [directory = "", count, until, delivery, group] = process.argv.slice(2);
const total = Number(count);
const concurrency = 1_000;
const transitions = until === "final" ? ["approved", "paid", "shipped"] : [];

const clock = systemClock();
const random: Random = Math.random;
const by = { runtime: "node", name: "bench", requestId: null, messageId: null } as const;
async function fillOne(backend: Backend): Promise<void> {
  const sample = sampleOrder();
  const data = group === undefined ? sample : { ...sample, customerId: group };
  const placed = await backend.place({
    status: "received",
    kind: "handled",
    dataJson: JSON.stringify(data),
    group: data.customerId,
    createdAt: clock.now(),
    expiresAt: null,
    by,
    extrasJson: null,
    key: null,
  });
  if (placed.outcome !== "placed") throw new Error(`an order was not placed: ${placed.outcome}`);
  let order = placed.order;
  for (const to of transitions) {
    const decision = decide(order, { kind: "moved", to }, { workflow: orders, now: clock.now(), random, by });
    if (!("change" in decision)) throw new Error(`an order was not moved: ${decision.message}`);
    const outcome = await backend.commit(decision.change);
    if (outcome !== "committed") throw new Error(`a change was not committed: ${outcome}`);
    order = decision.change.after;
  }
}

async function fillAll(): Promise<void> {
  const backend = await sqlite({ directory })({ workflow: "orders", delivery: delivery as DeliveryMode, clock });
  let started = 0;
  let done = 0;
  const reportEvery = Math.ceil(total / 10);
  const fillInTurn = async () => {
    while (started < total) {
      started += 1;
      await fillOne(backend);
      done += 1;
      if (done % reportEvery === 0) console.log(done);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, fillInTurn));

  const { depths } = await backend.counts({ depths: true });
  await backend.close();
  const open = depths.reduce((sum, { waiting, inFlight, delayed }) => sum + waiting + inFlight + delayed, 0);
  const expected = until === "final" ? 0 : total;
  if (open !== expected) throw new Error(`${open} orders are open, not ${expected}`);
}

await fillAll().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
