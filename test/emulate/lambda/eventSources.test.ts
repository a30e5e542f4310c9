import assert from "node:assert/strict";
import { it } from "node:test";
import * as sqsPackage from "@aws-sdk/client-sqs";
import { startEventSource } from "../../../src/emulate/lambda/eventSources.ts";
import { emulatorKey } from "../../../src/emulate/services/call.ts";
import { loadPeers, startEmulators } from "../../../src/emulate/services/emulators.ts";
import { startProxy } from "../../../src/emulate/services/proxy.ts";

it("an event source keeps its function's concurrent invocations within its maximum", async () => {
  const concurrencyMax = 2;
  const messages = 6;
  const emulators = await startEmulators(await loadPeers(), undefined);
  const proxy = await startProxy(emulators, undefined);
  const sqs = new sqsPackage.SQSClient({
    ...{ endpoint: proxy.url, region: "us-east-1" },
    credentials: { accessKeyId: emulatorKey, secretAccessKey: "x" },
  });
  const { QueueUrl } = await sqs.send(new sqsPackage.CreateQueueCommand({ QueueName: "work" }));
  const queueUrl = String(QueueUrl).replace(/^http:\/\/[^/]+/, proxy.url);
  for (let n = 0; n < messages; n++) {
    await sqs.send(new sqsPackage.SendMessageCommand({ QueueUrl: queueUrl, MessageBody: String(n) }));
  }
  /** Gives a source without a limit enough time to take the other messages: the source calls the same emulator. */
  const othersHadTime = async (): Promise<void> => {
    for (let n = 0; n < 10; n++) {
      await sqs.send(new sqsPackage.GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["All"] }));
    }
  };
  let running = 0;
  let runningMax = 0;
  let done = 0;
  const allDone = Promise.withResolvers<void>();
  const source = startEventSource({
    source: {
      ...{ id: "Source", queueArn: "arn:aws:sqs:us-east-1:000000000000:work", function: "worker" },
      ...{ batchSize: 1, windowSeconds: 0, concurrencyMax, partial: true },
    },
    queueUrl,
    pool: {
      room: async () => {},
      invoke: async () => {
        running++;
        runningMax = Math.max(runningMax, running);
        await othersHadTime();
        running--;
        if (++done === messages) allDone.resolve();
        return { ok: true, payload: "null", requestId: "r" };
      },
    },
    ...{ sqs: sqsPackage, proxy },
    onLine: (_source, line) => assert.fail(line),
  });
  try {
    await allDone.promise;
    assert.equal(runningMax, concurrencyMax);
  } finally {
    await source.close();
    sqs.destroy();
    await proxy.close();
    await emulators.close();
  }
});
