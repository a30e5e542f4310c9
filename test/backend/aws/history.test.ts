import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeHistory, encodeHistory } from "../../../src/backend/aws/item.ts";
import type { Actor, Visit } from "../../../src/core/order.ts";
import { anyHistory } from "./arbitrary.ts";

const createdAt = Date.UTC(2026, 10, 24);

describe("an order's history", () => {
  it("reads back as it was written, whatever it holds", () => {
    fc.assert(
      fc.property(anyHistory, ({ createdAt, entry, past }) => {
        assert.deepEqual(decodeHistory(encodeHistory({ createdAt, entry, past }), createdAt), { entry, past });
      }),
      { numRuns: 500 },
    );
  });

  it("keeps the places of the values that follow an empty one", () => {
    const by: Actor = { runtime: "pod", name: "p", requestId: null, messageId: "~m" };
    const entry = { at: createdAt, reason: null, error: "the last of all", by };
    const keyed = { at: createdAt + 1, reason: null, error: null, by: { ...by, messageId: null }, key: "k" };
    const past = [{ ...keyed, status: "received", visit: 0, attempts: 3 }];
    assert.deepEqual(decodeHistory(encodeHistory({ createdAt, entry, past }), createdAt), { entry, past });
  });

  it("takes less than 320 bytes for an order of four statuses", () => {
    const processing = { runtime: "lambda", name: "orders-processing-dev" } as const;
    const handled = (): Actor => ({ ...processing, requestId: randomUUID(), messageId: randomUUID() });
    const past = ["received", "paid", "packed"].map(
      (status, visit): Visit => ({
        ...{ status, visit, attempts: 0, at: createdAt + visit * 900, reason: null, error: null },
        by:
          visit === 0
            ? { runtime: "lambda", name: "orders-request-dev", requestId: randomUUID(), messageId: null }
            : handled(),
      }),
    );
    const entry = { at: createdAt + 2_700, reason: null, error: null, by: handled() };
    const bytes = Buffer.byteLength(encodeHistory({ createdAt, entry, past }));
    assert.ok(bytes < 320, `${bytes} bytes`);
  });
});
