import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { aws } from "../../../src/backend/aws/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { startEmulators } from "./emulators.ts";
import { limitMilliseconds } from "./patience.ts";
import { stackOf, workflow } from "./support.ts";

describe("an onWarning that throws", { timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("fails nothing, and is told of as a warning of the process", async (t) => {
    const { stack, stage } = await stackOf(t, ["received"]);
    const onWarning = () => {
      throw new Error("no pager");
    };
    const options = { stage, ...stack, shards: 1, onWarning };
    const backend = await aws(options)({ workflow, delivery: "standard", clock: systemClock() });
    t.after(() => backend.close());
    const warned = once(process, "warning");
    const foreign = { MessageId: "m-1", ReceiptHandle: "r-1", Body: "not Cauce's" };
    assert.deepEqual(await backend.acceptFromEventSource("received", [foreign]), []);
    assert.equal(((await warned) as [Error])[0].message, "onWarning of aws(…) failed: no pager");
  });
});
