import assert from "node:assert/strict";
import { it } from "node:test";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { aws } from "../../../src/backend/aws/index.ts";
import { leasesOf } from "../../../src/core/workflow.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { defineWorkflow, final, implement, RetryError } from "../../../src/index.ts";
import { fakeClock } from "../../../src/testing/index.ts";
import { startDisorderProxy } from "./disorder.ts";
import { createStack, startEmulators } from "./emulators.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({}),
  initial: "received",
  statuses: { received: { to: ["done"], timeoutSeconds: 30, retry: { attempts: 20 } }, done: final },
});
const leaseSeconds = leasesOf(workflow);
const [copies, retries] = [2, 3];

it("an order whose messages reach several processes at once is tried again once after each attempt", async (t) => {
  const emulators = await startEmulators();
  const outer = process.env.AWS_ENDPOINT_URL_SQS as string;
  const clock = fakeClock();
  // The proxy's queues go by the test's clock. At 0.99 the proxy makes no copies of its own.
  const proxy = await startDisorderProxy({ upstream: outer, random: () => 0.99, clock });
  process.env.AWS_ENDPOINT_URL_SQS = proxy.url;
  const stack = await createStack({
    workflow: workflow.name,
    stage: "copies",
    mode: "standard",
    statuses: ["received"],
  });
  const sqs = new SQSClient();
  let runs = 0;
  let onAll = (): void => {};
  const all = new Promise<void>((resolve) => {
    onAll = resolve;
  });
  const app = implement(workflow, {
    handlers: {
      received: async () => {
        runs++;
        if (runs > copies + retries) return "done" as const;
        // Every message is attempted at the same time, so that no delivery can know of the others.
        if (runs > copies) onAll();
        await all;
        throw new RetryError({ delaySeconds: 60 });
      },
    },
  });
  const log = { info: () => {}, warn: () => {}, error: (fields: object) => assert.fail(JSON.stringify(fields)) };
  const actor = { runtime: "node", name: "test" } as const;
  const workers = await Promise.all(
    Array.from({ length: copies + 1 }, async () => {
      const options = { workflow: workflow.name, delivery: "standard", clock, leaseSeconds } as const;
      const backend = await aws({ stage: "copies", ...stack, shards: 1 })(options);
      const engine = createEngine({ app, backend, clock, random: () => 0.5, log, actor, commitRetrySeconds: 0 });
      return { backend, engine, attempt: await engine.openAttempts() };
    }),
  );
  t.after(async () => {
    for (const { backend, engine } of workers) {
      await engine.stop();
      await backend.close();
    }
    sqs.destroy();
    await stack.remove();
    await proxy.stop();
    process.env.AWS_ENDPOINT_URL_SQS = outer;
    await emulators.stop();
  });
  /** Has all workers take one message each at the same time, while there are any. */
  const work = async (): Promise<void> => {
    for (;;) {
      const received = { status: "received", max: 1, leaseSeconds: leaseSeconds.received as number, waitSeconds: 0 };
      const taken = await Promise.all(
        workers.map(async (worker) => ({ ...worker, deliveries: await worker.backend.receive(received) })),
      );
      if (taken.every(({ deliveries }) => deliveries.length === 0)) return;
      await Promise.all(
        taken.map(async ({ attempt, backend, deliveries }) => {
          for (const delivery of deliveries) {
            const verdict = await attempt(delivery, () => {});
            assert.ok(verdict);
            if (!verdict.consumed) await backend.settle(delivery, verdict);
          }
        }),
      );
    }
  };

  const [{ engine } = assert.fail()] = workers;
  const placed = await engine.place({});
  assert.ok("order" in placed);
  const { id } = placed.order;
  const MessageBody = JSON.stringify({ id, visit: 0 });
  for (let n = 0; n < copies; n++) {
    await sqs.send(new SendMessageCommand({ QueueUrl: stack.queueUrl("received"), MessageBody }));
  }
  await proxy.gather(stack.queueUrl("received") as string);
  for (let n = 0; n <= retries; n++) {
    await work();
    assert.equal(runs, copies + 1 + n);
    clock.advance(60);
  }
  const order = await engine.get(id);
  assert.deepEqual([order?.status, order?.past[0]?.attempts], ["done", retries + 1]);
});
