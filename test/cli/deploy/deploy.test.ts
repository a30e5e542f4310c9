import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, PurgeQueueCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { encodeRows } from "../../../src/backend/aws/index/depths.ts";
import { aws } from "../../../src/backend/aws/index.ts";
import { metaKey } from "../../../src/backend/aws/table.ts";
import { deploy } from "../../../src/cli/deploy/deploy.ts";
import { readDeployed } from "../../../src/cli/deploy/deployed.ts";
import { findCdk, runCdk } from "../../../src/cli/deploy/synth.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { readSettings } from "../../../src/node/readSettings.ts";
import { createStack, startEmulators } from "../../backend/aws/emulators.ts";
import { newOrder } from "../../backend/sqlite/support.ts";
import { startRecorder } from "../../deploy/recorder.ts";
import { apps } from "../../deploy/support.ts";

const { module } = apps.shop;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cauce-deploy-test-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function written() {
  const texts: string[] = [];
  const write = (text: string) => void texts.push(text);
  return { output: { out: write, err: write }, text: () => texts.join("") };
}

/** Makes a substitute of the CDK's command line that notes its arguments and ends with `exitCode`. */
function standIn(t: TestContext, exitCode = 0) {
  const directory = folder(t);
  const [cdk, notes] = [join(directory, "cdk.mjs"), join(directory, "calls")];
  const note = `appendFileSync(${JSON.stringify(notes)}, JSON.stringify(process.argv.slice(2)) + "\\n")`;
  writeFileSync(
    cdk,
    `import { appendFileSync } from "node:fs";\n${note};\nconsole.log("cdk says", process.argv[2]);\nprocess.exitCode = ${exitCode};\n`,
  );
  const calls = (): string[][] =>
    existsSync(notes)
      ? readFileSync(notes, "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
      : [];
  return { cdk, calls };
}

describe("cauce deploy", { concurrency: 1 }, () => {
  let emulators: { stop(): Promise<void> };
  let between: Awaited<ReturnType<typeof startRecorder>>;
  const { env } = process;
  before(async () => {
    emulators = await startEmulators();
    // The recorder gives queues a host that exists.
    between = await startRecorder({
      dynamo: String(env.AWS_ENDPOINT_URL_DYNAMODB),
      queues: String(env.AWS_ENDPOINT_URL_SQS),
    });
    const { CAUCE_QUEUE_URL_BASE, ...environment } = between.environment;
    Object.assign(env, environment);
  });
  after(async () => {
    between.stop();
    await emulators.stop();
  });

  const deployed = async (t: TestContext, stage: string) => {
    const stack = await createStack({ workflow: "orders", stage, mode: "standard", statuses: ["received", "packed"] });
    t.after(() => stack.remove());
    const sqs = new SQSClient();
    t.after(() => sqs.destroy());
    const QueueUrl = String(stack.queueUrl("packed"));
    return {
      send: () => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" })),
      purge: () => sqs.send(new PurgeQueueCommand({ QueueUrl })),
      other: (QueueName: string) => sqs.send(new CreateQueueCommand({ QueueName })),
    };
  };

  it("reads the orders' statuses and the messages of the stage's queues, and neither before the first deployment", async (t) => {
    const none = await readDeployed("orders", "none");
    assert.deepEqual(none, { depths: [], queues: [] });
    const { send, other } = await deployed(t, "facts");
    await other("orders-packed-otherstage");
    await other("ordersmore-packed-facts");
    // This queue belongs to another program: a status's queue has a dead-letter queue.
    await other("orders-export-facts");
    for (const status of ["packed", "received"]) await other(`orders-${status}-dead-facts`);
    await send();
    const clock = systemClock();
    const backend = await aws({ stage: "facts" })({ workflow: "orders", delivery: "standard", clock });
    await backend.place({ ...newOrder, status: "asked", kind: "waiting", dataJson: "{}", createdAt: clock.now() });
    await backend.close();
    // These counts of a sweep moments ago, of a store with many orders, do not include the order above.
    const dynamo = new DynamoDBClient();
    t.after(() => dynamo.destroy());
    const rows = encodeRows([{ kind: "handled", status: "received", open: 5_000, delayed: 0, oldestAt: 1, failed: 0 }]);
    const Item = {
      ...{ id: { S: metaKey("counts").id }, part: { S: "counts" }, rows: { S: JSON.stringify(rows) } },
      ...{ all: { BOOL: true }, at: { N: String(clock.now()) } },
    };
    await dynamo.send(new PutItemCommand({ TableName: "orders-table-facts", Item }));
    const { depths, queues } = await readDeployed("orders", "facts");
    assert.deepEqual(
      depths.map(({ status, kind, waiting }) => [status, kind, waiting]),
      [["asked", "waiting", 1]],
    );
    assert.deepEqual(
      queues.toSorted((x, y) => (x.name < y.name ? -1 : 1)),
      [
        { name: "orders-packed-dead-facts", messages: 0 },
        { name: "orders-packed-facts", messages: 1 },
        { name: "orders-received-dead-facts", messages: 0 },
        { name: "orders-received-facts", messages: 0 },
      ],
    );
  });

  it("shows the difference, refuses to delete messages, and deploys when they are gone or with --force", async (t) => {
    const { send, purge, other } = await deployed(t, "live");
    for (const status of ["packed", "received"]) await other(`orders-${status}-dead-live`);
    await send();
    const settings = readSettings("stack", { stage: "live", compute: "kubernetes" }, {});
    const { cdk, calls } = standIn(t);
    const { output, text } = written();
    const run = (force: boolean) => deploy(module, settings, { output, cdk, force, yes: true });
    const commands = () => calls().map(([command, , , ...rest]) => [command, ...rest].join(" "));
    const [diff, deployment] = [
      "diff --no-notices orders-live",
      "deploy --no-notices --require-approval never --progress events orders-live",
    ];
    await assert.rejects(run(false), { code: "queue_in_use", message: /orders-packed-live with 1 message/ });
    assert.deepEqual(commands(), [diff]);
    assert.match(text(), /cdk says diff/);
    await run(true);
    assert.deepEqual(commands(), [diff, diff, deployment]);
    await purge();
    await run(false);
    assert.deepEqual(commands(), [diff, diff, deployment, diff, deployment]);
    const directory = calls()[0]?.[2] as string;
    assert.equal(existsSync(directory), false, "what was deployed from is gone");
  });

  it("asks before it deploys, and needs --yes without a terminal", async (t) => {
    const settings = readSettings("stack", { stage: "asked", compute: "kubernetes" }, {});
    const { cdk, calls } = standIn(t);
    const { output } = written();
    await assert.rejects(deploy(module, settings, { output, cdk, force: false, yes: false }), {
      code: "setting_invalid",
    });
    const ask = async () => "n";
    await deploy(module, settings, { output: { ...output, ask }, cdk, force: false, yes: false });
    assert.deepEqual(
      calls().map(([command]) => command),
      ["diff", "diff"],
    );
  });

  it("fails with the CDK's exit code, and finds the installed CDK", async (t) => {
    const { output } = written();
    const { cdk } = standIn(t, 3);
    const options = { directory: folder(t), output };
    await assert.rejects(runCdk(cdk, ["deploy"], options), {
      code: "deploy_failed",
      message: /cdk deploy ended with 3/,
    });
    assert.ok(existsSync(await findCdk()));
  });

  it("refuses to deploy without a Region or credentials, before it bundles", async (t) => {
    const { cdk, calls } = standIn(t);
    const { output, text } = written();
    const settings = readSettings("stack", { public: "true" }, {});
    const attempt = () => deploy(module, settings, { output, cdk, force: false, yes: true });
    const kept = { ...env };
    t.after(() => Object.assign(env, kept));
    const nowhere = folder(t);
    // Neither files nor the machine's metadata service give credentials.
    Object.assign(env, {
      HOME: nowhere,
      AWS_CONFIG_FILE: join(nowhere, "c"),
      AWS_SHARED_CREDENTIALS_FILE: join(nowhere, "s"),
    });
    env.AWS_EC2_METADATA_DISABLED = "true";
    t.after(() => {
      for (const name of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"]) {
        if (kept[name] === undefined) delete env[name];
      }
    });
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) delete env[name];
    await assert.rejects(attempt(), { code: "store_denied", message: /AWS_PROFILE|credentials/ });
    for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) delete env[name];
    await assert.rejects(attempt(), { code: "setting_invalid", message: /set AWS_REGION/ });
    assert.deepEqual([calls(), text()], [[], ""]);
  });

  it("refuses to deploy without keys or --public, before it bundles", async (t) => {
    const { cdk, calls } = standIn(t);
    const { output } = written();
    const settings = readSettings("stack", {}, {});
    await assert.rejects(deploy(module, settings, { output, cdk, force: false, yes: true }), { code: "keys_required" });
    assert.deepEqual(calls(), []);
  });
});
