import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { aws } from "../../../src/backend/aws/index.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { newOrder } from "../sqlite/support.ts";
import { createStack, startEmulators } from "./emulators.ts";
import { limitMilliseconds } from "./patience.ts";

const workflow = "removing";

describe("the removal of old orders on AWS", { timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("reads only orders that were placed early enough, page by page", async (t) => {
    const clock = fakeClock();
    const stack = await createStack({ workflow, stage: "old", mode: "standard", statuses: [] });
    const backend = await aws({ stage: "old", ...stack, shards: 1 })({ workflow, delivery: "standard", clock });
    t.after(async () => {
      await backend.close();
      await stack.remove();
    });
    const place = async (count: number) => {
      for (let n = 0; n < count; n++) {
        await backend.place({ ...newOrder, status: "done", kind: "final", createdAt: clock.now() });
      }
    };
    await place(3);
    clock.advance(1);
    const before = clock.now();
    await place(5);
    const first = await backend.remove({ before, limit: 2 });
    assert.ok(first !== "not_final");
    assert.equal(first.removed, 2);
    const cursor = String(first.nextCursor);
    assert.deepEqual(await backend.remove({ before, limit: 2, cursor }), { removed: 1, nextCursor: null });
    const { items } = await backend.list({ limit: 20 });
    assert.deepEqual(
      items.map(({ createdAt }) => createdAt),
      Array.from({ length: 5 }, () => before),
    );
    const earlier = await backend.remove({ before: before - 1_000, limit: 2, cursor });
    assert.deepEqual(earlier, { removed: 0, nextCursor: null }, "a cursor that lies behind all that is looked at");
  });
});
