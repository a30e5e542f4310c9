import crypto from "node:crypto";
import { createServer } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { startEmulators } from "../backend/aws/emulators.ts";
import { atEnd } from "../engine/support.ts";

export interface Message {
  readonly call: "PublishBatch" | "SendMessageBatch";
  /** The topic or queue. */
  readonly to: string;
  /** Without its number within the call. */
  readonly entry: Readonly<Record<string, unknown>>;
}

export interface Wire {
  /** What was written and sent since the last look, in an order that says nothing: some is written side by side. */
  take(): { readonly writes: readonly object[]; readonly messages: readonly Message[] };
}

const writing = ["PutItem", "UpdateItem", "DeleteItem"];

/** The emulators, and before them what writes down each write and message as the SDK puts it on the wire. */
export async function startWire(t: TestContext): Promise<Wire> {
  const emulators = await startEmulators();
  const { AWS_ENDPOINT_URL_DYNAMODB: dynamo, AWS_ENDPOINT_URL_SQS: queues } = process.env;
  let writes: object[] = [];
  let messages: Message[] = [];

  const note = (action: string, body: string): void => {
    if (writing.includes(action)) writes.push({ [action]: writeOf(JSON.parse(body)) });
    if (action === "PublishBatch") messages.push(...published(new URLSearchParams(body)));
    if (action === "SendMessageBatch") {
      const { QueueUrl, Entries } = JSON.parse(body) as { QueueUrl: string; Entries: Record<string, unknown>[] };
      const to = QueueUrl.split("/").at(-1) ?? "";
      messages.push(...Entries.map(({ Id: _, ...entry }): Message => ({ call: "SendMessageBatch", to, entry })));
    }
  };

  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const [service, action] = String(request.headers["x-amz-target"] ?? "").split(".");
    note(action ?? new URLSearchParams(body.toString()).get("Action") ?? "", body.toString());
    const headers = Object.fromEntries(
      ["content-type", "x-amz-target", "authorization", "x-amz-date"].flatMap((name) =>
        request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]],
      ),
    );
    const to = service?.startsWith("DynamoDB") ? dynamo : queues;
    const answer = await fetch(`${to}${request.url}`, { method: "POST", headers, body });
    response.writeHead(answer.status, { "content-type": String(answer.headers.get("content-type")) });
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const name of ["DYNAMODB", "SNS", "SQS"]) process.env[`AWS_ENDPOINT_URL_${name}`] = url;
  atEnd(t, async () => {
    for (const name of ["DYNAMODB", "SNS", "SQS"]) delete process.env[`AWS_ENDPOINT_URL_${name}`];
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await emulators.stop();
  });
  return {
    take() {
      const taken = { writes: sorted(writes), messages: sorted(messages) };
      writes = [];
      messages = [];
      return taken;
    },
  };
}

/**
 * Ids and the names of writes come from `randomBytes`: for this test each call of one size gives what the same call gave
 * the last time. What the emulators draw is of other sizes.
 */
export function fixRandom(t: TestContext): void {
  const calls = new Map<number, number>();
  t.mock.method(crypto, "randomBytes", (size: number) => {
    const call = (calls.get(size) ?? 0) + 1;
    calls.set(size, call);
    return crypto.createHash("shake256", { outputLength: size }).update(`${size} ${call}`).digest();
  });
  syncBuiltinESMExports();
  atEnd(t, () => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

/** Without what the stack is called, and without names that stand for themselves. */
function writeOf({ TableName: _, ExpressionAttributeNames, ...input }: Record<string, unknown>): object {
  const names = Object.entries((ExpressionAttributeNames ?? {}) as Record<string, string>);
  const others = names.filter(([name, attribute]) => name !== `#${attribute}`);
  return others.length === 0 ? input : { ...input, ExpressionAttributeNames: Object.fromEntries(others) };
}

/** `PublishBatchRequestEntries.member.1.Message=…` and its like, by entry. */
function published(form: URLSearchParams): Message[] {
  const entries = new Map<string, Record<string, unknown>>();
  for (const [name, value] of form) {
    const [, member, field] = /^PublishBatchRequestEntries\.member\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (member === undefined || field === undefined) continue;
    entries.set(member, { ...entries.get(member), [field]: value });
  }
  const to = form.get("TopicArn")?.split(":").at(-1) ?? "";
  return [...entries.values()].map(({ Id: _, ...entry }) => ({ call: "PublishBatch", to, entry }));
}

/** In the order of their text, and once where the SDK asked again. */
function sorted<T>(values: readonly T[]): T[] {
  const byText = new Map(values.map((value) => [JSON.stringify(value), value]));
  return [...byText].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, value]) => value);
}
