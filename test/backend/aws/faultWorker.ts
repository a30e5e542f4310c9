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

// Runs the cells of one delivery, many at a time, since a cell waits for most of its time. The cells have a thread of
// their own, since the test runner's async hooks make every call slower.
const atOnce = 32;

const { driver, delivery } = workerData as { readonly driver: string; readonly delivery: DeliveryMode };
const { rows, endsOnce } = (await import(driver)) as Driver;

const emulators = await startEmulators({ patient: false });
const proxy = await startFaultProxy(rows.map(({ site }) => site.kind));
// These clients, which watch the cells, have none of the product's time limits.
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
