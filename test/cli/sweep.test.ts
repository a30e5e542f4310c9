import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { startEmulators } from "../backend/aws/emulators.ts";
import { limitMilliseconds } from "../backend/aws/patience.ts";
import { waitFor } from "../examples/support.ts";
import { place, relayApp, staged } from "./stage.ts";
import { atEnd, cauce } from "./support.ts";

const daySeconds = 86_400;
const done = { status: "done", kind: "final" } as const;

/** Starts a proxy before DynamoDB that holds a sweep's marks back until the test lets them pass. */
async function holdingMarks(t: TestContext) {
  const held = Promise.withResolvers<void>();
  const letGo = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const target = String(request.headers["x-amz-target"]);
    if (target.endsWith(".UpdateItem") && body.includes('"part":{"S":"o"}')) {
      held.resolve();
      await letGo.promise;
    }
    const answer = await fetch(String(process.env.AWS_ENDPOINT_URL_DYNAMODB), {
      method: "POST",
      headers: {
        "content-type": String(request.headers["content-type"]),
        "x-amz-target": target,
        authorization: String(request.headers.authorization),
        "x-amz-date": String(request.headers["x-amz-date"]),
      },
      body,
    });
    response.writeHead(answer.status, { "content-type": String(answer.headers.get("content-type")) });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(t, () => {
    letGo.resolve();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { env: { AWS_ENDPOINT_URL_DYNAMODB: url }, held: held.promise, letGo: letGo.resolve };
}

/** Receives and deletes the messages of a queue, and gives their number. */
async function messages(t: TestContext, QueueUrl: string | undefined): Promise<number> {
  const sqs = new SQSClient();
  atEnd(t, () => sqs.destroy());
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  return Messages.length;
}

describe("cauce sweep", { concurrency: 3, timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("queues lost deliveries again, and prints how many", async (t) => {
    const { start, sweep, stack, placeAgo } = await staged(t, "lost");
    const address = await start("--role", "api").address();
    await place(address, {});
    assert.equal(await messages(t, stack.queueUrl("open")), 1);
    const early = await sweep("--json").ended;
    assert.deepEqual([early.code, early.stdout], [0, '{"swept":0}\n'], "it is not lost before its lease is over");

    const { id } = await placeAgo(60);
    assert.equal(await messages(t, stack.queueUrl("open")), 1);
    const { code, stdout, stderr } = await sweep().ended;
    assert.deepEqual([code, stdout, stderr], [0, "Saw to 1 overdue order.\n", ""]);
    await start("--role", "work").address();
    assert.ok(await waitFor(new URL(`/relay/${id}`, address), ({ status }) => status === "done"));
  });

  for (const [mode, stage, signal, exit] of [
    ["standard", "termed", "SIGTERM", 143],
    ["fifo", "interrupted", "SIGINT", 130],
  ] as const) {
    it(`ends its current step at a ${signal}, in ${mode} delivery, and prints what it did`, async (t) => {
      const { choice, stack, placeAgo } = await staged(t, stage, mode);
      await placeAgo(60);
      assert.equal(await messages(t, stack.queueUrl("open")), 1);
      await placeAgo(3 * daySeconds, done);
      const { env, held, letGo } = await holdingMarks(t);
      const flags = ["--retention-days", "1", "--json"];
      const sweep = cauce(t, ["sweep", relayApp, ...choice, ...flags], { env });
      await held;
      sweep.kill(signal);
      letGo();
      const { code, stdout, stderr } = await sweep.ended;
      assert.equal(stdout, '{"swept":1,"removed":0}\n');
      assert.match(stderr, /^interrupted: stopped before it had looked at everything; the next sweep does\n$/);
      assert.equal(code, exit);
      assert.equal(await messages(t, stack.queueUrl("open")), 1, "the marked order's message was sent");

      const next = await cauce(t, ["sweep", relayApp, ...choice, ...flags]).ended;
      assert.deepEqual([next.code, next.stdout], [0, '{"swept":0,"removed":1}\n']);
    });
  }

  it("removes orders older than the retention, and none without a retention", async (t) => {
    const { sweep, placeAgo, start } = await staged(t, "removed");
    const [old, young] = [await placeAgo(3 * daySeconds, done), await placeAgo(daySeconds, done)];
    assert.equal((await sweep("--json").ended).stdout, '{"swept":0}\n');
    const { code, stdout, stderr } = await sweep("--retention-days", "2").ended;
    assert.deepEqual([code, stdout], [0, "Saw to 0 overdue orders, and removed 1 old one.\n"]);
    assert.match(stderr, /"old orders removed"/);
    const address = await start("--role", "api").address();
    assert.equal((await fetch(`${address}/relay/${old.id}`)).status, 404);
    assert.equal((await fetch(`${address}/relay/${young.id}`)).status, 200);

    const wrong = await sweep("--retention-days", "0").ended;
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^setting_invalid: --retention-days must be a whole number from 1 to 36500/);
  });
});
