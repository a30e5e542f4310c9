import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { resourceNames } from "../../src/backend/aws/index.ts";
import { type DeliveryMode, defineWorkflow, final, implement, PermanentError } from "../../src/index.ts";
import { processingHandler, requestHandler, sweepHandler } from "../../src/lambda/index.ts";
import { createStack } from "../backend/aws/emulators.ts";
import { atEnd } from "../engine/support.ts";
import { createEventSource } from "../lambda/eventSource.ts";
import { scan } from "../stored/items.ts";
import { assertGolden, jsonOf } from "./golden.ts";
import { fixRandom, type Message, startWire } from "./wire.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), does: z.string(), note: z.string().optional() }),
  group: ({ customer }) => customer,
  initial: "received",
  statuses: {
    received: { to: ["packed", "asked"], timeoutSeconds: 10, retry: { attempts: 2, baseSeconds: 10, maxSeconds: 10 } },
    asked: { to: ["packed", "sent", "dropped"], waits: true, expires: { afterSeconds: 86_400, to: "dropped" } },
    packed: { to: ["sent"], timeoutSeconds: 10 },
    sent: final,
    dropped: final,
  },
});
const handled = ["received", "packed"];
const stage = "golden";
const requestId = "6f0b6b2c-7c3f-4d0e-8a51-0c6d1f2e3a4b";
const long = "A long note. ".repeat(50);

interface Step {
  readonly step: string;
  readonly writes: readonly object[];
  /** The items that are new or other than before the step, and the keys of those that are gone. */
  readonly stored: readonly object[];
  readonly gone: readonly string[];
  readonly messages: readonly Message[];
}

/** The three functions over a stack, with fixed times, ids and names. */
async function functions(t: TestContext, delivery: DeliveryMode) {
  // Date alone: the SDK's timers and the emulators' go on.
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 24) });
  // What lasts follows the time that passes, which goes with the date here.
  t.mock.method(performance, "now", () => Date.now());
  fixRandom(t);
  t.mock.method(Math, "random", () => 0.5);
  const wire = await startWire(t);
  const stack = await createStack({ workflow: workflow.name, stage, mode: delivery, statuses: handled });
  const environment = {
    CAUCE_STAGE: stage,
    CAUCE_DELIVERY: delivery,
    CAUCE_TOPIC_ARN: stack.topicArn,
    CAUCE_QUEUE_URL_BASE: `${process.env.AWS_ENDPOINT_URL_SQS}/000000000000/`,
    CAUCE_PUBLIC: "true",
    CAUCE_METRICS: "false",
    AWS_LAMBDA_FUNCTION_NAME: "parcels-golden",
  };
  Object.assign(process.env, environment);
  const dynamo = new DynamoDBClient();
  const sources = new Map(
    handled.map((status) => [status, createEventSource({ queueUrl: stack.queueUrl(status) as string })]),
  );
  atEnd(t, async () => {
    for (const name of Object.keys(environment)) delete process.env[name];
    for (const source of sources.values()) source.close();
    dynamo.destroy();
    await stack.remove();
  });
  const app = implement(workflow, {
    handlers: {
      received({ data }, { attempt }) {
        if (data.does === "stop") throw new PermanentError("parcel 17 has no address");
        if (data.does === "fail" && attempt === 1) throw new Error("the scale did not answer");
        return data.does === "ask" ? "asked" : { to: "packed", results: { weight: 2 } };
      },
      packed: ({ data }) => ({ to: "sent", results: { note: data.note ?? "none" } }),
    },
  });
  const [request, processing, sweep] = [requestHandler(app), processingHandler(app), sweepHandler(app)];
  const invocation = { awsRequestId: requestId, getRemainingTimeInMillis: () => 60_000 };
  const steps: Step[] = [];
  let before = new Map<string, string>();
  let messageNumber = 0;

  const keep = async (step: string): Promise<Step> => {
    const items = await scan(dynamo, resourceNames(workflow.name, stage, delivery).table);
    const now = new Map(items.map((item) => [keyOf(item), JSON.stringify(item, bytesAsText)]));
    const stored = [...now].filter(([key, text]) => before.get(key) !== text).map(([, text]) => JSON.parse(text));
    const gone = [...before.keys()].filter((key) => !now.has(key));
    before = now;
    const kept = { step, ...wire.take(), stored, gone };
    steps.push(kept);
    t.mock.timers.tick(10_000);
    return kept;
  };
  wire.take();

  return {
    steps,
    advance: (seconds: number) => t.mock.timers.tick(seconds * 1_000),
    /** A call of the HTTP API. */
    async call(step: string, method: string, path: string, body?: object, headers: Record<string, string> = {}) {
      const answer = await request({
        ...{ rawPath: path, rawQueryString: "", isBase64Encoded: false },
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        requestContext: { domainName: "api.example", requestId: "gateway-1", http: { method } },
      });
      assert.ok(answer.statusCode < 300, answer.body);
      const { messages } = await keep(step);
      return { id: (answer.body === "" ? {} : JSON.parse(answer.body)).id as string, messages };
    },
    /** What an event source brings of a message: the same message again is received once more. */
    async deliver(step: string, status: string, [message]: readonly Message[], receives = 1) {
      assert.ok(message);
      const { entry } = message;
      // In FIFO a message is put off by its receipt, which must be one that the queue knows.
      const event = delivery === "fifo" && receives === 1 ? await sources.get(status)?.receive(1) : undefined;
      if (receives === 1) messageNumber++;
      const record = {
        messageId: `00000000-0000-4000-8000-${String(messageNumber).padStart(12, "0")}`,
        receiptHandle: event?.Records[0]?.receiptHandle ?? "receipt",
        body: String(entry.Message ?? entry.MessageBody),
        attributes: {
          ApproximateReceiveCount: String(receives),
          ...(delivery === "fifo" ? { MessageGroupId: String(entry.MessageGroupId) } : {}),
        },
        eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${resourceNames(workflow.name, stage, delivery).queue(status)}`,
      };
      await processing({ Records: [record] }, invocation);
      return (await keep(step)).messages;
    },
    async sweep(step: string) {
      await sweep({}, invocation);
      return (await keep(step)).messages;
    },
  };
}

describe("what the functions write and send", () => {
  for (const delivery of ["standard", "fifo"] as const) {
    it(`is stored and on the wire as it was (${delivery})`, async (t) => {
      const { steps, advance, call, deliver, sweep } = await functions(t, delivery);
      const place = (step: string, data: z.input<typeof workflow.data>, key?: string) =>
        call(step, "POST", "/parcels", data, key === undefined ? {} : { "idempotency-key": key });

      const first = await place("an order is placed with an idempotency key", { customer: "a", does: "pack" }, "key-1");
      const packed = await deliver("its handler moves it on, with results", "received", first.messages);
      await deliver("it reaches a final status, the first of that status", "packed", packed);

      const large = await place("an order with large data is placed", { customer: "a", does: "fail", note: long });
      const again = await deliver("its first attempt fails, and another is put off", "received", large.messages);
      const retried = delivery === "fifo" ? large.messages : again;
      advance(10);
      const moved = await deliver("the second attempt moves it on", "received", retried, delivery === "fifo" ? 2 : 1);
      await deliver("its worker died: an attempt is lost, the next gives large results", "packed", moved, 2);

      const asked = await place("an order that will wait is placed", { customer: "b", does: "ask" });
      await deliver("it waits, with an expiry", "received", asked.messages);
      const transition = { to: "packed", reason: "the customer called", results: { by: "phone" } };
      const headers = { "idempotency-key": "key-2", "x-request-id": "request-2" };
      const path = `/parcels/${asked.id}/transitions`;
      const called = await call("the API moves it on, with a key of its own", "POST", path, transition, headers);
      await deliver("it ends", "packed", called.messages);

      const failed = await place("an order that will fail is placed", { customer: "c", does: "stop" });
      await deliver("it fails for good", "received", failed.messages);
      const started = await call("an operator retries it", "POST", `/parcels/${failed.id}/retry`);
      await deliver("it fails again", "received", started.messages);

      await call("a status is paused", "POST", "/parcels/queues/packed/pause");
      const other = await place("an order is placed while its next status is paused", { customer: "d", does: "pack" });
      const held = await deliver("it enters the paused status", "received", other.messages);
      const late = await deliver("its message is put off", "packed", held);
      await call("the status is resumed", "POST", "/parcels/queues/packed/resume");
      if (delivery === "fifo") await deliver("its message comes again", "packed", held, 2);
      else await deliver("its new message comes", "packed", late);

      // One at a time is due: a sweep sees to all that are at once, and what it draws and sends is in no order.
      const lost = await place("an order is placed, and its message is lost", { customer: "e", does: "pack" });
      advance(3_600);
      const swept = await sweep("a sweep queues it again, and keeps counts");
      assert.equal(swept.length, 1, lost.id);
      await deliver("it goes on", "packed", await deliver("its message comes", "received", swept));

      const waiting = await place("an order that will expire is placed", { customer: "f", does: "ask" });
      await deliver("it waits", "received", waiting.messages);
      advance(86_400);
      await sweep("a sweep moves what has waited long enough");

      await call("an order with a key is removed", "DELETE", `/parcels/${first.id}`);
      await call("an order with parts is removed", "DELETE", `/parcels/${large.id}`);

      const items = steps.map(({ step, writes, stored, gone }) => ({ step, writes, stored, gone }));
      assertGolden(`items.${delivery}.json`, jsonOf(items));
      const messages = steps.filter((each) => each.messages.length > 0);
      assertGolden(`messages.${delivery}.json`, jsonOf(messages.map(({ step, messages }) => ({ step, messages }))));
    });
  }
});

function keyOf({ id, part }: Record<string, AttributeValue>): string {
  return `${id?.S} ${part?.S}`;
}

function bytesAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}
