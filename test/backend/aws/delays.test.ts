import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { type AwsBackend, aws } from "../../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { leasesOf } from "../../../src/core/workflow.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { defineWorkflow, final, implement, RetryError } from "../../../src/index.ts";
import { fakeClock } from "../../../src/testing/index.ts";
import { seeded, startDisorderProxy } from "./disorder.ts";
import { createStack, startEmulators } from "./emulators.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), waitsSeconds: z.number().optional() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: { received: { to: ["done"], timeoutSeconds: 30 }, done: final },
});
const minute = 60;
const hour = 3_600;
const day = 86_400;
let stages = 0;

/** Opens queues whose delays go by the test's clock, and a worker that receives when the test says so. */
async function worker(t: TestContext, mode: DeliveryMode) {
  const stage = `delay${++stages}`;
  const outer = process.env.AWS_ENDPOINT_URL_SQS as string;
  const clock = fakeClock();
  const proxy = await startDisorderProxy({ upstream: outer, random: seeded(3), clock });
  process.env.AWS_ENDPOINT_URL_SQS = proxy.url;
  const stack = await createStack({ workflow: workflow.name, stage, mode, statuses: ["received"] });
  const leaseSeconds = leasesOf(workflow);
  const backend: AwsBackend = await aws({ stage, ...stack, shards: 1 })({
    ...{ workflow: workflow.name, delivery: mode, clock, leaseSeconds },
  });
  const handled: { readonly customer: string; readonly waits: boolean; readonly at: number }[] = [];
  const asked = new Set<string>();
  const app = implement(workflow, {
    handlers: {
      received: async ({ id, data }) => {
        const { customer, waitsSeconds } = data;
        handled.push({ customer, waits: waitsSeconds !== undefined, at: clock.now() });
        // The attempt takes some time, which counts against the 12 hours too.
        clock.advance(5);
        if (waitsSeconds === undefined || asked.has(id)) return "done" as const;
        asked.add(id);
        throw new RetryError({ delaySeconds: waitsSeconds });
      },
    },
  });
  const log = { info: () => {}, warn: () => {}, error: (fields: object) => assert.fail(JSON.stringify(fields)) };
  const actor = { runtime: "node", name: "test" } as const;
  const engine = createEngine({ app, backend, clock, random: seeded(5), log, actor, commitRetrySeconds: 0 });
  const attempt = await engine.openAttempts();
  t.after(async () => {
    await engine.stop();
    await backend.close();
    await stack.remove();
    await proxy.stop();
    process.env.AWS_ENDPOINT_URL_SQS = outer;
  });
  /** Handles every message that the queue gives now. */
  const work = async (): Promise<void> => {
    for (;;) {
      const received = { status: "received", max: 10, leaseSeconds: leaseSeconds.received as number, waitSeconds: 0 };
      const deliveries = await backend.receive(received);
      if (deliveries.length === 0) return;
      for (const delivery of deliveries) {
        const verdict = await attempt(delivery, () => {});
        assert.ok(verdict);
        if (!verdict.consumed) await backend.settle(delivery, verdict);
      }
    }
  };
  return {
    ...{ clock, engine, handled, asked: proxy.asked, work },
    async place(data: { customer: string; waitsSeconds?: number }): Promise<string> {
      const placed = await engine.place(data);
      assert.ok("order" in placed);
      return placed.order.id;
    },
    /** Moves time on to `until`, with a sweep each `stepSeconds` and a worker that polls. */
    async pass(until: number, stepSeconds: number) {
      while (clock.now() < until) {
        clock.advance(Math.min(stepSeconds, (until - clock.now()) / 1_000));
        await engine.maintain("sweep", () => true);
        await work();
      }
    },
  };
}

describe("a delay longer than a message can wait", () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  const delays = [
    { what: "20 minutes", seconds: 20 * minute, stepSeconds: 5 * minute },
    { what: "12 hours", seconds: 12 * hour, stepSeconds: 3 * hour },
    { what: "13 hours", seconds: 13 * hour, stepSeconds: 3 * hour },
    { what: "40 days", seconds: 40 * day, stepSeconds: 2 * day },
  ];
  for (const mode of ["standard", "fifo"] as const) {
    for (const { what, seconds, stepSeconds } of delays) {
      it(`lasts the whole ${what} (${mode})`, async (t) => {
        const { engine, handled, asked, place, work, pass } = await worker(t, mode);
        const id = await place({ customer: "a", waitsSeconds: seconds });
        const [behind, other] = [await place({ customer: "a" }), await place({ customer: "b" })];
        await work();
        const first = handled.find(({ waits }) => waits);
        const at = (await engine.get(id))?.notBefore;
        assert.ok(first && at);
        assert.ok(at >= first.at + seconds * 1_000, "the whole delay lies ahead");
        assert.equal((await engine.get(other))?.status, "done");
        const statusBehind = async () => (await engine.get(behind))?.status;
        // SQS keeps a FIFO message for 14 days, and its group waits no longer than that.
        const holds = mode === "fifo" && seconds < 14 * day;
        assert.equal(await statusBehind(), mode === "fifo" ? "received" : "done");

        await pass(at - 1_000, stepSeconds);
        assert.deepEqual(
          [handled.filter(({ waits }) => waits).length, (await engine.get(id))?.status],
          [1, "received"],
        );
        assert.equal(await statusBehind(), holds ? "received" : "done");

        // The order's time has come: it is handled after one sweep at the latest.
        await pass(at + minute * 1_000, minute / 2);
        const last = handled.filter(({ waits }) => waits).at(-1);
        assert.ok(last !== undefined && last.at >= at && last.at <= at + minute * 1_000);
        assert.deepEqual([(await engine.get(id))?.status, await statusBehind()], ["done", "done"]);
        assert.equal(handled.length, 4);
        if (holds) assert.equal(handled.at(-1)?.waits, false, "the order behind it in the group comes after it");

        for (const { action, seconds } of asked) {
          assert.ok(seconds <= (action === "SendMessageBatch" ? 900 : 43_200), `${action} ${seconds}`);
        }
      });
    }
  }

  it("keeps back the orders behind it in its group (fifo)", async (t) => {
    const { engine, handled, asked, place, work, pass } = await worker(t, "fifo");
    const id = await place({ customer: "a", waitsSeconds: 2 * day });
    for (let n = 0; n < 5; n++) await place({ customer: "a" });
    await work();
    const at = (await engine.get(id))?.notBefore as number;
    await pass(at - 1_000, 6 * hour);
    assert.equal(handled.length, 1);
    // The message is made invisible again each time that SQS's 12 hours are over.
    assert.ok(asked.filter(({ seconds }) => seconds > 11 * hour).length >= 3);
    await pass(at + minute * 1_000, minute);
    assert.deepEqual(
      handled.map(({ waits }) => waits),
      [true, true, false, false, false, false, false],
    );
    assert.equal((await engine.list({ status: "done", limit: 10 })).items.length, 6);
  });
});

it("a lease that SQS cannot give is refused when the backend opens", async () => {
  const made = aws()({ workflow: "parcels", delivery: "standard", clock: fakeClock(), leaseSeconds: { slow: 43_201 } });
  await assert.rejects(made, { code: "limit_exceeded", message: /status "slow"/ });
});
