import { randomUUID } from "node:crypto";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { orderPart, projected } from "../../src/backend/aws/item.ts";
import { resourceNames } from "../../src/backend/aws/names.ts";
import { processingHandler, requestHandler, type SqsEvent } from "../../src/lambda/index.ts";
import { createStack, startEmulators } from "../../test/backend/aws/emulators.ts";
import { createEventSource, invocation } from "../../test/lambda/eventSource.ts";
import { app, handled, sampleData, workflow } from "./app.ts";
import { startCountingProxy } from "./countingProxy.ts";
import { type Item, indexUnits, itemBytes, readUnits, tableUnits } from "./units.ts";

/** What an order took, averaged over all orders. */
export interface Measured {
  readonly orders: number;
  readonly dataBytes: number;
  /** The calls that the functions made, by action. The event source's calls are not among them. */
  readonly calls: Readonly<Record<string, number>>;
  readonly tableWrites: number;
  readonly readCalls: number;
  readonly itemsRead: number;
  readonly snsCalls: number;
  readonly sqsCalls: number;
  readonly processingInvocations: number;
  readonly tableUnits: number;
  readonly indexUnits: number;
  readonly readUnits: number;
  /** The largest item after each write: placed, then out of each handled status. */
  readonly itemBytes: readonly number[];
}

const batch = 10;
const shape = { keys: ["ix", "so"], projected: ["id", "part", "ix", "so", ...projected] };

/**
 * Sends orders through the functions in steady state, on emulators. A request of its own places each order. Then the
 * functions process the orders in full batches, status by status. The first ten orders open everything, and do not
 * count.
 */
export async function measureOrders({ orders, noteBytes }: { orders: number; noteBytes?: number }): Promise<Measured> {
  const outer = { ...process.env };
  const emulators = await startEmulators();
  const direct = process.env.AWS_ENDPOINT_URL_DYNAMODB as string;
  const messagesDirect = process.env.AWS_ENDPOINT_URL_SQS as string;
  const [tableProxy, messageProxy] = await Promise.all([
    startCountingProxy(direct),
    startCountingProxy(messagesDirect),
  ]);
  const stack = await createStack({ workflow: workflow.name, stage: "cost", mode: "standard", statuses: handled });
  const sources = new Map(
    handled.map((status) => [
      status,
      createEventSource({ queueUrl: stack.queueUrl(status) ?? "", endpoint: messagesDirect }),
    ]),
  );
  const plain = new DynamoDBClient({ endpoint: direct });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_DYNAMODB: tableProxy.url,
    AWS_ENDPOINT_URL_SQS: messageProxy.url,
    AWS_ENDPOINT_URL_SNS: messageProxy.url,
    CAUCE_STAGE: "cost",
    CAUCE_TOPIC_ARN: stack.topicArn,
    CAUCE_QUEUE_URL_BASE: `${messageProxy.url}/000000000000/`,
    CAUCE_PUBLIC: "true",
    CAUCE_METRICS: "false",
    // Lambda sets the function's name, which stands in the history.
    AWS_LAMBDA_FUNCTION_NAME: "orders-processing-prod",
  });
  const [request, processing] = [requestHandler(app), processingHandler(app)];
  let placed = 0;
  let invocations = 0;

  const place = async (): Promise<string> => {
    const answer = await request({
      rawPath: `/${workflow.name}`,
      rawQueryString: "",
      // As long as the request ids of API Gateway, and as the keys that clients send.
      headers: {
        "content-type": "application/json",
        "x-request-id": "JKJaXmPLvHcESHA=",
        "idempotency-key": `k${placed}`,
      },
      body: JSON.stringify(sampleData(placed++, noteBytes)),
      isBase64Encoded: false,
      requestContext: { domainName: "api.example", requestId: "JKJaXmPLvHcESHA=", http: { method: "POST" } },
    });
    if (answer.statusCode !== 202) throw new Error(`not placed: ${answer.statusCode} ${answer.body}`);
    return (JSON.parse(answer.body) as { id: string }).id;
  };
  const receive = async (status: (typeof handled)[number], wanted: number): Promise<SqsEvent> => {
    const Records: SqsEvent["Records"][number][] = [];
    for (let tries = 0; Records.length < wanted && tries < 20; tries++) {
      Records.push(...((await sources.get(status)?.receive(wanted - Records.length))?.Records ?? []));
    }
    if (Records.length < wanted) throw new Error(`${Records.length} messages of "${status}" came, and not ${wanted}`);
    return { Records };
  };
  const process10 = async (status: (typeof handled)[number]): Promise<void> => {
    const event = await receive(status, batch);
    invocations++;
    const answer = await processing(event, { ...invocation(), awsRequestId: randomUUID() });
    if (answer.batchItemFailures.length > 0) throw new Error(`a batch of "${status}" failed`);
    await sources.get(status)?.settle(event, answer);
  };
  const itemOf = async (id: string): Promise<Item> => {
    const Key = { id: { S: id }, part: { S: orderPart } };
    const { table: TableName } = resourceNames(workflow.name, "cost", "standard");
    const { Item } = await plain.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
    if (Item === undefined) throw new Error(`order ${id} is not there`);
    return Item;
  };
  /** Runs one round of orders, and gives the items as each write left them. */
  const round = async (count: number): Promise<Item[][]> => {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push(await place());
    const states = [await Promise.all(ids.map(itemOf))];
    for (const status of handled) {
      for (let done = 0; done < count; done += batch) await process10(status);
      states.push(await Promise.all(ids.map(itemOf)));
    }
    return states;
  };

  const unmute = mute();
  try {
    await round(batch);
    for (const { reset } of [tableProxy, messageProxy]) reset();
    invocations = 0;
    const states = await round(orders);
    const all = { ...Object.fromEntries(tableProxy.calls), ...Object.fromEntries(messageProxy.calls) };
    const sum = (...actions: string[]) => actions.reduce((total, action) => total + (all[action] ?? 0), 0) / orders;
    const unitsOf = (units: (before: Item | undefined, after: Item) => number) =>
      states
        .flatMap((items, write) => items.map((after, order) => units(states[write - 1]?.[order], after)))
        .reduce((total, each) => total + each, 0) / orders;
    const largest = states.map((items) => Math.max(...items.map(itemBytes)));
    const itemsRead = tableProxy.itemsRead() / orders;
    return {
      orders,
      dataBytes: Buffer.byteLength(JSON.stringify(sampleData(0, noteBytes))),
      calls: Object.fromEntries(Object.entries(all).map(([action, count]) => [action, count / orders])),
      tableWrites: sum("PutItem", "UpdateItem", "DeleteItem"),
      readCalls: sum("BatchGetItem", "GetItem", "Query"),
      itemsRead,
      snsCalls: sum("PublishBatch", "Publish"),
      sqsCalls:
        [...messageProxy.calls].filter(([action]) => !action.startsWith("Publish")).reduce((n, [, c]) => n + c, 0) /
        orders,
      processingInvocations: invocations / orders,
      tableUnits: unitsOf(tableUnits),
      indexUnits: unitsOf((before, after) => indexUnits(before, after, shape)),
      readUnits: itemsRead * readUnits(Math.max(...largest)),
      itemBytes: largest,
    };
  } finally {
    unmute();
    plain.destroy();
    for (const source of sources.values()) source.close();
    await stack.remove();
    await Promise.all([tableProxy.close(), messageProxy.close()]);
    await emulators.stop();
    for (const name of Object.keys(process.env)) if (!(name in outer)) delete process.env[name];
    Object.assign(process.env, outer);
  }
}

/** Drops the functions' log lines from standard output, where the figures are printed. */
function mute(): () => void {
  const { write } = process.stdout;
  process.stdout.write = ((text: string | Uint8Array, ...rest: never[]) =>
    typeof text === "string" && text.startsWith('{"level":')
      ? true
      : write.call(process.stdout, text, ...rest)) as typeof write;
  return () => {
    process.stdout.write = write;
  };
}
