import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Batch, BatchResult } from "../../../src/backend/sqlite/batch/protocol.ts";
import { createChannel } from "../../../src/backend/sqlite/channel.ts";
import { CauceError } from "../../../src/core/errors.ts";

const empty = { numbers: new Float64Array(), text: "" };
const answer: BatchResult = { unsuccessful: [], deliveries: empty, milliseconds: 0 };

/** Makes a channel whose writer answers when the test says so, or where the channel blocks for an answer. */
function opened({ answersAtOnce }: { answersAtOnce: boolean }) {
  const batches: Batch[] = [];
  const waits: number[] = [];
  const answered: number[] = [];
  const channel = createChannel<{ n: number; reject(): void }>({
    post: (batch) => void batches.push(batch),
    resultWithin(milliseconds) {
      waits.push(milliseconds);
      return answersAtOnce ? answer : undefined;
    },
    now: () => 0,
    encode: (to, { n }) => to.number(n),
    onResult: (operations) => void answered.push(...operations.map(({ n }) => n)),
    onFault() {},
  });
  const send = (...numbers: number[]) => {
    for (const n of numbers) channel.send({ n, reject: () => assert.fail("rejected") });
  };
  return { channel, batches, waits, answered, send };
}

describe("the channel to the writer", () => {
  it("blocks for the answer to a batch of one or two operations", async () => {
    const { batches, waits, answered, send } = opened({ answersAtOnce: true });
    send(1);
    await turn();
    send(2, 3);
    await turn();
    assert.equal(batches.length, 2);
    assert.equal(waits.length, 2);
    assert.deepEqual(answered, [1, 2, 3]);
  });

  it("sends a grant of the same tick together with the operation", async () => {
    const { channel, batches, send } = opened({ answersAtOnce: true });
    process.nextTick(() => void Promise.resolve().then(() => channel.grant("open", 5)));
    send(1);
    await turn();
    assert.deepEqual(
      batches.map(({ grants }) => grants),
      [["open", 5]],
    );
  });

  it("does not block for a larger batch, nor behind another batch", async () => {
    const { channel, batches, waits, answered, send } = opened({ answersAtOnce: true });
    send(1, 2, 3);
    await turn();
    send(4);
    await turn();
    await turn();
    assert.equal(batches.length, 2);
    assert.deepEqual(waits, []);
    channel.receive(answer);
    channel.receive(answer);
    assert.deepEqual(answered, [1, 2, 3, 4]);
  });

  it("takes an answer that it blocked for in vain as any other, and does not block for the next 20 batches", async () => {
    const { channel, waits, answered, send } = opened({ answersAtOnce: false });
    for (let n = 0; n < 21; n++) {
      send(n);
      await turn();
      await turn();
      assert.equal(answered.length, n);
      channel.receive(answer);
    }
    assert.equal(waits.length, 1);
    send(21);
    await turn();
    await turn();
    assert.equal(waits.length, 2);
    channel.receive(answer);
    assert.equal(answered.length, 22);
  });

  it("never has more than three batches under way, and fails them all when the writer ends", async () => {
    const failures: number[] = [];
    const { channel, batches } = opened({ answersAtOnce: false });
    for (let n = 0; n < 5; n++) {
      for (let k = 0; k < 3; k++) channel.send({ n, reject: () => void failures.push(n) });
      await turn();
    }
    assert.equal(batches.length, 3);
    channel.end(new CauceError("closed", "gone"));
    assert.deepEqual(failures, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
  });
});
