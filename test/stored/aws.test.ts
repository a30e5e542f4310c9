import { after, before, describe } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { aws, resourceNames } from "../../src/backend/aws/index.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { atEnd } from "../engine/support.ts";
import { describeStored } from "./goesOn.ts";
import { load, readItems } from "./items.ts";
import { namesOf, statuses, workflow } from "./reading.ts";

describe("stored on AWS", () => {
  let emulators: { stop(): Promise<void> };
  let stages = 0;
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  for (const delivery of ["standard", "fifo"] as const) {
    describeStored("aws", delivery, async (t) => {
      const stage = `stored${++stages}`;
      const stack = await createStack({ workflow, stage, mode: delivery, statuses });
      atEnd(t, stack.remove);
      const dynamo = new DynamoDBClient();
      const items = readItems(namesOf("aws", delivery).stored);
      await load(dynamo, resourceNames(workflow, stage, delivery).table, items);
      dynamo.destroy();
      return aws({ ...stack, stage, shards: 2, pollSeconds: 1 });
    });
  }
});
