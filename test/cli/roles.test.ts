import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { attributes, orderPart } from "../../src/backend/aws/item.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { waitFor } from "../examples/support.ts";
import { atEnd, cauce, post, temporaryDirectory } from "./support.ts";

const relayApp = join(import.meta.dirname, "fixtures/relay.app.ts");
const ended = ({ status }: { status: string }) => status === "done";

/** A stack of its own in the emulators, and how processes are started over it. */
async function staged(t: TestContext, stage: string) {
  const stack = await createStack({ workflow: "relay", stage, mode: "standard", statuses: ["open", "checked"] });
  atEnd(t, () => stack.remove());
  // The emulator names queues by a host that does not exist.
  const queues = `${process.env.AWS_ENDPOINT_URL_SQS}/000000000000/`;
  const choice = ["--backend", "aws", "--stage", stage, "--queue-url-base", queues];
  return {
    stack,
    start: (...flags: string[]) => cauce(t, ["start", relayApp, "--port", "0", ...choice, ...flags]),
    sweep: (...flags: string[]) => cauce(t, ["sweep", relayApp, ...choice, ...flags]),
  };
}

/** A URL that holds whoever asks it, until the test lets the request go. */
async function gate(t: TestContext) {
  const requests: ServerResponse[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer((_request, response) => {
    requests.push(response);
    for (const resolve of waiting.splice(0)) resolve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async asked(times: number): Promise<ServerResponse> {
      while (requests.length < times) await new Promise<void>((resolve) => waiting.push(resolve));
      return requests[times - 1] as ServerResponse;
    },
  };
}

async function place(address: string, data: object): Promise<URL> {
  const placed = await post(`${address}/relay`, data);
  assert.equal(placed.status, 202, await placed.clone().text());
  return new URL(String(placed.headers.get("location")), address);
}

describe("the roles on AWS", { concurrency: 3, timeout: 60_000 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("share the work: one serves, and each status has a worker, that SIGTERM drains", async (t) => {
    const { start } = await staged(t, "shared");
    const held = await gate(t);
    const api = start("--role", "api");
    const open = start("--role", "work", "--status", "open");
    const checked = start("--role", "work", "--status", "checked");
    const address = await api.address();
    await api.wrote(/backend +aws\n {2}stage +shared\n {2}table +relay-table-shared\n {2}topic +relay-topic-shared\n/);
    await open.wrote(/queues +relay-open-shared\n/);

    const worker = await open.address();
    assert.equal((await fetch(`${worker}/healthz`)).status, 200);
    assert.equal((await fetch(`${worker}/readyz`)).status, 200);
    assert.equal((await fetch(`${worker}/relay`)).status, 404);

    const location = await place(address, { at: "checked", url: held.url });
    const request = await held.asked(1);
    checked.kill("SIGTERM");
    await checked.wrote(/Draining/);
    request.end();
    const { code, stdout } = await checked.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);
    const order = await waitFor(location, ended);
    assert.deepEqual(
      order.history.map(({ status, attempts }) => [status, attempts]),
      [
        ["open", 1],
        ["checked", 1],
        ["done", 0],
      ],
    );
    open.kill("SIGTERM");
    api.kill("SIGTERM");
    assert.equal((await open.ended).code, 0);
    assert.equal((await api.ended).code, 0);
  });

  it("outlive a worker that is killed with an order in hand", async (t) => {
    const { start } = await staged(t, "killed");
    const held = await gate(t);
    const address = await start("--role", "api").address();
    const worker = start("--role", "work");
    await worker.address();
    const location = await place(address, { at: "open", url: held.url });
    await held.asked(1);
    worker.kill("SIGKILL");
    assert.equal((await worker.ended).signal, "SIGKILL");

    const other = start("--role", "work");
    await other.address();
    (await held.asked(2)).end();
    assert.ok(await waitFor(location, ended));
  });

  it("leave what was lost to a sweep, which brings it back", async (t) => {
    const { start, sweep, stack } = await staged(t, "lost");
    const address = await start("--role", "api").address();
    const location = await place(address, {});
    const sqs = new SQSClient();
    const dynamo = new DynamoDBClient();
    atEnd(t, () => {
      sqs.destroy();
      dynamo.destroy();
    });
    const QueueUrl = stack.queueUrl("open");
    const { Messages: [message] = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));

    const early = await sweep("--json").ended;
    assert.deepEqual([early.code, early.stdout], [0, '{"swept":0}\n'], "it is not lost before its lease is over");
    // As if its time had passed.
    await dynamo.send(
      new UpdateItemCommand({
        TableName: "relay-table-lost",
        Key: { id: { S: location.pathname.split("/").at(-1) ?? "" }, part: { S: orderPart } },
        UpdateExpression: "SET #due = :past",
        ExpressionAttributeNames: { "#due": attributes.due },
        ExpressionAttributeValues: { ":past": { N: String(Date.now() - 1_000) } },
      }),
    );
    const { code, stdout, stderr } = await sweep().ended;
    assert.deepEqual([code, stdout, stderr], [0, "Saw to 1 overdue order.\n", ""]);
    await start("--role", "work").address();
    assert.ok(await waitFor(location, ended));
  });

  it("refuse what cannot work in one line with a code", async (t) => {
    const { start, sweep } = await staged(t, "refused");
    const topicArn = "arn:aws:sns:us-east-1:000000000000:relay-topic-refused";
    const cases = [
      [
        start("--role", "work", "--status", "gone"),
        1,
        /^status_not_found: "gone" is no status in "relay"; there is open/,
      ],
      [start("--role", "work", "--status", "done"), 1, /^status_not_handled: "done" is not handled in "relay"/],
      [start("--role", "api", "--status", "open"), 2, /^setting_invalid: --status is for the role work/],
      [start("--stage", "elsewhere"), 1, /^store_missing: .*relay-table-elsewhere/],
      [sweep("--backend", "sqlite"), 2, /^setting_invalid: cauce sweep is for --backend aws/],
      [sweep("--stage", "elsewhere"), 1, /^store_missing: .*relay-table-elsewhere/],
      [cauce(t, ["start", relayApp, "--role", "work"]), 2, /^setting_invalid: --role is "work"/],
      [cauce(t, ["start", relayApp, "--topic-arn", topicArn]), 2, /^setting_invalid: --topic-arn is for --backend aws/],
      [start("--host", "0.0.0.0"), 1, /^keys_required: /],
    ] as const;
    for (const [process, exit, message] of cases) {
      const { code, stderr } = await process.ended;
      assert.match(stderr, message);
      assert.deepEqual([code, stderr.split("\n").length], [exit, 2], stderr);
    }
  });

  it("take SQLite without a role as before", async (t) => {
    const server = cauce(t, ["start", relayApp, "--port", "0", "--data", temporaryDirectory(t)]);
    assert.ok(await waitFor(await place(await server.address(), {}), ended));
  });
});
