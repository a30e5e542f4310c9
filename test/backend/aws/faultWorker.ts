import { parentPort, workerData } from "node:worker_threads";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { destroyClients } from "../../../src/backend/aws/clients.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { createCalm } from "./calm.ts";
import { createStack, startEmulators } from "./emulators.ts";
import { cellsOf, type Driver, handled, workflow } from "./faultCells.ts";
import { stageName, startFaultProxy } from "./faults.ts";

// The cells of one delivery, many at a time: they wait for most of their time. A thread of its own, since the test
// runner's bookkeeping of what is asynchronous makes every call a good deal dearer.
const atOnce = 32;

const { driver, delivery } = workerData as { readonly driver: string; readonly delivery: DeliveryMode };
const { rows, endsOnce } = (await import(driver)) as Driver;

const emulators = await startEmulators({ patient: false });
const proxy = await startFaultProxy(rows.map(({ site }) => site.kind));
// Without the product's time-outs: whoever looks on waits.
const clients = { dynamo: new DynamoDBClient(), sns: new SNSClient(), sqs: new SQSClient() };

const calm = createCalm(250);
const cells = cellsOf(rows, delivery).entries();
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (const [at, { cell, fault, name }] of cells) {
      await calm();
      const number = at + 1;
      try {
        const stack = await createStack({
          ...{ workflow: workflow.name, stage: stageName(number), mode: delivery, statuses: handled },
          clients,
        });
        await endsOnce({ number, delivery, stack, proxy, clients }, cell, fault);
        parentPort?.postMessage({ name, error: undefined });
      } catch (error) {
        parentPort?.postMessage({ name, error });
      }
    }
  }),
);
destroyClients(clients);
await proxy.stop();
await emulators.stop();
parentPort?.postMessage({ name: `${delivery} · every call is of a row`, unknown: [...proxy.unknown] });
