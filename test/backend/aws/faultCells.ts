import assert from "node:assert/strict";
import { type AttributeValue, PutItemCommand, ScanCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { z } from "zod";
import type { Clients } from "../../../src/backend/aws/clients.ts";
import type { Item } from "../../../src/backend/aws/item.ts";
import { inlineBytesMax, orderOf } from "../../../src/backend/aws/largeFields.ts";
import { openTable } from "../../../src/backend/aws/table.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { defineWorkflow, final, implement } from "../../../src/index.ts";
import type { Stack } from "./emulators.ts";
import {
  type Fault,
  type FaultProxy,
  faults,
  type Kind,
  type Plan,
  type Site,
  stageName,
  type Trouble,
} from "./faults.ts";
import { limitMilliseconds } from "./patience.ts";

const retry = { attempts: 50, baseSeconds: 1, maxSeconds: 1 };
export const workflow = defineWorkflow({
  name: "faults",
  data: z.object({ fails: z.boolean().optional(), waits: z.boolean().optional(), text: z.string().optional() }),
  results: z.object({ received: z.string(), packed: z.string() }).partial(),
  group: () => "one",
  initial: "received",
  statuses: {
    received: { to: ["packed", "held"], timeoutSeconds: 1, retry },
    held: { to: ["packed"], waits: true, expires: { afterSeconds: 1, to: "packed" } },
    packed: { to: ["sent"], timeoutSeconds: 1, retry },
    sent: final,
  },
});
export const handled = ["received", "packed"];

export interface Data {
  readonly fails?: boolean;
  readonly waits?: boolean;
  readonly text?: string;
}

/** Makes the app. An order with `fails` fails in its first attempt. */
export function createApp() {
  let failed = false;
  return implement(workflow, {
    handlers: {
      received: async ({ data }) => {
        if (data.fails && !failed) {
          failed = true;
          throw new Error("down");
        }
        return { to: data.waits ? ("held" as const) : ("packed" as const), results: { received: data.text ?? "" } };
      },
      packed: async ({ data }) => ({ to: "sent" as const, results: { packed: data.text ?? "" } }),
    },
  });
}

/** A call that a fault strikes, and what leads a process to make the call. */
export interface Cell {
  readonly name: string;
  readonly site: Site;
  readonly data?: Data;
  /** The faults that come before. */
  readonly first?: readonly Plan[];
  /** The client that places the order dies with the process, and does not ask again. */
  readonly clientDies?: boolean;
  /** How long the client waits before it places the order. */
  readonly placedAfterSeconds?: number;
  /** Whether a process that died long ago left a part that no order names. */
  readonly leftPart?: boolean;
  readonly only?: DeliveryMode;
}

const order = '"part":{"S":"o"}';
/** Every kind of call that the product makes. */
export const kinds = {
  meta: { action: "BatchGetItem", has: ['"#meta"'] },
  shards: { action: "UpdateItem", has: ["SET shards = :shards"] },
  finals: { action: "UpdateItem", has: ["ADD finals :status"] },
  stored: { action: "PutItem", has: [order] },
  written: { action: "UpdateItem", has: [order, '":before"'] },
  read: { action: "BatchGetItem", has: [order] },
  note: { action: "PutItem", has: ["#parts#"] },
  noteOff: { action: "DeleteItem", has: ["#parts#"] },
  part: { action: "PutItem", has: ['"te"'] },
  partOff: { action: "DeleteItem", has: ['"part":{"S":"r'] },
  partRead: { action: "BatchGetItem", has: ['"part":{"S":"r'] },
  dataRead: { action: "BatchGetItem", has: ['"part":{"S":"d-'] },
  published: { action: "PublishBatch" },
  received: { action: "ReceiveMessage" },
  deleted: { action: "DeleteMessageBatch" },
  hidden: { action: "ChangeMessageVisibilityBatch" },
  sent: { action: "SendMessageBatch" },
  seen: { action: "UpdateItem", has: ["SET #sm = :message"] },
  marked: { action: "UpdateItem", has: ["SET #sc = :next"] },
  markOff: { action: "UpdateItem", has: ['"ConditionExpression":"#sb = :nonce"'] },
  overdue: { action: "Query", has: ['"standing"', '"Limit":2000'] },
  counted: { action: "PutItem", has: ['"counts"'] },
  countsRead: { action: "BatchGetItem", has: ['"counts"'] },
  failed: { action: "Query", has: ['"standing"', '"f#'] },
  open: { action: "Query", has: ['"standing"', '"o#'] },
  older: { action: "Query", has: ["begins_with(part, :prefix)"] },
  notes: { action: "Query", has: ["#parts#"] },
  unnamed: { action: "UpdateItem", has: ["SET tl = :at"] },
} as const satisfies Record<string, Kind>;

const { read, written } = kinds;
const published = (visit: number): Site => ({ kind: kinds.published, has: [`"visit":${visit}}`] });
const sent = (visit: number): Site => ({ kind: kinds.sent, has: [`\\"visit\\":${visit}`] });
const entered = (status: string): Site => ({ kind: written, has: [`":st":{"S":"${status}"}`] });

const isLarge = { data: { text: "x".repeat(inlineBytesMax + 1) } };
const failsOnce = { data: { fails: true } };
const waits = { data: { waits: true } };
const diesFirst = (site: Site): { first: readonly Plan[] } => ({ first: [{ site, fault: "killed" }] });
/** The order's message was never published, and the client does not ask again. */
const unpublished = { ...diesFirst({ kind: kinds.stored }), clientDies: true };
/** The handler never ran: the delivery is put off, and no attempt counts. */
const putOff = { first: [{ site: { kind: read }, fault: "refused" as const }] };

const place: readonly Cell[] = [
  { name: "place: the write", site: { kind: kinds.stored } },
  { name: "place: the publish", site: published(0) },
  { name: "place: the data's note", site: { kind: kinds.note, has: [" d-"] }, ...isLarge },
  { name: "place: the data's part", site: { kind: kinds.part, has: ['"part":{"S":"d-'] }, ...isLarge },
  { name: "place: the data's note off", site: { kind: kinds.noteOff, has: [" d-"] }, ...isLarge },
  { name: "place again: the read", site: { kind: read }, ...diesFirst({ kind: kinds.stored }) },
  { name: "place again: the publish", site: published(0), ...diesFirst({ kind: kinds.stored }), only: "fifo" },
];

const attempt: readonly Cell[] = [
  { name: "receive again: the look at the mark", site: { kind: read }, ...diesFirst({ kind: read }) },
  { name: "attempt: the read", site: { kind: read } },
  { name: "attempt: the read of large data", site: { kind: kinds.dataRead }, ...isLarge },
  { name: "attempt: the read of large results", site: { kind: kinds.partRead }, ...isLarge },
  { name: "attempt again: the record", site: entered("received"), ...diesFirst({ kind: read }) },
];

const commit: readonly Cell[] = [
  { name: "commit: the write", site: entered("packed") },
  {
    name: "commit: the look whether it is its own",
    site: { kind: read },
    first: [{ site: entered("packed"), fault: "repeated" }],
  },
  { name: "commit: the publish", site: published(1) },
  { name: "commit: the results' note", site: { kind: kinds.note, has: [" r"] }, ...isLarge },
  { name: "commit: the results' part", site: { kind: kinds.part, has: ['"part":{"S":"r'] }, ...isLarge },
  { name: "commit: the results' note off", site: { kind: kinds.noteOff, has: [" r"] }, ...isLarge },
  { name: "commit: the old results go", site: { kind: kinds.partOff }, ...isLarge },
  { name: "commit: the write of a waiting status", site: entered("held"), ...waits },
  { name: "commit: the final status's name", site: { kind: kinds.finals } },
  { name: "commit: the write of the final status", site: entered("sent") },
  { name: "commit again: the write", site: entered("received"), ...failsOnce },
  { name: "commit again: the new message", site: sent(0), ...failsOnce, only: "standard" },
];

const settle: readonly Cell[] = [
  { name: "settle again: the new message", site: sent(0), ...putOff, only: "standard" },
  { name: "settle again: the mark", site: { kind: kinds.seen }, ...putOff, only: "fifo" },
  { name: "settle again: the invisibility", site: { kind: kinds.hidden }, ...putOff, only: "fifo" },
];

/** The process died after a visit's write and before its publish. Two reads come before, of the receive and the attempt. */
const redeliver: readonly Cell[] = [
  { name: "redeliver: the read", site: { kind: read, nth: 3 }, ...diesFirst(entered("packed")) },
  { name: "redeliver: the mark", site: { kind: kinds.marked }, ...diesFirst(entered("packed")) },
  { name: "redeliver: the message", site: sent(1), ...diesFirst(entered("packed")) },
  {
    name: "redeliver: the mark off",
    site: { kind: kinds.markOff },
    first: [
      { site: entered("packed"), fault: "killed" },
      { site: sent(1), fault: "refused" },
    ],
  },
];

const sweep: readonly Cell[] = [
  { name: "sweep: the look at the index", site: { kind: kinds.overdue }, ...unpublished },
  { name: "sweep: the look at the notes", site: { kind: kinds.notes }, ...unpublished },
  { name: "sweep: the read", site: { kind: read }, ...unpublished },
  { name: "sweep: the mark", site: { kind: kinds.marked }, ...unpublished },
  { name: "sweep: the message", site: sent(0), ...unpublished },
  { name: "sweep: the expiry's write", site: entered("packed"), ...waits },
  { name: "sweep: the expiry's publish", site: published(2), ...waits },
  { name: "sweep: a left part's time to live", site: { kind: kinds.unnamed }, leftPart: true, ...waits },
  { name: "sweep: the look for older results", site: { kind: kinds.older }, leftPart: true, ...waits },
  { name: "sweep: the look at the failed orders", site: { kind: kinds.failed, nth: 2 }, ...unpublished },
  { name: "sweep: the counts", site: { kind: kinds.counted }, ...unpublished },
  { name: "sweep: a left part's note off", site: { kind: kinds.noteOff }, leftPart: true, ...waits },
];

export const cells = { place, attempt, commit, settle, redeliver, sweep };

/**
 * Gives the cells of one delivery. With `FAULTS=all` (`npm run faults:aws`) each row has every fault. Else a row has one
 * fault, in the delivery that is its own or in the one of the two whose turn it is.
 */
export function cellsOf(rows: readonly Cell[], delivery: DeliveryMode) {
  const all = process.env.FAULTS === "all";
  const turn = delivery === "fifo" ? 1 : 0;
  return rows.flatMap((cell, row) => {
    if (cell.only === undefined ? !all && row % 2 !== turn : cell.only !== delivery) return [];
    // Rows of the same delivery are two apart, and still meet every fault.
    const chosen = all ? faults : [faults[Math.floor(row / 2) % faults.length] as Fault];
    return chosen.map((fault) => ({ cell, fault, name: `${delivery} · ${cell.name} · ${fault}` }));
  });
}

/** The rows of a table of cells, and the function that runs one cell. */
export interface Driver {
  readonly rows: readonly Cell[];
  endsOnce(site: Stage, cell: Cell, fault: Fault): Promise<void>;
}

/** The resources that one cell has to itself. */
export interface Stage {
  readonly number: number;
  readonly delivery: DeliveryMode;
  readonly stack: Stack;
  readonly proxy: FaultProxy;
  readonly clients: Clients;
}

const looksMilliseconds = 750;
/** The cells in which a message may be lost or never be sent. Every other cell must end without a sweep. */
const sweepRepairs = /^(place|redeliver|sweep)/;
const counts = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
] as const;

/**
 * Watches a stage's order from outside until it has ended and its queues are empty, then asserts how it ended. Calls
 * `onOverdue` whenever only a sweep can move the order on.
 */
export async function untilEnded(
  { number, stack, clients }: Stage,
  { cell, trouble, onOverdue, said }: Watched,
): Promise<void> {
  const { dynamo, sqs } = clients;
  const TableName = `${workflow.name}-table-${stageName(number)}`;

  const look = async () => {
    const input = { FilterExpression: "part = :o", ExpressionAttributeValues: { ":o": { S: "o" } } };
    const { Items = [] } = await dynamo.send(new ScanCommand({ TableName, ...input }));
    return Items;
  };

  const queued = async (): Promise<number> => {
    const found = await Promise.all(
      handled.map((status) =>
        sqs.send(
          new GetQueueAttributesCommand({ QueueUrl: stack.queueUrl(status) as string, AttributeNames: [...counts] }),
        ),
      ),
    );
    return found.flatMap(({ Attributes = {} }) => Object.values(Attributes).map(Number)).reduce((x, y) => x + y);
  };

  /** Makes an order's redelivery due now, which would be due half a minute later. */
  const age = (id: AttributeValue) =>
    dynamo
      .send(
        new UpdateItemCommand({
          TableName,
          Key: { id, part: { S: "o" } },
          UpdateExpression: "SET du = :past",
          ConditionExpression: "attribute_exists(du)",
          ExpressionAttributeValues: { ":past": { N: String(Date.now() - 1_000) } },
        }),
      )
      .catch((error) => assert.equal(error.name, "ConditionalCheckFailedException"));

  const leavePart = async (id: AttributeValue): Promise<void> => {
    const note = { id: { S: "#parts#0" }, part: { S: `${"1".padStart(15, "0")} ${id.S} r9-left` } };
    await dynamo.send(new PutItemCommand({ TableName, Item: note }));
    await dynamo.send(new PutItemCommand({ TableName, Item: { id, part: { S: "r9-left" }, te: { S: "" } } }));
  };

  const begun = Date.now();
  let left = false;
  let endedVersion: string | undefined;
  let looksEmpty = 0;
  for (let version: string | undefined; ; ) {
    await sleep(looksMilliseconds);
    const [item] = await look();
    if (item?.id !== undefined && cell.leftPart && !left) {
      left = true;
      await leavePart(item.id);
    }
    const kind = item?.ki?.S;
    const moved = item?.ve?.N !== version;
    version = item?.ve?.N;
    if (kind === "f") endedVersion ??= version;
    // While the order moves, the queues need not be counted.
    const messages = moved || kind === "w" ? undefined : await queued();
    looksEmpty = messages === 0 ? looksEmpty + 1 : 0;
    if (endedVersion !== undefined && trouble.fired && looksEmpty >= 2) break;
    if (Date.now() - begun > limitMilliseconds) {
      const text = `fired: ${trouble.fired}; messages: ${messages}; the order: ${JSON.stringify(item)}`;
      assert.fail(`${text}; said:\n${said.join("\n")}`);
    }
    // No queue holds the order's message. Do not wait until the message counts as lost.
    const isLost = kind === "h" && looksEmpty >= 2;
    if (isLost && !sweepRepairs.test(cell.name)) {
      // An order may look lost for a moment between its write and its publish.
      if (looksEmpty < 8) continue;
      assert.fail(`no queue has it, though no sweep should be needed; said:\n${said.join("\n")}`);
    }
    if (isLost) await age(item?.id as AttributeValue);
    if (isLost || kind === "w" || (kind === "f" && !trouble.fired)) onOverdue();
  }
  const items = await look();
  assert.equal(items.length, 1, "one order");
  const item = items[0] as Item;
  const done = await orderOf({ table: openTable(dynamo, TableName) }, item);
  assert.ok(done, "its large fields stand beside it");
  assert.equal(String(done.version), endedVersion, "nothing happened to it since it ended");
  const way = cell.data?.waits ? ["received", "held", "packed", "sent"] : ["received", "packed", "sent"];
  assert.deepEqual([...done.past.map(({ status }) => status), done.status], way);
  assert.deepEqual(
    [...done.past, done].map(({ visit }) => visit),
    way.map((_, visit) => visit),
  );
  assert.equal(done.failure, null);
  assert.deepEqual(JSON.parse(done.dataJson), cell.data ?? {});
  const text = cell.data?.text ?? "";
  assert.deepEqual(JSON.parse(done.resultsJson), { received: text, packed: text });
}

export interface Watched {
  readonly cell: Cell;
  readonly trouble: Trouble;
  readonly onOverdue: () => void;
  /** The log, for the report of a cell that failed. */
  readonly said: readonly string[];
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
