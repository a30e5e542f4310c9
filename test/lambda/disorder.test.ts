import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { aws } from "../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../src/backend/port.ts";
import { systemClock } from "../../src/core/clock.ts";
import { leasesOf } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import { defineWorkflow, final, implement, RetryError } from "../../src/index.ts";
import { processingHandler, type SqsAnswer, type SqsEvent, type SqsRecord } from "../../src/lambda/index.ts";
import { numbersInTurn, type Run, seeded, startDisorderProxy } from "../backend/aws/disorder.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { createEventSource, invocation } from "./eventSource.ts";

const retry = { attempts: 50, baseSeconds: 0.2, maxSeconds: 0.2 };
const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), number: z.int() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: {
    received: { to: ["packed"], timeoutSeconds: 5, retry },
    packed: { to: ["sent"], timeoutSeconds: 5, retry },
    sent: final,
  },
});
type Handled = "received" | "packed";
const handled: readonly Handled[] = ["received", "packed"];
let stages = 0;

/** Makes two instances of the processing function over disorderly queues. */
async function functions(t: TestContext, mode: DeliveryMode, handle: (run: Run) => Promise<void> = async () => {}) {
  const stage = `ld${++stages}`;
  const upstream = process.env.AWS_ENDPOINT_URL_SQS as string;
  const proxy = await startDisorderProxy({ upstream, random: seeded(17) });
  process.env.AWS_ENDPOINT_URL_SQS = proxy.url;
  const stack = await createStack({ workflow: workflow.name, stage, mode, statuses: handled });
  const runs: Run[] = [];
  const run = async (status: Handled, data: { customer: string; number: number }): Promise<void> => {
    runs.push({ status, ...data });
    await handle({ status, ...data });
  };
  const app = implement(workflow, {
    handlers: {
      received: async ({ data }) => {
        await run("received", data);
        return "packed" as const;
      },
      packed: async ({ data }) => {
        await run("packed", data);
        return "sent" as const;
      },
    },
  });
  const environment = {
    CAUCE_STAGE: stage,
    CAUCE_DELIVERY: mode,
    CAUCE_TOPIC_ARN: stack.topicArn,
    CAUCE_QUEUE_URL_BASE: `${proxy.url}/000000000000/`,
  };
  Object.assign(process.env, environment);
  const instances = [processingHandler(app), processingHandler(app)];
  const clock = systemClock();
  const backend = await aws({ stage, ...stack })({
    ...{ workflow: workflow.name, delivery: mode, clock, leaseSeconds: leasesOf(workflow) },
  });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const actor = { runtime: "node", name: "intake" } as const;
  const engine = createEngine({ app, backend, clock, random: Math.random, log, actor });
  const sources = {
    received: createEventSource({ queueUrl: stack.queueUrl("received") as string }),
    packed: createEventSource({ queueUrl: stack.queueUrl("packed") as string }),
  };
  // The functions log a line for each attempt, which tests read here.
  const write = t.mock.method(process.stdout, "write", (_line: unknown) => true);
  t.after(async () => {
    write.mock.restore();
    for (const name of Object.keys(environment)) delete process.env[name];
    for (const source of Object.values(sources)) source.close();
    await backend.close();
    await stack.remove();
    await proxy.stop();
    process.env.AWS_ENDPOINT_URL_SQS = upstream;
  });

  const place = async (customer: string, number: number): Promise<string> => {
    const placed = await engine.place({ customer, number });
    assert.ok("order" in placed);
    return placed.order.id;
  };
  const stateOf = async (ids: readonly string[]) =>
    (await Promise.all(ids.map(engine.get))).map((order) => [order?.status, order?.attempts]);
  const receive = async (status: Handled, count: number): Promise<SqsRecord[]> => {
    const records: SqsRecord[] = [];
    await proxy.gather(stack.queueUrl(status) as string);
    for (let tries = 0; records.length < count && tries < 20; tries++) {
      records.push(...(await sources[status].receive(count - records.length)).Records);
    }
    assert.equal(records.length, count);
    return records;
  };
  const invoke = (event: SqsEvent, instance = 0): Promise<SqsAnswer> =>
    (instances[instance] as (typeof instances)[number])(event, invocation());
  /** Counts an order's logged attempts of an outcome: one for each commit. */
  const told = (id: string, outcome: string): number =>
    write.mock.calls.filter(({ arguments: [line] }) => {
      const text = String(line);
      return text.includes(`"${id}"`) && text.includes(`"outcome":"${outcome}"`);
    }).length;
  return { told, proxy, runs, engine, place, stateOf, sources, receive, invoke };
}

function failedOf({ batchItemFailures }: SqsAnswer): string[] {
  return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

/** Makes a record of another message that the queue might have given. */
function record(like: SqsRecord, orderId: string, visit: number): SqsRecord {
  const attributes = { ...like.attributes, ApproximateReceiveCount: "1" };
  return {
    ...{ ...like, attributes, messageId: randomUUID(), receiptHandle: randomUUID() },
    body: JSON.stringify({ id: orderId, visit }),
  };
}

describe("the processing function over queues with copies and disorder", () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const mode of ["standard", "fifo"] as const) {
    it(`takes every order through every status once (${mode})`, async (t) => {
      const random = seeded(23);
      const customers = ["a", "b", "c", "d"];
      const each = 12;
      const under = new Set<string>();
      const overlaps: string[] = [];
      let failures = 0;
      const { proxy, runs, engine, place, sources, invoke } = await functions(t, mode, async ({ status, customer }) => {
        const key = `${status} ${customer}`;
        if (under.has(key)) overlaps.push(key);
        under.add(key);
        await new Promise((resolve) => setTimeout(resolve, random() * 3));
        under.delete(key);
        if (random() < 0.15) {
          failures++;
          throw new RetryError({ delaySeconds: 0 });
        }
      });
      const ids: string[] = [];
      for (let number = 0; number < each; number++) {
        ids.push(...(await Promise.all(customers.map((customer) => place(customer, number)))));
      }
      let open = ids.length;
      const serve = async (status: Handled, instance: number): Promise<void> => {
        while (open > 0) {
          const event = await sources[status].receive();
          if (event.Records.length > 0) await sources[status].settle(event, await invoke(event, instance));
          if (status === "packed" && instance === 0) {
            open = (await Promise.all(ids.map(engine.get))).filter((order) => order?.kind !== "final").length;
          }
        }
      };
      await Promise.all(handled.flatMap((status) => [serve(status, 0), serve(status, 1)]));
      for (const id of ids) {
        const order = await engine.get(id);
        assert.deepEqual(
          [...(order?.past ?? []).map(({ status }) => status), order?.status],
          [...handled, "sent"],
          `history of ${id}`,
        );
      }
      assert.ok(failures > 5, `${failures} failures`);
      if (mode === "standard") {
        assert.ok(proxy.copies > 5, `${proxy.copies} copies`);
        return;
      }
      assert.ok(proxy.togetherMax > 2, `${proxy.togetherMax} together`);
      assert.deepEqual(overlaps, []);
      for (const status of handled) {
        for (const customer of customers) {
          assert.deepEqual(
            numbersInTurn(runs, status, customer),
            Array.from({ length: each }, (_, number) => number),
            `${status}, ${customer}`,
          );
        }
      }
    });
  }

  it("moves an order once where one event has its message twice and another instance has it too", async (t) => {
    const { told, runs, engine, place, receive, invoke } = await functions(t, "standard");
    const id = await place("a", 0);
    const [message] = await receive("received", 1);
    assert.ok(message);
    const copy = { ...message, receiptHandle: randomUUID() };
    const answers = await Promise.all([invoke({ Records: [message, message, copy] }), invoke({ Records: [copy] }, 1)]);
    assert.deepEqual(answers.flatMap(failedOf), []);
    const order = await engine.get(id);
    assert.deepEqual([order?.status, order?.visit, order?.past.length], ["packed", 1, 1]);
    assert.equal(told(id, "moved"), 1);
    assert.ok(runs.length >= 1 && runs.length <= 4);
    // The copy comes again long after.
    const before = runs.length;
    assert.deepEqual(failedOf(await invoke({ Records: [copy] })), []);
    assert.deepEqual([(await engine.get(id))?.version, runs.length], [order?.version, before]);
  });

  it("counts one attempt where a failing message is in the event twice", async (t) => {
    const { told, place, stateOf, receive, invoke } = await functions(t, "standard", async () => {
      throw new Error("down");
    });
    const id = await place("a", 0);
    const [message] = await receive("received", 1);
    assert.ok(message);
    const answer = await invoke({ Records: [message, { ...message, receiptHandle: randomUUID() }] });
    assert.deepEqual([failedOf(answer), await stateOf([id])], [[], [["received", 1]]]);
    assert.equal(told(id, "retried"), 1);
  });

  it("drops a message of a visit that is over, and puts off one of a visit that is ahead", async (t) => {
    const { runs, engine, place, stateOf, receive, invoke, sources } = await functions(t, "standard");
    const [first, second] = [await place("a", 0), await place("a", 1)];
    const records = await receive("received", 2);
    const of = (id: string) => records.find(({ body }) => JSON.parse(body).id === id) as SqsRecord;
    assert.deepEqual(failedOf(await invoke({ Records: [of(first)] })), []);
    assert.deepEqual(await stateOf([first, second]), [
      ["packed", 0],
      ["received", 0],
    ]);
    const [packed] = await receive("packed", 1);
    assert.ok(packed);
    // The event begins with a message of the second order's next visit, and ends with one of the first's past visit.
    const ahead = record(packed, second, 1);
    const answer = await invoke({ Records: [ahead, packed, record(of(first), first, 0)] });
    assert.deepEqual(failedOf(answer), []);
    assert.deepEqual(await stateOf([first, second]), [
      ["sent", 0],
      ["received", 0],
    ]);
    assert.equal(runs.length, 2);
    // The first order is final: messages of its visits are dropped.
    assert.deepEqual(failedOf(await invoke({ Records: [of(first), packed] })), []);
    assert.deepEqual([runs.length, (await engine.get(first))?.visit], [2, 2]);
    // The message that was ahead comes again.
    assert.deepEqual(failedOf(await invoke({ Records: [of(second)] })), []);
    const again = await receive("packed", 2);
    assert.ok(again.some(({ messageId }) => messageId !== ahead.messageId));
    const event = { Records: again };
    await sources.packed.settle(event, await invoke(event));
    assert.deepEqual((await stateOf([second]))[0]?.[0], "sent");
  });

  it("serves a group in turn where its head comes twice and an old message stands in between (fifo)", async (t) => {
    let down = true;
    const { runs, place, stateOf, receive, invoke, sources } = await functions(t, "fifo", async ({ number }) => {
      if (down && number === 2) throw new RetryError({ delaySeconds: 0 });
    });
    const ids: string[] = [];
    for (let number = 0; number < 5; number++) ids.push(await place("a", number));
    const other = await place("b", 9);
    const records = await receive("received", 6);
    const of = (n: number) => records.find(({ body }) => JSON.parse(body).id === ids[n]) as SqsRecord;
    const [zero, one, two, three, four] = [of(0), of(1), of(2), of(3), of(4)];
    const b = records.find(({ body }) => JSON.parse(body).id === other) as SqsRecord;
    const stale = record(zero, ids[0] as string, 0);
    const event = { Records: [zero, { ...zero, receiptHandle: randomUUID() }, b, one, stale, two, three, four] };
    const answer = await invoke(event);
    // The third order waits for its next attempt, and holds back the orders behind it.
    assert.deepEqual(
      failedOf(answer),
      [two, three, four].map(({ messageId }) => messageId),
    );
    const numbers = () => runs.filter(({ customer }) => customer === "a").map(({ number }) => number);
    assert.deepEqual(numbers(), [0, 1, 2]);
    assert.deepEqual(await stateOf([...ids, other]), [
      ["packed", 0],
      ["packed", 0],
      ["received", 1],
      ["received", 0],
      ["received", 0],
      ["packed", 0],
    ]);
    await sources.received.settle({ Records: records }, answer);
    down = false;
    const rest = { Records: await receive("received", 3) };
    assert.deepEqual(failedOf(await invoke(rest, 1)), []);
    assert.deepEqual(numbers(), [0, 1, 2, 2, 3, 4]);
  });
});
