import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { type AwsBackend, aws } from "../../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { leasesOf } from "../../../src/core/workflow.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { defineWorkflow, final, implement } from "../../../src/index.ts";
import { fakeClock } from "../../../src/testing/index.ts";
import { startDisorderProxy } from "./disorder.ts";
import { createStack, startEmulators } from "./emulators.ts";
import { limitMilliseconds } from "./patience.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), text: z.string().optional() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: { received: { to: ["done"], timeoutSeconds: 30 }, done: final },
});
let stages = 0;

/** Opens queues without copies that go by the test's clock, and workers that receive when the test says so. */
async function stageOf(t: TestContext, mode: DeliveryMode) {
  const stage = `left${++stages}`;
  const outer = process.env.AWS_ENDPOINT_URL_SQS as string;
  const clock = fakeClock();
  const proxy = await startDisorderProxy({ upstream: outer, random: () => 0.99, clock });
  process.env.AWS_ENDPOINT_URL_SQS = proxy.url;
  const stack = await createStack({ workflow: workflow.name, stage, mode, statuses: ["received"] });
  const leaseSeconds = leasesOf(workflow);
  const backend: AwsBackend = await aws({ stage, ...stack, shards: 1 })({
    ...{ workflow: workflow.name, delivery: mode, clock, leaseSeconds },
  });
  const handled: string[] = [];
  const app = implement(workflow, {
    handlers: {
      received: async ({ id }) => {
        handled.push(id);
        return "done" as const;
      },
    },
  });
  const log = { info: () => {}, warn: () => {}, error: (fields: object) => assert.fail(JSON.stringify(fields)) };
  const actor = { runtime: "node", name: "test" } as const;
  const engine = createEngine({ app, backend, clock, random: () => 0.5, log, actor, commitRetrySeconds: 0 });
  const attempt = await engine.openAttempts();
  const sqs = new SQSClient();
  t.after(async () => {
    sqs.destroy();
    await engine.stop();
    await backend.close();
    await stack.remove();
    await proxy.stop();
    process.env.AWS_ENDPOINT_URL_SQS = outer;
  });
  const work = async (): Promise<number> => {
    let taken = 0;
    for (;;) {
      const received = { status: "received", max: 10, leaseSeconds: leaseSeconds.received as number, waitSeconds: 0 };
      const deliveries = await backend.receive(received);
      if (deliveries.length === 0) return taken;
      taken += deliveries.length;
      await Promise.all(
        deliveries.map(async (delivery) => {
          const verdict = await attempt(delivery, () => {});
          assert.ok(verdict);
          if (!verdict.consumed) await backend.settle(delivery, verdict);
        }),
      );
    }
  };
  return {
    ...{ clock, engine, work, stage, handled },
    async place(data: { customer: string; text?: string }, idempotencyKey?: string): Promise<string> {
      const placed = await engine.place(data, { idempotencyKey });
      assert.ok("order" in placed);
      return placed.order.id;
    },
    /** Sends another message of a visit, such as a copy of SQS or one that the sweep added. */
    async copy(id: string, visit = 0) {
      await sqs.send(
        new SendMessageCommand({
          QueueUrl: stack.queueUrl("received"),
          MessageBody: JSON.stringify({ id, visit }),
          ...(mode === "fifo" ? { MessageGroupId: hash("sha256", "a"), MessageDeduplicationId: `${id}:0:s1.1` } : {}),
        }),
      );
    },
  };
}

describe("a message left of a removed order", { timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const mode of ["standard", "fifo"] as const) {
    for (const idempotencyKey of [undefined, "k"]) {
      it(`does not come for ever, ${idempotencyKey ? "with" : "without"} an idempotency key (${mode})`, async (t) => {
        const { clock, engine, work, place, copy, handled } = await stageOf(t, mode);
        const id = await place({ customer: "a" }, idempotencyKey);
        assert.equal(await work(), 1);
        await engine.remove(id);
        await copy(id);
        const behind = await place({ customer: "a" });
        let taken = 0;
        for (let seconds = 0; seconds < 10; seconds++) {
          taken += await work();
          clock.advance(1);
        }
        // In standard delivery one read shows that the order is gone. In FIFO the message comes twice, and then its
        // group goes on.
        assert.equal(taken, mode === "standard" ? 2 : 3);
        assert.deepEqual(handled, [id, behind]);
      });
    }
  }

  it("does not come for ever where its visit is later than the order's in a table restored to an earlier time", async (t) => {
    const { clock, work, place, copy, handled } = await stageOf(t, "standard");
    const id = await place({ customer: "a" });
    assert.equal(await work(), 1);
    await copy(id, 7);
    let taken = 0;
    for (let seconds = 0; seconds < 10; seconds++) {
      taken += await work();
      clock.advance(1);
    }
    assert.equal(taken, 1);
    assert.deepEqual(handled, [id]);
  });
});
