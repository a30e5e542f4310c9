import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { aws } from "../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../src/backend/port.ts";
import { createCauce } from "../../src/index.ts";
import type { SqsAnswer, SqsEvent } from "../../src/lambda/index.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { app, workflow } from "./apps/poison.ts";
import { createEventSource } from "./eventSource.ts";

const processing = fileURLToPath(new URL("apps/poison.ts", import.meta.url));
/** How long a killed function's messages stay invisible, in seconds. A deployed queue's time is longer. */
const killedSeconds = 3;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly answer: SqsAnswer | undefined;
}

/** Makes a stack and its event source, which gives messages to a processing function in a process of its own. */
async function mapping(t: TestContext, delivery: DeliveryMode, stage = `p-${delivery}`) {
  const stack = await createStack({ workflow: workflow.name, stage, mode: delivery, statuses: ["received"] });
  const queueUrl = stack.queueUrl("received") as string;
  const cauce = await createCauce({ apps: app, backend: aws({ stage, ...stack }), delivery });
  const sources = [killedSeconds, 60].map((visibilitySeconds) => createEventSource({ queueUrl, visibilitySeconds }));
  const [short, long] = sources as [(typeof sources)[0], (typeof sources)[0]];
  const sqs = new SQSClient();
  t.after(async () => {
    await cauce.close();
    for (const source of sources) source.close();
    sqs.destroy();
    await stack.remove();
  });
  const run = async (event: SqsEvent): Promise<Ended> => {
    const child = spawn(process.execPath, ["--conditions=source", processing], {
      env: {
        ...process.env,
        CAUCE_STAGE: stage,
        CAUCE_DELIVERY: delivery,
        CAUCE_TOPIC_ARN: stack.topicArn,
        CAUCE_QUEUE_URL_BASE: queueUrl.slice(0, queueUrl.lastIndexOf("/") + 1),
      },
      stdio: ["pipe", "ignore", "pipe"],
    });
    child.stdin.end(JSON.stringify(event));
    const [said, [code, signal]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.ok(code === 0 || !said.includes("Error"), said);
    return { code, signal, answer: code === 0 ? (JSON.parse(said) as SqsAnswer) : undefined };
  };
  return {
    place: async (data: { customer: string; dies?: "exit" | "abort"; slow?: boolean }) =>
      (await cauce.place(workflow.name, data)).order.id,
    get: async (id: string) => {
      const order = await cauce.get(workflow.name, id);
      assert.ok(order);
      return order;
    },
    /** Receives the next messages. Where the function is to be killed, they come back after 3 s. */
    async receive(killed: boolean, count = 1): Promise<SqsEvent> {
      for (;;) {
        const event = await (killed ? short : long).receive(count);
        if (event.Records.length === count) return event;
      }
    },
    /** Gives an event to a function. Returns the order's id and the function's end, without an answer where it died. */
    async invoke(event: SqsEvent) {
      const ended = await run(event);
      if (ended.answer !== undefined) await long.settle(event, ended.answer);
      return { id: idOf(event), ...ended };
    },
    async left() {
      const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...AttributeNames] }),
      );
      return AttributeNames.reduce((sum, name) => sum + Number(Attributes[name]), 0);
    },
  };
}

describe("an order that kills its function", { concurrency: 3 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const [delivery, dies, end] of [
    ["standard", "exit", { code: 3, signal: null }],
    ["fifo", "abort", { code: null, signal: "SIGABRT" }],
  ] as const) {
    it(`fails after its attempts and one run more, and holds up no order after that (${delivery})`, async (t) => {
      const { place, get, receive, invoke, left } = await mapping(t, delivery);
      const id = await place({ customer: "a", dies });
      const followers: string[] = [];
      for (let run = 0; run < 3; run++) {
        const event = await receive(true);
        if (run === 0 && delivery === "fifo") {
          // The queue gives no message of its group behind it, and does give those of other groups.
          for (let n = 0; n < 2; n++) followers.push(await place({ customer: "a" }));
          const other = await place({ customer: "b" });
          assert.equal(idOf(event), id);
          assert.equal((await invoke(await receive(false))).id, other);
          assert.equal((await get(other)).status, "done");
        }
        assert.deepEqual(await invoke(event), { id, ...end, answer: undefined });
        const { attempts, failure } = await get(id);
        assert.deepEqual([attempts, failure], [run, null]);
      }
      assert.deepEqual(await invoke(await receive(false)), { id, ...answered });
      const order = await get(id);
      assert.deepEqual([order.status, order.attempts, order.failure?.code], ["received", 2, "worker_lost"]);
      for (const follower of followers) {
        assert.deepEqual(await invoke(await receive(false)), { id: follower, ...answered });
        assert.equal((await get(follower)).status, "done");
      }
      assert.equal(await left(), 0);
    });
  }

  it("costs the other orders of its batch one attempt at most", async (t) => {
    const { place, get, receive, invoke, left } = await mapping(t, "standard", "p-beside");
    const deadly = await place({ customer: "a", dies: "exit" });
    const beside = [await place({ customer: "b", slow: true }), await place({ customer: "c", slow: true })];
    for (let run = 0; run < 3; run++) assert.equal((await invoke(await receive(true, 3))).code, 3);
    assert.deepEqual((await invoke(await receive(false, 3))).answer, { batchItemFailures: [] });
    assert.equal((await get(deadly)).failure?.code, "worker_lost");
    for (const id of beside) assert.equal((await get(id)).status, "done");
    assert.equal(await left(), 0);
  });
});

const answered: Ended = { code: 0, signal: null, answer: { batchItemFailures: [] } };

function idOf({ Records }: SqsEvent): string {
  return JSON.parse(Records[0]?.body ?? "{}").id;
}
