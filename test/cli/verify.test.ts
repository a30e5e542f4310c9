import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import type { Proofs } from "../../src/cli/verify/verify.ts";
import type { Role } from "../../src/engine/engine.ts";
import { createKey } from "../../src/http/auth.ts";
import { startEmulators } from "../backend/aws/emulators.ts";
import { limitMilliseconds } from "../backend/aws/patience.ts";
import { served } from "../client/support.ts";
import { run } from "./remote/support.ts";
import { relayApp, staged } from "./stage.ts";
import { cauce, type Ended, temporaryDirectory } from "./support.ts";

const quickApp = fileURLToPath(new URL("../emulate/fixtures/quick.app.ts", import.meta.url));
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Report {
  readonly workflow: string;
  readonly status: string | null;
  readonly end: string | null;
  readonly proofs: { readonly [Name in keyof Proofs]-?: NonNullable<Proofs[Name]> };
  readonly missing: Readonly<Record<string, string>>;
}

const verify = (t: TestContext, url: string, ...args: string[]): Promise<Ended> =>
  cauce(t, ["verify", "--url", url, ...args]).ended;

/** Runs `cauce verify --json`, which must find every proof, and gives its report. */
async function proven(t: TestContext, url: string): Promise<Report> {
  const { code, stdout, stderr } = await verify(t, url, "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual(report.missing, {});
  return report;
}

describe("cauce verify on a server of its own", () => {
  it("names the process, and the order's row", async (t) => {
    const data = temporaryDirectory(t);
    const url = await cauce(t, ["start", relayApp, "--port", "0", "--data", data]).address();
    const { workflow, status, end, proofs } = await proven(t, url);
    const { answer, request, stored, processing } = proofs;
    assert.deepEqual([workflow, status, end, answer.status], ["relay", "done", "final", 202]);
    assert.equal(request.runtime, "node");
    assert.deepEqual(
      processing.map(({ from, to, runtime, name }) => [from, to, runtime, name]),
      [
        ["open", "checked", "node", request.name],
        ["checked", "done", "node", request.name],
      ],
    );
    assert.deepEqual([stored.store, stored.file, stored.table], ["sqlite", join(data, "relay.db"), "orders"]);
    const database = new DatabaseSync(String(stored.file), { readOnly: true });
    t.after(() => database.close());
    const row = database.prepare(`SELECT id, version FROM ${stored.table} WHERE seq = ?`).get(Number(stored.key.seq));
    assert.deepEqual({ ...row }, { id: answer.orderId, version: stored.version });
  });

  it("prints the proofs in lines, and the order's progress on standard error", async (t) => {
    const url = await cauce(t, ["start", relayApp, "--port", "0", "--data", temporaryDirectory(t)]).address();
    const { code, stdout, stderr } = await verify(t, url);
    assert.deepEqual([code, stderr], [0, "… open\n… checked\n… done\n"]);
    const lines = [
      /1 answer {6}202, order \S+\n/,
      /2 request {5}node \S+\n/,
      /3 stored {6}sqlite \S+relay\.db orders, key \{"seq":\d+\}, version 3\n/,
      /4 processing {2}open → checked: node \S+\n {14}checked → done: node \S+\n/,
      /The order of relay ended in done\.\n/,
    ];
    assert.match(stdout, new RegExp(`^${lines.map(({ source }) => source).join("")}$`));
  });
});

describe("cauce verify on AWS", { timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("names the missing proof while no worker runs, and the item and the messages once one does", async (t) => {
    const { start } = await staged(t, "verified");
    const url = await start("--role", "api").address();
    const { code, stdout, stderr } = await verify(t, url, "--json", "--timeout", "5");
    assert.equal(code, 1);
    const stands = 'after 5 s the order \\S+ stands in "open" and has not ended';
    assert.match(stderr, new RegExp(`^proof_missing: processing: ${stands}\n$`));
    const idle = JSON.parse(stdout) as Report;
    assert.deepEqual(Object.keys(idle.missing), ["processing"]);
    assert.deepEqual(Object.keys(idle.proofs), ["answer", "request", "stored"]);

    await start("--role", "work").address();
    const { answer, stored, processing } = (await proven(t, url)).proofs;
    assert.deepEqual([stored.store, stored.file, stored.table], ["dynamodb", null, "relay-table-verified"]);
    const dynamo = new DynamoDBClient();
    t.after(() => dynamo.destroy());
    const Key = Object.fromEntries(Object.entries(stored.key).map(([name, value]) => [name, { S: String(value) }]));
    const { Item } = await dynamo.send(new GetItemCommand({ TableName: String(stored.table), Key }));
    assert.equal(Item?.id?.S, answer.orderId);
    assert.equal(processing.length, 2);
    for (const { messageId } of processing) assert.match(String(messageId), uuid);
  });
});

describe("cauce verify on cauce emulate", () => {
  it("names the functions, their runs and the messages", async (t) => {
    const emulator = cauce(t, ["emulate", quickApp, "--port", "0", "--public"]);
    const [, url = ""] = await emulator.wrote(/Emulating quick-dev on (http:\S+)[\s\S]*Ctrl\+C/);
    const { answer, request, stored, processing } = (await proven(t, url)).proofs;
    assert.deepEqual([request.runtime, request.name], ["lambda", "quick-request-dev"]);
    assert.match(String(request.requestId), uuid);
    assert.equal(answer.requestId, request.requestId);
    assert.deepEqual([stored.table, stored.key.id, stored.version], ["quick-table-dev", answer.orderId, 3]);
    assert.deepEqual(
      processing.map(({ to, name }) => [to, name]),
      [
        ["second", "quick-processing-dev"],
        ["done", "quick-processing-dev"],
      ],
    );
    const ids = processing.flatMap(({ requestId, messageId }) => [String(requestId), String(messageId)]);
    for (const id of ids) assert.match(id, uuid);
    assert.equal(new Set(ids).size, 4);
    emulator.kill("SIGTERM");
    assert.equal((await emulator.ended).code, 0);
  });
});

describe("cauce verify over the API alone", () => {
  it("says where an order waits, and how to follow it further", async (t) => {
    const { url } = await served(t);
    const ran = await run(url, ["verify"]);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.match(
      ran.stdout,
      /\nThe order of parcels waits in held until the API moves it; --to STATUS follows it further\.\n$/,
    );
    assert.equal((JSON.parse((await run(url, ["verify", "--json"])).stdout) as Report).end, "waiting");
  });

  it("says whether an order came to the status of --to", async (t) => {
    const { url } = await served(t);
    const reached = await run(url, ["verify", "--to", "held"]);
    assert.match(reached.stdout, /came to the status that was asked for, and stands in held\.\n$/);
    const waits = await run(url, ["verify", "--json", "--to", "sent", "--timeout", "1"]);
    assert.match(
      waits.stderr,
      /^proof_missing: processing: after 1 s the order \S+ stands in "held" and not in "sent"\n$/,
    );
    const ended = await run(url, ["verify", "--json", "--to", "sent", "--data", '{"to":"nowhere"}']);
    assert.equal(ended.exit, 1);
    assert.match(ended.stderr, /^proof_missing: .* ended in "returned" and cannot come to "sent"\n$/);
  });

  it("has the error of an order that failed, and of data that the server refuses", async (t) => {
    const { url } = await served(t);
    const failed = await run(url, ["verify", "--json", "--data", '{"to":"BAD 1"}']);
    assert.equal(failed.exit, 1);
    assert.match(
      failed.stderr,
      /^proof_missing: processing: the order \S+ failed in "received": handler_failed: [^\n]*no street BAD 1\n$/,
    );
    const refused = await run(url, ["verify", "--data", "{}"]);
    assert.equal(refused.exit, 1);
    assert.match(refused.stdout, /^1 answer {6}missing: invalid_data: [^\n]+\n$/);
    assert.match(refused.stderr, /^proof_missing: answer: invalid_data: [^\n]+\n$/);
  });

  it("places nothing under a key that may not ask where an order is", async (t) => {
    const keyOf = (role: Role) => ({ role, ...createKey() });
    const [intake, operate] = [keyOf("intake"), keyOf("operate")];
    const keys = [intake, operate].map(({ role, sha256 }) => ({ name: role, role, sha256 }));
    const { url } = await served(t, { auth: { keys } });
    const ran = await run(url, ["verify", "--json", "--workflow", "parcels", "--api-key", intake.key]);
    assert.equal(ran.exit, 1);
    assert.match(ran.stderr, /^proof_missing: answer: forbidden: [^\n]+\n$/);
    const { proofs } = JSON.parse(ran.stdout) as Report;
    assert.deepEqual(proofs, {}, "nothing is placed that may not be followed");
    assert.equal((await run(url, ["verify", "--api-key", operate.key])).exit, 0);
    assert.match((await run(url, ["verify"])).stderr, /^unauthorized: /);
  });

  it("refuses flags with wrong values", async (t) => {
    const { url } = await served(t);
    for (const [args, line] of [
      [["--timeout", "0"], /^setting_invalid: --timeout must be whole seconds from 1 to 86400, not "0"\n$/],
      [["--data", "{"], /^setting_invalid: --data is not JSON: [^\n]+\n$/],
      [
        ["--key", "cauce_a", "--api-key", "cauce_b"],
        /^setting_invalid: option '--api-key <key>' cannot be used with option '--key <key>'\n$/,
      ],
      [["--workflow", "none"], /^setting_invalid: \S+ serves no workflow "none"; check --workflow\n$/],
    ] as const) {
      const { exit, stdout, stderr } = await run(url, ["verify", ...args]);
      assert.deepEqual([exit, stdout], [2, ""]);
      assert.match(stderr, line);
    }
  });
});
