import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryMode } from "../../../src/backend/backend.ts";
import { type SqliteBackend, sqlite, sqliteClient } from "../../../src/backend/sqlite/index.ts";
import { decide } from "../../../src/core/decide.ts";
import { contractWorkflow } from "../../../src/testing/contract/workflow.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { newOrder, placeOne, temporaryDirectory } from "./support.ts";

const receiving = { status: "received", max: 10, leaseSeconds: 60, waitSeconds: Number.POSITIVE_INFINITY };

async function openBoth(delivery: DeliveryMode = "standard") {
  const { directory, remove } = temporaryDirectory();
  const clock = fakeClock();
  const options = { workflow: "orders", delivery, clock };
  const owner: SqliteBackend = await sqlite({ directory })(options);
  const client = await sqliteClient(owner.connect())(options);
  return {
    owner,
    client,
    clock,
    async close() {
      await client.close();
      await owner.close();
      remove();
    },
  };
}

test("what a client places is delivered to the owner with all its data, and the client reads what the owner commits", async () => {
  const { owner, client, clock, close } = await openBoth();
  const received = owner.receive(receiving);
  const order = await placeOne(client, { group: "g", dataJson: '{"text":"ünï \\"quoted\\" €"}' });
  const [delivery] = await received;
  assert.equal(delivery?.orderId, order.id);
  assert.deepEqual(await owner.get(order.id), order);
  const by = newOrder.by;
  const outcome = { kind: "failed", code: "handler_failed", message: "no", permanent: true } as const;
  const decision = decide(order, outcome, { workflow: contractWorkflow, now: clock.now(), random: () => 0, by });
  assert.ok("change" in decision);
  assert.equal(await owner.commit(decision.change), "committed");
  assert.deepEqual(await client.get(order.id), decision.change.after);

  // An operator's retry through the client is delivered to the owner too.
  const again = owner.receive(receiving);
  const retry = decide(
    decision.change.after,
    { kind: "retried" },
    { workflow: contractWorkflow, now: clock.now(), random: () => 0, by },
  );
  assert.ok("change" in retry);
  assert.equal(await client.commit(retry.change), "committed");
  assert.equal((await again)[0]?.orderId, order.id);
  assert.equal(await client.commit(retry.change), "stale");
  await close();
});

test("owner and client place at the same time: ids are unique and in order, keys are one space", async () => {
  const { owner, client, close } = await openBoth("fifo");
  const key = { keyHash: "ab".repeat(32), contentHash: "cd".repeat(32) };
  const placed = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      (n % 2 === 0 ? owner : client).place({ ...newOrder, group: `g${n % 7}`, key: n < 20 ? key : null }),
    ),
  );
  const outcomes = placed.map((each) => each.outcome);
  assert.equal(outcomes.filter((outcome) => outcome === "placed").length, 181);
  assert.equal(outcomes.filter((outcome) => outcome === "repeated").length, 19);
  const ids = placed.flatMap((each) => (each.outcome === "placed" ? [each.order.id] : []));
  assert.equal(new Set(ids).size, 181);
  const page = await client.list({ limit: 1_000 });
  assert.equal(page.items.length, 181);
  await close();
});

test("a client does not receive, and a closed owner ends its clients", async () => {
  const { owner, client, close } = await openBoth();
  await assert.rejects(client.receive(receiving), { code: "store_unavailable" });
  await owner.close();
  await assert.rejects(client.place(newOrder), { code: "store_unavailable" });
  await close();
});
