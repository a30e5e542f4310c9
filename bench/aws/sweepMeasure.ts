import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { stepEntries } from "../../src/backend/aws/index/sweep.ts";
import { aws } from "../../src/backend/aws/index.ts";
import { indexName } from "../../src/backend/aws/item.ts";
import { resourceNames } from "../../src/backend/aws/names.ts";
import { leasesOf } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { createStack, startEmulators } from "../../test/backend/aws/emulators.ts";
import { app, handled, sampleData, workflow } from "./app.ts";
import { startCountingProxy } from "./countingProxy.ts";
import { itemBytes } from "./units.ts";

export interface MeasuredSweep {
  readonly orders: number;
  readonly shards: number;
  /** Mean bytes of an index entry, as a sweep reads it. */
  readonly entryBytes: number;
  /** Queries of one pass over these orders: of the index, and for parts of large data that no order names. */
  readonly queries: number;
  /** Entries that one query looks at, at most. */
  readonly looks: number;
  /** How often all orders were swept, and over how many simulated hours. */
  readonly sweeps: number;
  readonly hours: number;
  /** Messages that the sweep added to the queue for each order. No worker received any. */
  readonly messages: number;
}

const shards = 8;
const placedAtOnce = 50;
const triesMax = 20;

/** Sweeps queued orders that no worker takes again and again over simulated hours, on emulators. */
export async function measureSweep(options: {
  readonly orders: number;
  readonly hours: number;
  readonly everySeconds: number;
}): Promise<MeasuredSweep> {
  const { orders, hours, everySeconds } = options;
  const outer = { ...process.env };
  const emulators = await startEmulators();
  const direct = process.env.AWS_ENDPOINT_URL_DYNAMODB as string;
  const proxy = await startCountingProxy(direct);
  const stack = await createStack({ workflow: workflow.name, stage: "sweep", mode: "standard", statuses: handled });
  const plain = { dynamo: new DynamoDBClient({ endpoint: direct }), sqs: new SQSClient() };
  process.env.AWS_ENDPOINT_URL_DYNAMODB = proxy.url;
  const clock = fakeClock();
  const delivery = "standard";
  const backend = await aws({ stage: "sweep", ...stack, shards })({
    ...{ workflow: workflow.name, delivery, clock, leaseSeconds: leasesOf(workflow) },
  });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const actor = { runtime: "node", name: "sweep" } as const;
  const engine = createEngine({ app, backend, clock, random: Math.random, log, actor });

  /** If the emulator is too slow for one sweep, the next sweep goes on, as the schedule's would. */
  const sweep = async (): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        await engine.maintain("sweep", () => true);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== "store_unavailable" || tries === triesMax) throw error;
      }
    }
  };
  const queued = async (): Promise<number> => {
    const AttributeNames = ["ApproximateNumberOfMessages" as const];
    const QueueUrl = stack.queueUrl(handled[0]) as string;
    const { Attributes } = await plain.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }));
    return Number(Attributes?.ApproximateNumberOfMessages);
  };
  const entriesBytes = async (): Promise<number> => {
    let bytes = 0;
    for (let shard = 0; shard < shards; shard++) {
      let next: Record<string, never> | undefined;
      do {
        const { Items = [], LastEvaluatedKey } = await plain.dynamo.send(
          new QueryCommand({
            TableName: resourceNames(workflow.name, "sweep", delivery).table,
            IndexName: indexName,
            KeyConditionExpression: "ix = :ix",
            ExpressionAttributeValues: { ":ix": { S: `o#${shard}` } },
            ExclusiveStartKey: next,
          }),
        );
        bytes += Items.reduce((sum, item) => sum + itemBytes(item), 0);
        next = LastEvaluatedKey as typeof next;
      } while (next !== undefined);
    }
    return bytes;
  };

  try {
    for (let placed = 0; placed < orders; placed += placedAtOnce) {
      const some = Array.from({ length: Math.min(placedAtOnce, orders - placed) }, (_, n) => sampleData(placed + n));
      await Promise.all(some.map((data) => engine.place(data)));
    }
    const first = await queued();
    proxy.reset();
    // Measured while nothing is due: for each page of due orders the sweep repeats its step's queries.
    await sweep();
    const queries = proxy.calls.get("Query") ?? 0;
    let sweeps = 0;
    for (let passed = 0; passed < hours * 3_600; passed += everySeconds, sweeps++) {
      clock.advance(everySeconds);
      await sweep();
    }
    return {
      ...{ orders, shards, hours, sweeps, queries, looks: stepEntries },
      entryBytes: (await entriesBytes()) / orders,
      messages: ((await queued()) - first) / orders,
    };
  } finally {
    await backend.close();
    plain.dynamo.destroy();
    plain.sqs.destroy();
    await stack.remove();
    await proxy.close();
    await emulators.stop();
    for (const name of Object.keys(process.env)) if (!(name in outer)) delete process.env[name];
    Object.assign(process.env, outer);
  }
}
