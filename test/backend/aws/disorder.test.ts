import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { aws } from "../../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { leasesOf } from "../../../src/core/workflow.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { defineWorkflow, final, implement, RetryError } from "../../../src/index.ts";
import { numbersInTurn, type Run, seeded, startDisorderProxy } from "./disorder.ts";
import { createStack, startEmulators } from "./emulators.ts";
import { limitMilliseconds } from "./patience.ts";

const retry = { attempts: 50, baseSeconds: 0.2, maxSeconds: 0.2 };
const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), number: z.int() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: {
    received: { to: ["packed"], timeoutSeconds: 10, concurrency: 8, retry },
    packed: { to: ["sent"], timeoutSeconds: 10, concurrency: 8, retry },
    sent: { to: ["delivered"], timeoutSeconds: 10, concurrency: 8, retry },
    delivered: final,
  },
});
const handled = ["received", "packed", "sent"];
const customers = 24;
const orders = 312;

/** Starts two processes on one stack, and notes what their handlers saw. */
async function atWork(t: TestContext, mode: DeliveryMode, stage: string) {
  const outer = process.env.AWS_ENDPOINT_URL_SQS as string;
  const proxy = await startDisorderProxy({ upstream: outer, random: seeded(7) });
  process.env.AWS_ENDPOINT_URL_SQS = proxy.url;
  const stack = await createStack({ workflow: workflow.name, stage, mode, statuses: handled });
  const random = seeded(11);
  const begun: Run[] = [];
  const under = new Map<string, number>();
  const overlaps: string[] = [];
  const failures = { count: 0 };
  const handle = async (status: string, { customer, number }: { customer: string; number: number }) => {
    const key = `${status} ${customer}`;
    const others = under.get(key) ?? 0;
    if (others > 0) overlaps.push(`${key}: ${number} began beside another`);
    under.set(key, others + 1);
    begun.push({ status, customer, number });
    await sleep(random() * 3);
    under.set(key, (under.get(key) as number) - 1);
    if (random() < 0.1) {
      failures.count++;
      // The retry comes at once, or a second later.
      if (failures.count % 4 > 0) throw new RetryError({ delaySeconds: 0 });
      throw new Error("down for a moment");
    }
  };
  const app = implement(workflow, {
    handlers: {
      received: async ({ data }) => {
        await handle("received", data);
        return "packed" as const;
      },
      packed: async ({ data }) => {
        await handle("packed", data);
        return "sent" as const;
      },
      sent: async ({ data }) => {
        await handle("sent", data);
        return "delivered" as const;
      },
    },
  });
  const clock = systemClock();
  const ended = new Set<unknown>();
  /** The number of committed transitions, counted by their log lines. */
  const moves = { count: 0 };
  let onAllEnded = (): void => {};
  const allEnded = new Promise<void>((resolve) => {
    onAllEnded = resolve;
  });
  const log = {
    info(fields: Record<string, unknown>) {
      if (fields.to !== undefined) moves.count++;
      if (fields.to === "delivered") ended.add(fields.orderId);
      if (ended.size === orders) onAllEnded();
    },
    warn: () => {},
    error: () => {},
  };
  const processes = await Promise.all(
    ["one", "two"].map(async (name) => {
      const backend = await aws({ stage, ...stack, pollSeconds: 1, shards: 2 })({
        ...{ workflow: workflow.name, delivery: mode, clock, leaseSeconds: leasesOf(workflow) },
      });
      return { backend, engine: createEngine({ app, backend, clock, random, log, actor: { runtime: "node", name } }) };
    }),
  );
  t.after(async () => {
    await Promise.all(processes.map(({ engine }) => engine.stop()));
    await Promise.all(processes.map(({ backend }) => backend.close()));
    await stack.remove();
    await proxy.stop();
    process.env.AWS_ENDPOINT_URL_SQS = outer;
  });
  const [first] = processes;
  assert.ok(first);
  return {
    ...{ proxy, begun, overlaps, failures, moves, allEnded },
    engine: first.engine,
    start: () => Promise.all(processes.map(({ engine }) => engine.start())),
  };
}

describe("queues with copies, disorder and late messages", () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const mode of ["standard", "fifo"] as const) {
    const what = mode === "fifo" ? "several of a group at once" : "copies, and any order";
    it(`take every order through every status once (${mode}: ${what})`, { timeout: limitMilliseconds }, async (t) => {
      const { proxy, begun, overlaps, failures, moves, engine, start, allEnded } = await atWork(t, mode, `d-${mode}`);
      // Orders of a group are placed one after the other, so that their order is known. Half come before the start.
      const placing = async (from: number, to: number) => {
        for (let number = from; number < to; number += customers) {
          await Promise.all(
            Array.from({ length: customers }, (_, n) => engine.place({ customer: `c${n}`, number: number + n })),
          );
        }
      };
      await placing(0, 168);
      await start();
      await placing(168, orders);
      await allEnded;
      const { items } = await engine.list({ status: "delivered", limit: 1_000 });

      assert.equal(items.length, orders);
      assert.equal(moves.count, orders * handled.length);
      for (const order of items) {
        const statuses = [...order.past.map(({ status }) => status), order.status];
        assert.deepEqual(statuses, [...handled, "delivered"], order.id);
        assert.equal(order.visit, 3);
      }
      assert.ok(failures.count > 50, `${failures.count} failures`);
      if (mode === "standard") {
        assert.ok(proxy.copies > 100, `${proxy.copies} copies`);
        return;
      }
      assert.ok(proxy.togetherMax >= 5, `${proxy.togetherMax} of one group at once`);
      assert.deepEqual(overlaps, []);
      for (const status of handled) {
        for (let n = 0; n < customers; n++) {
          const placed = Array.from({ length: orders / customers }, (_, round) => round * customers + n);
          // A failed attempt is repeated before the next order of the group begins.
          assert.deepEqual(numbersInTurn(begun, status, `c${n}`), placed, `${status}, group ${n}`);
        }
      }
    });
  }
});
