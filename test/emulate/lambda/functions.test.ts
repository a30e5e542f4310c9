import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { systemClock } from "../../../src/core/clock.ts";
import { type Chaos, createChaos } from "../../../src/emulate/chaos.ts";
import { type Emulation, emulate } from "../../../src/emulate/emulate.ts";
import { emulatorKey, type Hook } from "../../../src/emulate/services/call.ts";
import { limitMilliseconds } from "../../backend/aws/patience.ts";
import { type TemplateParts, workerParts, writeAssembly } from "../support.ts";

interface Told {
  readonly emulation: Emulation;
  readonly sqs: SQSClient;
  /** Resolves with the function's first line that the pattern matches, also an earlier one. */
  line(pattern: RegExp): Promise<string>;
  readonly lines: readonly string[];
}

/** Runs a worker with this code while `work` lasts. */
async function withWorker(
  code: string,
  work: (told: Told) => Promise<void>,
  {
    hook,
    chaos,
    parts = workerParts(),
  }: { readonly hook?: Hook; readonly chaos?: Chaos; readonly parts?: TemplateParts } = {},
): Promise<void> {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const emulation = await emulate({
    assembly: writeAssembly(parts, code),
    port: 0,
    clock: systemClock(),
    hook,
    chaos,
    onLine: (_source, text) => {
      lines.push(text);
      for (const wake of waiting) wake();
    },
  });
  const credentials = { accessKeyId: emulatorKey, secretAccessKey: "x" };
  const sqs = new SQSClient({ endpoint: emulation.awsUrl, region: "us-east-1", credentials });
  try {
    await work({
      emulation,
      sqs,
      lines,
      line: (pattern) =>
        new Promise((resolve) => {
          const look = () => {
            const found = lines.find((each) => pattern.test(each));
            if (found === undefined) return;
            waiting.delete(look);
            resolve(found);
          };
          waiting.add(look);
          look();
        }),
    });
  } finally {
    sqs.destroy();
    await emulation.close();
  }
}

const calm = { failBefore: 0, failAfter: 0, failAlways: 0, delay: 0, twice: 0, later: 0, kill: 0 };
const queueUrl = ({ awsUrl }: Emulation, name: string) => `${awsUrl}/000000000000/${name}`;

describe("an emulated function", { concurrency: true }, () => {
  it("is told its name, region, memory, time and the template's environment", async () => {
    const code = `export const handler = async (_event, context) => ({
      name: process.env.AWS_LAMBDA_FUNCTION_NAME, region: process.env.AWS_REGION,
      memory: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, heap: process.execArgv.join(" "), queue: process.env.QUEUE,
      arn: context.invokedFunctionArn, id: context.awsRequestId, left: context.getRemainingTimeInMillis() <= ${limitMilliseconds} });`;
    await withWorker(code, async ({ emulation }) => {
      const result = await emulation.invoke("worker", {});
      assert.ok(result.ok);
      const { id, ...told } = JSON.parse(result.payload) as Record<string, unknown>;
      assert.equal(id, result.requestId);
      assert.deepEqual(told, {
        name: "worker",
        region: "us-east-1",
        memory: "128",
        heap: "--max-old-space-size=128",
        queue: queueUrl(emulation, "work"),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:worker",
        left: true,
      });
    });
  });

  it("gets more processes than there are cores while every process waits", async () => {
    const met = join(mkdtempSync(join(tmpdir(), "cauce-emulate-met-")), "met");
    const processes = availableParallelism() + 1;
    // Each invocation ends once all have started.
    const code = `import { appendFileSync, readFileSync } from "node:fs";
      export const handler = async () => {
        appendFileSync(${JSON.stringify(met)}, "x");
        while (readFileSync(${JSON.stringify(met)}).length < ${processes}) await new Promise((resolve) => setTimeout(resolve, 20));
        return process.pid;
      };`;
    const work = async ({ emulation }: Told): Promise<void> => {
      const results = await Promise.all(Array.from({ length: processes }, () => emulation.invoke("worker", {})));
      assert.equal(new Set(results.map((each) => each.ok && each.payload)).size, processes);
      assert.ok(results.every(({ ok }) => ok));
    };
    try {
      await withWorker(code, work);
    } finally {
      rmSync(dirname(met), { recursive: true });
    }
  });

  it("is killed when it takes too long, and another process serves the next invocation", async () => {
    const code = `export const handler = (event) => event.hang ? new Promise(() => setInterval(() => {}, 1000)) : process.pid;`;
    const work = async ({ emulation }: Told): Promise<void> => {
      const first = await emulation.invoke("worker", {});
      assert.deepEqual(
        { ...(await emulation.invoke("worker", { hang: true })), requestId: "" },
        { ok: false, type: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds", requestId: "" },
      );
      const second = await emulation.invoke("worker", {});
      assert.ok(first.ok && second.ok && first.payload !== second.payload);
      // The process that hung is gone.
      assert.throws(() => process.kill(Number(first.payload), 0), { code: "ESRCH" });
    };
    await withWorker(code, work, { parts: workerParts({ timeoutSeconds: 1 }) });
  });

  it("is killed where chaos says so, and chaos counts it", async () => {
    const chaos = createChaos(() => 0.5, { ...calm, kill: 1 });
    const hang = "export const handler = () => new Promise(() => setInterval(() => {}, 1000));";
    const work = async ({ emulation }: Told): Promise<void> => {
      const result = await emulation.invoke("worker", {});
      assert.ok(!result.ok && /signal SIGKILL/.test(result.message), JSON.stringify(result));
      assert.equal(chaos.counts.killed, 1);
    };
    await withWorker(hang, work, { chaos });
  });

  it("fails its own invocation alone where it throws, exits or cannot be loaded", async () => {
    const code = `export const handler = (event) => { if (event.exit) process.exit(3); throw new TypeError("no"); };`;
    await withWorker(code, async ({ emulation }) => {
      const thrown = await emulation.invoke("worker", {});
      assert.deepEqual({ ...thrown, requestId: "" }, { ok: false, type: "TypeError", message: "no", requestId: "" });
      const exited = await emulation.invoke("worker", { exit: true });
      assert.ok(!exited.ok && exited.type === "Runtime.ExitError" && exited.message.endsWith("exit status 3"));
    });
    await withWorker("throw new Error('not today')", async ({ emulation }) => {
      const result = await emulation.invoke("worker", {});
      assert.ok(!result.ok && result.message === "not today");
    });
  });

  it("ends with its emulator", async () => {
    let pid = 0;
    await withWorker("export const handler = () => process.pid", async ({ emulation }) => {
      const result = await emulation.invoke("worker", {});
      if (result.ok) pid = Number(result.payload);
      process.kill(pid, 0);
    });
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
});

describe("an emulated event source", { concurrency: true }, () => {
  it("deletes done messages, brings failed ones again, and then leaves them to the dead-letter queue", async () => {
    const code = `export const handler = ({ Records }) => {
      for (const { body, attributes } of Records) console.log("got " + body + " " + attributes.ApproximateReceiveCount);
      return { batchItemFailures: Records.filter((r) => r.body === "bad").map((r) => ({ itemIdentifier: r.messageId })) };
    };`;
    const work = async ({ emulation, sqs, line, lines }: Told): Promise<void> => {
      for (const MessageBody of ["good", "bad"]) {
        await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl(emulation, "work"), MessageBody }));
      }
      await Promise.all([line(/got good 1/), line(/got bad 1/), line(/got bad 2/)]);
      const count = async (name: string): Promise<number> => {
        const command = new GetQueueAttributesCommand({
          QueueUrl: queueUrl(emulation, name),
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        });
        const { Attributes = {} } = await sqs.send(command);
        return Object.values(Attributes).reduce((sum, each) => sum + Number(each), 0);
      };
      // The queue moves a message to the dead letters in place of its third receive.
      while ((await count("dead")) === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual([await count("work"), await count("dead")], [0, 1]);
      assert.equal(lines.filter((each) => each.startsWith("got good")).length, 1);
      assert.equal(lines.filter((each) => each.startsWith("got bad")).length, 2);
    };
    await withWorker(code, work, { parts: workerParts({ timeoutSeconds: 1 }) });
  });

  it("brings a batch again whose function was killed", async () => {
    const code = `export const handler = ({ Records }) => {
      const [{ attributes }] = Records;
      console.log("try " + attributes.ApproximateReceiveCount);
      if (attributes.ApproximateReceiveCount === "1") process.kill(process.pid, "SIGKILL");
      return {};
    };`;
    const work = async ({ emulation, sqs, line }: Told): Promise<void> => {
      await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl(emulation, "work"), MessageBody: "x" }));
      await line(/Runtime\.ExitError: Runtime exited with error: signal SIGKILL; its 1 messages come again/);
      await line(/try 2/);
    };
    await withWorker(code, work, { parts: workerParts({ timeoutSeconds: 1 }) });
  });

  it("waits through its window for more messages, until its batch is full", async () => {
    const code = `export const handler = async ({ Records }) => console.log("batch of " + Records.length)`;
    const parts = workerParts();
    Object.assign(parts.Source?.Properties ?? {}, { BatchSize: 2, MaximumBatchingWindowInSeconds: 300 });
    let receives = 0;
    const receivesAgain = Promise.withResolvers<void>();
    const hook: Hook = ({ operation }) => {
      // The first receive brings the first message, and the second waits for another.
      if (operation === "ReceiveMessage" && ++receives === 2) receivesAgain.resolve();
      return "pass";
    };
    const work = async ({ emulation, sqs, line, lines }: Told): Promise<void> => {
      const QueueUrl = queueUrl(emulation, "work");
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "first" }));
      await receivesAgain.promise;
      assert.ok(!lines.some((each) => each.startsWith("batch")));
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "second" }));
      assert.equal(await line(/^batch/), "batch of 2");
    };
    await withWorker(code, work, { hook, parts });
  });
});

describe("every call of a function", () => {
  it("passes the hook, which gets the function, the action and the resources, and may deny the call", async () => {
    const sdk = JSON.stringify(import.meta.resolve("@aws-sdk/client-sqs"));
    const code = `import { SQSClient, SendMessageBatchCommand, PurgeQueueCommand } from ${sdk};
    export const handler = async () => {
      const sqs = new SQSClient({});
      await sqs.send(new SendMessageBatchCommand({ QueueUrl: process.env.QUEUE.replace(/work$/, "dead"), Entries: [{ Id: "1", MessageBody: "x" }] }));
      return sqs.send(new PurgeQueueCommand({ QueueUrl: process.env.QUEUE })).catch(({ name }) => name);
    };`;
    const seen: string[] = [];
    const hook: Hook = (call) => {
      if (call.operation === "ReceiveMessage") return "pass";
      seen.push(`${call.function} ${call.action} ${call.resources.join()}`);
      return call.operation === "PurgeQueue" ? "deny" : "pass";
    };
    await withWorker(
      code,
      async ({ emulation }) => {
        const result = await emulation.invoke("worker", {});
        assert.ok(result.ok && result.payload === '"AccessDenied"', JSON.stringify(result));
        assert.deepEqual(seen, ["worker sqs:SendMessage dead", "worker sqs:PurgeQueue work"]);
      },
      { hook },
    );
  });

  it("may be made to fail before it takes effect, or after", async () => {
    const sdk = JSON.stringify(import.meta.resolve("@aws-sdk/client-sqs"));
    const code = `import { SQSClient, SendMessageCommand } from ${sdk};
    export const handler = ({ body }) => new SQSClient({ maxAttempts: 1 })
      .send(new SendMessageCommand({ QueueUrl: process.env.QUEUE.replace(/work$/, "dead"), MessageBody: body })).then(() => "sent", () => "failed");`;
    const fates = ["failBefore", "failAfter", { delayMilliseconds: 1 }] as const;
    let asked = 0;
    await withWorker(
      code,
      async ({ emulation, sqs }) => {
        const answers: string[] = [];
        for (const body of ["before", "after", "late"]) {
          const result = await emulation.invoke("worker", { body });
          answers.push(result.ok ? result.payload : result.message);
        }
        assert.deepEqual(answers, ['"failed"', '"failed"', '"sent"']);
        const command = new GetQueueAttributesCommand({
          QueueUrl: queueUrl(emulation, "dead"),
          AttributeNames: ["ApproximateNumberOfMessages"],
        });
        assert.equal((await sqs.send(command)).Attributes?.ApproximateNumberOfMessages, "2");
      },
      { hook: ({ operation }) => (operation === "SendMessage" ? (fates[asked++] ?? "pass") : "pass") },
    );
  });
});

describe("the emulated HTTP API", () => {
  it("passes requests on in the payload format 2.0, and binary bodies as base64", async () => {
    const code = `export const handler = (event) => event.rawPath === "/boom"
      ? Promise.reject(new Error("boom"))
      : { statusCode: 201, headers: { "x-a": "b" }, cookies: ["c=d"], body: Buffer.from(JSON.stringify(event)).toString("base64"), isBase64Encoded: true };`;
    await withWorker(code, async ({ emulation }) => {
      const [url] = emulation.urls;
      const answer = await fetch(`${url}/a%20b?q=1&q=2`, {
        method: "POST",
        headers: { "content-type": "application/octet-stream", cookie: "x=y; z=w" },
        body: new Uint8Array([0, 255]),
      });
      const event = (await answer.json()) as Record<string, unknown>;
      assert.deepEqual([answer.status, answer.headers.get("x-a"), answer.headers.getSetCookie()], [201, "b", ["c=d"]]);
      assert.deepEqual(
        [
          event.version,
          event.routeKey,
          event.rawPath,
          event.rawQueryString,
          event.cookies,
          event.body,
          event.isBase64Encoded,
        ],
        ["2.0", "$default", "/a b", "q=1&q=2", ["x=y", "z=w"], "AP8=", true],
      );
      const text = await fetch(`${url}/`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      const { body, isBase64Encoded } = (await text.json()) as Record<string, unknown>;
      assert.deepEqual([body, isBase64Encoded], ["{}", false]);
      const boom = await fetch(`${url}/boom`);
      assert.deepEqual([boom.status, await boom.json()], [500, { message: "Internal Server Error" }]);
    });
  });
});
