import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checkStacks } from "../../../src/emulate/template/checks.ts";
import { arnOf } from "../../../src/emulate/template/references.ts";
import type {
  FunctionResource,
  QueueResource,
  SourceResource,
  Stack,
  SubscriptionResource,
} from "../../../src/emulate/template/stack.ts";
import { temporary } from "../support.ts";

const directory = temporary();
mkdirSync(directory, { recursive: true });
writeFileSync(join(directory, "index.mjs"), "");

const topicArn = arnOf("sns")("topic");
const fifoArn = arnOf("sns")("topic.fifo");

function queue(name: string, more: Partial<QueueResource> = {}): QueueResource {
  const arn = arnOf("sqs")(name);
  return {
    ...{ id: `Queue-${name}`, name, arn, url: `http://127.0.0.1/${name}`, attributes: {}, visibilitySeconds: 60 },
    ...{ fifo: name.endsWith(".fifo"), redrive: undefined },
    statements: [
      {
        Effect: "Allow",
        Action: "sqs:SendMessage",
        Resource: arn,
        Principal: { Service: "sns.amazonaws.com" },
        Condition: { ArnEquals: { "aws:SourceArn": topicArn } },
      },
    ],
    ...more,
  };
}
const subscription: SubscriptionResource = {
  ...{ id: "Subscription", topicArn, protocol: "sqs", endpoint: arnOf("sqs")("paid"), raw: true },
  filter: { status: ["paid"] },
};
const worker: FunctionResource = {
  ...{ id: "Worker", name: "worker", arn: arnOf("lambda", "function:")("worker"), directory, handler: "index.handler" },
  ...{ timeoutSeconds: 60, memoryMegabytes: 128, environment: {}, statements: [] },
};
const source: SourceResource = {
  ...{ id: "Source", queueArn: arnOf("sqs")("paid"), function: "worker", batchSize: 10, windowSeconds: 0 },
  ...{ concurrencyMax: 2, partial: true },
};
const dead = (deadLettersArn: string) => ({ redrive: { deadLettersArn, receivesMax: 3 } });
const topic = { id: "Topic", name: "topic", arn: topicArn, fifo: false, attributes: {} };
const fifoTopic = { id: "FifoTopic", name: "topic.fifo", arn: fifoArn, fifo: true, attributes: {} };
const sound: Stack = {
  name: "test",
  tables: [],
  topics: [topic],
  queues: [queue("dead"), queue("paid", dead(arnOf("sqs")("dead")))],
  subscriptions: [subscription],
  functions: [worker],
  sources: [source],
  schedules: [{ id: "Schedule", everySeconds: 60, function: "worker" }],
  apis: [{ id: "Api", name: "api", routes: [{ key: "$default", function: "worker" }] }],
};
const [deadQueue, paidQueue] = sound.queues as [QueueResource, QueueResource];
const filtered = (filter: unknown): Partial<Stack> => ({ subscriptions: [{ ...subscription, filter }] });

describe("the checks of a stack that emulators do not make", () => {
  it("accept a sound stack", () => assert.doesNotThrow(() => checkStacks([sound])));

  const broken: readonly (readonly [string, Partial<Stack>, RegExp])[] = [
    ["a filter that is none", filtered("paid"), /Subscription: its filter policy must be an object/],
    ["no filter", filtered(undefined), /its filter policy must be an object/],
    ["a filter by what no message has", filtered({ colour: ["red"] }), /asks for "colour"/],
    ["a filter of nothing", filtered({ status: [] }), /no message passes/],
    ["a filter that is no list", filtered({ status: "paid" }), /must be a list/],
    ["a filter by number", filtered({ status: [3] }), /has 3, which matches no text/],
    ["a filter with an unknown operator", filtered({ status: [{ like: "p" }] }), /matches no text/],
    ["a filter for absence", filtered({ status: [{ exists: false }] }), /messages without "status"/],
    [
      "a subscription to a missing queue",
      { subscriptions: [{ ...subscription, endpoint: arnOf("sqs")("gone") }] },
      /its queue gone is not there/,
    ],
    [
      "a subscription of a missing topic",
      { subscriptions: [{ ...subscription, topicArn: arnOf("sns")("gone") }] },
      /its topic gone is not there/,
    ],
    [
      "a subscription with envelopes",
      { subscriptions: [{ ...subscription, raw: false }] },
      /RawMessageDelivery is not true/,
    ],
    [
      "a queue that no policy opens",
      { queues: [deadQueue, { ...paidQueue, statements: [] }] },
      /no policy of paid lets topic send/,
    ],
    [
      "a queue that is open for another topic",
      {
        queues: [
          deadQueue,
          {
            ...paidQueue,
            statements: [
              { ...paidQueue.statements[0], Effect: "Allow", Condition: { ArnEquals: { "aws:SourceArn": fifoArn } } },
            ],
          },
        ],
      },
      /no policy of paid lets topic send/,
    ],
    ["missing dead letters", { queues: [paidQueue] }, /Queue-paid: its dead letters go to dead, which is not there/],
    [
      "dead letters of the other kind",
      { queues: [queue("dead.fifo"), { ...paidQueue, ...dead(arnOf("sqs")("dead.fifo")) }] },
      /both must be FIFO, or both standard/,
    ],
    [
      "a receive count of none",
      { queues: [deadQueue, { ...paidQueue, redrive: { deadLettersArn: deadQueue.arn, receivesMax: 0 } }] },
      /maxReceiveCount is 0/,
    ],
    [
      "a FIFO topic with a standard queue",
      { topics: [fifoTopic], subscriptions: [{ ...subscription, topicArn: fifoArn }] },
      /topic\.fifo and paid must both be FIFO/,
    ],
    [
      "a FIFO queue without its ending",
      { queues: [deadQueue, { ...paidQueue, fifo: true }] },
      /paid must end in \.fifo/,
    ],
    [
      "a visibility below the function's time",
      { queues: [deadQueue, { ...paidQueue, visibilitySeconds: 59 }] },
      /paid hides messages for 59 s, and worker may run for 60 s/,
    ],
    [
      "a source of a missing queue",
      { sources: [{ ...source, queueArn: arnOf("sqs")("gone") }] },
      /Source: its queue gone is not there/,
    ],
    [
      "a source for a missing function",
      { sources: [{ ...source, function: "gone" }] },
      /Source: its function gone is not there/,
    ],
    ["a source without partial answers", { sources: [{ ...source, partial: false }] }, /ReportBatchItemFailures/],
    [
      "a large batch in FIFO",
      {
        queues: [...sound.queues, queue("more.fifo")],
        sources: [{ ...source, queueArn: arnOf("sqs")("more.fifo"), batchSize: 11 }],
      },
      /its batch size is 11, and a FIFO queue's is 10/,
    ],
    [
      "missing code",
      { functions: [{ ...worker, directory: join(directory, "gone") }] },
      /Worker: its code .* is not there/,
    ],
    ["code that is no asset", { functions: [{ ...worker, directory: undefined }] }, /no asset/],
    [
      "a handler in another file",
      { functions: [{ ...worker, handler: "main.handler" }] },
      /main\.handler is not in index\.mjs/,
    ],
    [
      "two queues of one name",
      { queues: [...sound.queues, { ...deadQueue, id: "Other" }] },
      /Other: it is named dead, as Queue-dead is/,
    ],
    [
      "a schedule of nothing",
      { schedules: [{ id: "Schedule", everySeconds: 60, function: "gone" }] },
      /Schedule: it calls the function gone/,
    ],
    [
      "a route to nothing",
      { apis: [{ id: "Api", name: "api", routes: [{ key: "$default", function: "gone" }] }] },
      /Api: its route \$default leads to the function gone/,
    ],
  ];
  for (const [what, part, message] of broken) {
    it(`refuse ${what}`, () => {
      assert.throws(() => checkStacks([{ ...sound, ...part }]), { code: "template_invalid", message });
    });
  }
});
