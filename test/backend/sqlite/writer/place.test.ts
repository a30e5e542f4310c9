import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import fc from "fast-check";
import { memory } from "../../../../src/backend/memory/memory.ts";
import type { DeliveryMode, LocatedBackend, NewOrder, Placed } from "../../../../src/backend/port.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { newOrder, openSqlite, temporaryDirectory } from "../support.ts";

const hex = (digit: number) => String(digit).repeat(64);
const key = fc.option(
  fc.record({ keyHash: fc.integer({ min: 1, max: 9 }), contentHash: fc.integer({ min: 1, max: 2 }) }),
  {
    nil: null,
  },
);
const order = fc
  .record({
    key,
    group: fc.constantFrom(null, "a", "b", "c"),
    kind: fc.constantFrom("handled", "handled", "handled", "waiting", "final"),
    extrasJson: fc.constantFrom(null, null, null, '{"definition":2}'),
    large: fc.boolean(),
    pause: fc.boolean(),
  })
  .map(({ key, group, kind, extrasJson, large, pause }) => ({
    group,
    kind,
    extrasJson,
    pause,
    status: kind === "handled" ? "received" : kind,
    dataJson: large ? JSON.stringify("x".repeat(70_000)) : '{"n":1}',
    key: key === null ? null : { keyHash: hex(key.keyHash), contentHash: hex(key.contentHash) },
  }));
type Sent = Partial<NewOrder> & { readonly pause: boolean };

/** Places orders at once, some with another operation behind, and tells what came of each by its number of placing. */
async function placeAll(backend: LocatedBackend, batches: readonly (readonly Sent[])[]) {
  const numbers = new Map<string, number>();
  const told: unknown[] = [];
  for (const batch of batches) {
    const placings: Promise<Placed>[] = [];
    const others: Promise<void>[] = [];
    for (const { pause, ...fields } of batch) {
      placings.push(backend.place({ ...newOrder, ...fields } as NewOrder));
      if (pause) others.push(backend.keep({ is: "paused", status: "priced", paused: true }));
    }
    for (const placed of await Promise.all(placings)) {
      if (placed.outcome === "placed") numbers.set(placed.order.id, numbers.size);
      const id = placed.outcome === "conflict" ? placed.orderId : placed.order.id;
      told.push([placed.outcome, numbers.get(id)]);
    }
    await Promise.all(others);
  }
  const named = ({ id, ...order }: { readonly id: string }) => ({ ...order, id: numbers.get(id) });
  const { items } = await backend.list({ limit: 1_000 });
  const { depths } = await backend.counts({ depths: true });
  const handed = await backend.receive({ status: "received", max: 1_000, leaseSeconds: 60, waitSeconds: 0 });
  return {
    told,
    items: items.map(named),
    depths: depths.toSorted((a, b) => (a.status < b.status ? -1 : 1)),
    handed: handed.map(({ orderId }) => numbers.get(orderId)),
  };
}

describe("placings that are stored by one statement", () => {
  for (const delivery of ["standard", "fifo"] as const satisfies readonly DeliveryMode[]) {
    it(`come to the same as one by one in the memory backend, whatever is repeated among them (${delivery})`, async () => {
      const batches = fc.array(fc.array(order, { minLength: 1, maxLength: 90 }), { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(batches, async (sent) => {
          const { directory, remove } = temporaryDirectory();
          const clock = fakeClock();
          const reference = memory({ clock, delivery });
          const backend = await openSqlite(directory, { clock, delivery });
          try {
            const [found, expected] = await Promise.all([placeAll(backend, sent), placeAll(reference, sent)]);
            assert.deepEqual(found, expected);
          } finally {
            await backend.close();
            await reference.close();
          }
          const db = new DatabaseSync(join(directory, "orders.db"), { readOnly: true });
          assert.equal(db.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
          db.close();
          remove();
        }),
        { numRuns: 12 },
      );
    });
  }
});
