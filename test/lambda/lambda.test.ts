import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { aws } from "../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../src/backend/port.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { leasesOf } from "../../src/core/workflow.ts";
import { defineWorkflow, final, implement, PermanentError } from "../../src/index.ts";
import { processingHandler, requestHandler, type SqsEvent, sweepHandler } from "../../src/lambda/index.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { newOrder } from "../backend/sqlite/support.ts";
import { createEventSource, invocation } from "./eventSource.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), does: z.string().optional() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: {
    received: { to: ["packed"], timeoutSeconds: 5, retry: { attempts: 3, baseSeconds: 1 } },
    packed: { to: ["sent"], timeoutSeconds: 5 },
    sent: final,
  },
});

const statuses = ["received", "packed"];
let stages = 0;

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly history: readonly {
    by: { runtime: string; name: string; requestId: string | null; messageId: string | null };
  }[];
  readonly failure: { code: string } | null;
}

/** Makes a stack and the three functions over it, as Lambda runs them. */
async function functions(
  t: TestContext,
  delivery: DeliveryMode,
  received: (does: string | undefined) => Promise<void> = async () => {},
) {
  const stage = `l${++stages}`;
  const stack = await createStack({ workflow: workflow.name, stage, mode: delivery, statuses });
  const app = implement(workflow, {
    handlers: {
      received: async (order) => {
        await received(order.data.does);
        return "packed" as const;
      },
      packed: async () => "sent" as const,
    },
  });
  const environment = {
    CAUCE_STAGE: stage,
    CAUCE_DELIVERY: delivery,
    CAUCE_TOPIC_ARN: stack.topicArn,
    CAUCE_QUEUE_URL_BASE: `${process.env.AWS_ENDPOINT_URL_SQS}/000000000000/`,
    CAUCE_PUBLIC: "true",
  };
  Object.assign(process.env, environment);
  t.after(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  const [request, processing, sweep] = [requestHandler(app), processingHandler(app), sweepHandler(app)];
  const sources = Object.fromEntries(
    statuses.map((status) => [status, createEventSource({ queueUrl: stack.queueUrl(status) as string })]),
  );
  t.after(async () => {
    for (const source of Object.values(sources)) source.close();
    await stack.remove();
  });
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const [rawPath = "", rawQueryString = ""] = path.split("?");
    const answer = await request({
      rawPath,
      rawQueryString,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      isBase64Encoded: false,
      requestContext: { domainName: "api.example", requestId: "gateway-1", http: { method } },
    });
    return { ...answer, json: () => JSON.parse(answer.body) };
  };
  const place = async (data: { customer: string; does?: string }): Promise<Shown> => {
    const answer = await call("POST", "/parcels", data);
    assert.equal(answer.statusCode, 202, answer.body);
    return answer.json();
  };
  const get = async (id: string): Promise<Shown> => (await call("GET", `/parcels/${id}`)).json();
  /** Receives a batch of `count` messages, by several receives where one brings fewer. */
  const receive = async (status: string, count: number): Promise<SqsEvent> => {
    const Records: SqsEvent["Records"][number][] = [];
    for (let tries = 0; Records.length < count && tries < 20; tries++) {
      Records.push(...((await sources[status]?.receive(count - Records.length))?.Records ?? []));
    }
    assert.equal(Records.length, count, `messages of ${status}`);
    return { Records };
  };
  const settle = async (status: string, event: SqsEvent, answer: Awaited<ReturnType<typeof processing>>) =>
    sources[status]?.settle(event, answer);
  const counts = async (status: string) => {
    const sqs = new SQSClient();
    const { Attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: stack.queueUrl(status) as string, AttributeNames: ["All"] }),
    );
    sqs.destroy();
    const of = (name: string) => Number((Attributes as Record<string, string>)[`ApproximateNumberOfMessages${name}`]);
    return { visible: of(""), hidden: of("NotVisible"), delayed: of("Delayed") };
  };
  const handle = async (status: string, count: number) => {
    const event = await receive(status, count);
    const answer = await processing(event, invocation());
    await settle(status, event, answer);
    return answer.batchItemFailures.length;
  };
  return { app, counts, stage, call, place, get, receive, settle, handle, processing, sweep, sources };
}

/** Collects the metrics that functions write from now on, without CloudWatch's directives. */
function metricsOf(t: TestContext): Record<string, unknown>[] {
  const metrics: Record<string, unknown>[] = [];
  const { stdout } = process;
  const write = stdout.write.bind(stdout) as (...given: unknown[]) => boolean;
  t.mock.method(stdout, "write", (...given: unknown[]) => {
    if (!String(given[0]).startsWith('{"_aws"')) return write(...given);
    const { _aws, stage, ...members } = JSON.parse(String(given[0]));
    metrics.push(members);
    return true;
  });
  return metrics;
}

describe("the Lambda functions", () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const delivery of ["standard", "fifo"] as const) {
    it(`take an order through its statuses, and its history names the run and the message (${delivery})`, async (t) => {
      const { place, get, handle } = await functions(t, delivery);
      const { id } = await place({ customer: "a" });
      assert.equal(await handle("received", 1), 0);
      assert.equal(await handle("packed", 1), 0);
      const order = await get(id);
      assert.equal(order.status, "sent");
      assert.deepEqual(
        order.history.map(({ by }) => [by.runtime, by.requestId, typeof by.messageId]),
        [
          ["lambda", "gateway-1", "object"],
          ["lambda", "request", "string"],
          ["lambda", "request", "string"],
        ],
      );
    });
  }

  it("answer as the API does on a server, and 501 to requests that one function cannot answer", async (t) => {
    const { call } = await functions(t, "standard");
    assert.equal((await call("GET", "/healthz")).statusCode, 200);
    assert.equal((await call("GET", `/parcels/${randomUUID()}`)).json().code, "order_not_found");
    assert.equal((await call("POST", "/parcels", "{")).json().code, "invalid_json");
    assert.equal((await call("GET", "/parcels?limit=1&status=sent")).statusCode, 200);
    for (const path of ["/events", "/stats", "/metrics"]) {
      const answer = await call("GET", path);
      assert.deepEqual([answer.statusCode, answer.json().code], [501, "not_available_here"], path);
    }
    assert.equal((await call("GET", "/openapi.json")).statusCode, 200);
    const key = { "idempotency-key": "k-1" };
    const placed = await call("POST", "/parcels", { customer: "a" }, key);
    const again = await call("POST", "/parcels", { customer: "a" }, key);
    assert.deepEqual([placed.statusCode, again.statusCode, again.json().id], [202, 200, placed.json().id]);
    assert.equal((await call("POST", "/parcels", { customer: "b" }, key)).statusCode, 409);
  });

  it("answer each line of a batch, and refuse a batch above 4 MB", async (t) => {
    const { call } = await functions(t, "standard");
    const lines = [{ data: { customer: "a" } }, { data: {} }, { data: { customer: "b" } }];
    const type = { "content-type": "application/x-ndjson" };
    const answer = await call("POST", "/parcels/batch", lines.map((line) => JSON.stringify(line)).join("\n"), type);
    const answered = answer.body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).status);
    assert.deepEqual(answered, [202, 422, 202]);
    const large = await call("POST", "/parcels/batch", `${JSON.stringify(lines[0])}\n`.repeat(180_000), type);
    assert.deepEqual([large.statusCode, large.json().code], [413, "body_too_large"]);
  });

  it("complete a standard batch where one order fails: the failed order comes again by a new message", async (t) => {
    const { place, get, handle } = await functions(t, "standard", async (does) => {
      if (does === "fail") throw new Error("down");
      if (does === "refuse") throw new PermanentError("never");
    });
    const [good, bad, never] = [
      await place({ customer: "a" }),
      await place({ customer: "a", does: "fail" }),
      await place({ customer: "a", does: "refuse" }),
    ];
    assert.equal(await handle("received", 3), 0);
    assert.equal((await get(good.id)).status, "packed");
    assert.deepEqual([(await get(bad.id)).status, (await get(bad.id)).attempts], ["received", 1]);
    assert.equal((await get(never.id)).failure?.code, "handler_failed");
    assert.equal(await handle("received", 1), 0);
    assert.equal((await get(bad.id)).attempts, 2);
  });

  it("start no handler with less than its time left, and give the message back at once", async (t) => {
    let runs = 0;
    const { place, get, receive, settle, processing, handle } = await functions(t, "standard", async () => {
      runs++;
    });
    const { id } = await place({ customer: "a" });
    const event = await receive("received", 1);
    const answer = await processing(event, invocation(5_000));
    assert.deepEqual([answer.batchItemFailures.length, runs], [1, 0]);
    await settle("received", event, answer);
    // The message comes again long before its invisibility of 30 s ends, and no attempt was counted.
    assert.equal(await handle("received", 1), 0);
    assert.deepEqual([(await get(id)).status, (await get(id)).attempts, runs], ["packed", 0, 1]);
  });

  it("serve a group in turn: no order behind a failed one is handled, and other groups go on", async (t) => {
    const seen: (string | undefined)[] = [];
    const { place, get, receive, processing } = await functions(t, "fifo", async (does) => {
      seen.push(does);
      if (does === "a1") throw new Error("down");
    });
    const orders: Shown[] = [];
    for (const does of ["a1", "a2", "b1"]) orders.push(await place({ customer: does.slice(0, 1), does }));
    // SQS gives several messages of a group to one invocation. The emulator gives one at a time, so the test adds one.
    const event = await receive("received", 2);
    const [first] = event.Records;
    const head = event.Records.find(({ body }) => JSON.parse(body).id === orders[0]?.id);
    assert.ok(first && head);
    const follower = {
      ...head,
      messageId: randomUUID(),
      receiptHandle: `${head.receiptHandle}`,
      body: JSON.stringify({ id: orders[1]?.id, visit: 0 }),
    };
    const answer = await processing({ Records: [...event.Records, follower] }, invocation());
    assert.deepEqual(seen.toSorted(), ["a1", "b1"]);
    assert.deepEqual(
      answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier).toSorted(),
      [head.messageId, follower.messageId].toSorted(),
    );
    assert.deepEqual(
      (await Promise.all(orders.map(({ id }) => get(id)))).map(({ status, attempts }) => [status, attempts]),
      [
        ["received", 1],
        ["received", 0],
        ["packed", 0],
      ],
    );
  });

  it("leave messages of an unknown queue, and messages that Cauce did not write", async (t) => {
    const { receive, place, processing } = await functions(t, "standard");
    await place({ customer: "a" });
    const [record] = (await receive("received", 1)).Records;
    assert.ok(record);
    const strange = { ...record, eventSourceARN: "arn:aws:sqs:us-east-1:000000000000:other-queue" };
    assert.equal((await processing({ Records: [strange] }, invocation())).batchItemFailures.length, 1);
    const foreign = { ...record, messageId: "m-2", body: "hello" };
    const answer = await processing({ Records: [foreign] }, invocation());
    assert.deepEqual(answer.batchItemFailures, [{ itemIdentifier: "m-2" }]);
  });

  it("write the counts of attempts and placings for CloudWatch", async (t) => {
    const { call, receive, processing } = await functions(t, "standard", async (does) => {
      if (does === "fail") throw new Error("down");
      if (does === "refuse") throw new PermanentError("never");
    });
    const metrics = metricsOf(t);
    const key = { "idempotency-key": "k-1" };
    for (const data of [{ customer: "a" }, { customer: "a" }, {}]) await call("POST", "/parcels", data, key);
    const type = { "content-type": "application/x-ndjson" };
    const lines = [
      { data: { customer: "a", does: "fail" } },
      { data: { customer: "a", does: "refuse" } },
      { data: { customer: "a" }, idempotencyKey: "k-1" },
      { data: {} },
    ];
    await call("POST", "/parcels/batch", lines.map((line) => JSON.stringify(line)).join("\n"), type);
    await call("GET", "/parcels");
    const workflow = "parcels";
    assert.deepEqual(metrics.splice(0), [
      { workflow, OrdersPlaced: 1 },
      { workflow, OrdersRepeated: 1 },
      { workflow, OrdersRefused: 1 },
      { workflow, OrdersPlaced: 2, OrdersRepeated: 1, OrdersRefused: 1 },
    ]);

    const event = await receive("received", 3);
    await processing(event, invocation(1_000));
    assert.deepEqual(metrics.splice(0), [{ workflow, status: "received", MessagesNotDone: 3 }]);
    await processing(event, invocation());
    const [{ AttemptMilliseconds, ...counts } = {}, ...more] = metrics;
    assert.deepEqual(counts, {
      ...{ workflow, status: "received" },
      ...{ AttemptsMoved: 1, AttemptsRetried: 1, AttemptsFailed: 1 },
    });
    assert.equal((AttemptMilliseconds as number[]).length, 3);
    assert.deepEqual(more, []);
  });

  it("write no metrics where CAUCE_METRICS is false", async (t) => {
    process.env.CAUCE_METRICS = "false";
    t.after(() => delete process.env.CAUCE_METRICS);
    const { place, handle } = await functions(t, "standard");
    const metrics = metricsOf(t);
    await place({ customer: "a" });
    await handle("received", 1);
    assert.deepEqual(metrics, []);
  });

  it("answer 503 while the store cannot be opened, and try again with the next request", async (t) => {
    const { app } = await functions(t, "standard");
    const stage = "later";
    process.env.CAUCE_STAGE = stage;
    const request = requestHandler(app);
    const requestContext = { domainName: "api.example", requestId: "gateway-1", http: { method: "GET" } };
    const event = { rawPath: "/parcels", rawQueryString: "", headers: {}, isBase64Encoded: false, requestContext };
    const missing = await request(event);
    assert.deepEqual([missing.statusCode, JSON.parse(missing.body).code], [503, "store_missing"]);
    const stack = await createStack({ workflow: workflow.name, stage, mode: "standard", statuses });
    try {
      assert.equal((await request(event)).statusCode, 200);
    } finally {
      await stack.remove();
    }
  });

  for (const delivery of ["standard", "fifo"] as const) {
    it(`run no handler of a paused status, and put its messages off (${delivery})`, async (t) => {
      let runs = 0;
      const { call, place, get, receive, settle, processing, counts } = await functions(t, delivery, async () => {
        runs++;
      });
      const ids: string[] = [];
      for (const customer of ["a", "a", "b"]) ids.push((await place({ customer })).id);
      assert.equal((await call("POST", "/parcels/queues/received/pause")).statusCode, 200);
      // In FIFO the queue gives the first message of each group.
      const event = await receive("received", delivery === "fifo" ? 2 : 3);
      const answer = await processing(event, invocation());
      await settle("received", event, answer);
      assert.equal(answer.batchItemFailures.length, delivery === "fifo" ? 2 : 0);
      const left = await counts("received");
      assert.deepEqual(
        left,
        delivery === "fifo" ? { visible: 1, hidden: 2, delayed: 0 } : { visible: 0, hidden: 0, delayed: 3 },
      );
      for (const id of ids) assert.deepEqual([(await get(id)).status, (await get(id)).attempts], ["received", 0]);
      assert.equal(runs, 0);
    });
  }

  it("sweep once, while there is time", async (t) => {
    const { sweep } = await functions(t, "standard");
    assert.deepEqual(await sweep({}, invocation()), { swept: 0 });
    assert.deepEqual(await sweep({}, invocation(100)), { swept: 0 });
  });

  it("sweep the other orders and workflows where one order cannot be moved, and then fail", async (t) => {
    const { app, stage } = await functions(t, "standard");
    const letters = { ...workflow, name: "letters" };
    const stack = await createStack({ workflow: letters.name, stage, mode: "standard", statuses });
    t.after(() => stack.remove());
    const openAt = (name: string, clock: Clock) => {
      const queueUrl = (status: string) => `${process.env.CAUCE_QUEUE_URL_BASE}${name}-${status}-${stage}`;
      return aws({ stage, queueUrl })({
        workflow: name,
        delivery: "standard",
        clock,
        leaseSeconds: leasesOf(workflow),
      });
    };
    const earlier = fakeClock(Date.now() - 3_600_000);
    const place = async (name: string, status: string): Promise<string> => {
      const backend = await openAt(name, earlier);
      const placed = await backend.place({ ...newOrder, status, createdAt: earlier.now() });
      await backend.close();
      return "order" in placed ? placed.order.id : assert.fail();
    };
    await place(workflow.name, "gone");
    const ids = { parcels: await place(workflow.name, "packed"), letters: await place(letters.name, "packed") };
    // Each workflow has a topic of its own.
    delete process.env.CAUCE_TOPIC_ARN;
    const both = sweepHandler([app, implement(letters, { handlers: app.handlers as never })]);
    await assert.rejects(both({}, invocation()), { code: "store_missing" });
    for (const [name, id] of Object.entries(ids)) {
      const backend = await openAt(name, systemClock());
      const received: string[] = [];
      for (let receives = 0; receives < 2; receives++) {
        const asked = { status: "packed", max: 10, leaseSeconds: 60, waitSeconds: 0 };
        received.push(...(await backend.receive(asked)).map(({ orderId }) => orderId));
      }
      await backend.close();
      // One message is of the placing, and one of the sweep.
      assert.deepEqual(received, [id, id], name);
    }
  });

  it("remove orders older than the retention, while there is time", async (t) => {
    process.env.CAUCE_RETENTION_DAYS = "2";
    t.after(() => {
      delete process.env.CAUCE_RETENTION_DAYS;
    });
    const { call, sweep, stage } = await functions(t, "standard");
    const clock = fakeClock(Date.now() - 3 * 86_400_000);
    const backend = await aws({ stage })({ workflow: workflow.name, delivery: "standard", clock });
    const placed = await backend.place({ ...newOrder, status: "sent", kind: "final", createdAt: clock.now() });
    await backend.close();
    assert.ok("order" in placed);
    const path = `/parcels/${placed.order.id}`;
    assert.deepEqual(await sweep({}, invocation(100)), { swept: 0, removed: 0 });
    assert.equal((await call("GET", path)).statusCode, 200);
    assert.deepEqual(await sweep({}, invocation()), { swept: 0, removed: 1 });
    assert.equal((await call("GET", path)).statusCode, 404);
  });
});
